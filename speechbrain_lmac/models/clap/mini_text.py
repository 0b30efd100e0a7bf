"""Text tower of MiniCLAP."""

import torch
from torch import nn
from torch.nn.functional import normalize

from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.models.text import minilm

DIM = 256
LABELS = 527
"""Number of AudioSet labels, which the teacher model predicts."""
TEMPERATURE = 0.02
"""Temperature of the cosines between a prompt and the known phrases."""
FAMILIAR = 0.72
"""Cosine from which a prompt is like a known phrase. The class names of ESC-50 and 18 paraphrases
have .74 and more; 7 of 8 species by their Latin names and 8 of 9 German and French prompts less."""


class TextTower(nn.Module):
    """Text encoder: a prompt becomes a mixture of AudioSet labels.

    Each known phrase names a label. A prompt is the mixture of the labels whose phrases are most
    similar to it, and each label has a trained direction.

    Arguments
    ---------
    phrases : int
        Number of known phrases.
    """

    phrases: torch.Tensor
    label_of: torch.Tensor

    def __init__(self, phrases: int):
        super().__init__()
        self.register_buffer("phrases", torch.zeros(phrases, minilm.DIM))
        self.register_buffer("label_of", torch.zeros(phrases, dtype=torch.long))
        self.directions = nn.Linear(LABELS, DIM, bias=False)

    def forward(self, sentences: torch.Tensor) -> torch.Tensor:
        """Embed sentence embeddings ``[prompts, 384]`` -> ``[prompts, 256]``, unit norm."""
        return self.embed_mixtures(self.mixtures(sentences))

    def mixtures(self, sentences: torch.Tensor) -> torch.Tensor:
        """Mixture of the labels for each sentence embedding, ``[prompts, 527]``."""
        return self.look_up(sentences @ self.phrases.T)

    def look_up(self, cosines: torch.Tensor) -> torch.Tensor:
        """Mixture of the labels ``[prompts, 527]``, from cosines with the known phrases."""
        weights = torch.softmax(cosines / TEMPERATURE, dim=-1).cpu()  # sums vary on a GPU
        mixture = weights.new_zeros(len(cosines), LABELS)
        return mixture.index_add(1, self.label_of.cpu(), weights).to(cosines.device)

    def embed_mixtures(self, mixtures: torch.Tensor) -> torch.Tensor:
        """Embed mixtures of labels ``[prompts, 527]`` -> ``[prompts, 256]``, unit norm."""
        return normalize(self.directions(mixtures), dim=-1)

    def taken_for(self, sentences: torch.Tensor) -> list[str | None]:
        """Return the label that each sentence is taken for; None if it is like a known phrase."""
        cosines = sentences @ self.phrases.T
        labels = audioset_labels()
        return [
            None if cosine >= FAMILIAR else labels[int(self.label_of[index])]
            for cosine, index in zip(*(values.tolist() for values in cosines.max(dim=-1)))
        ]
