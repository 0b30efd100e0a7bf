"""Decisions of a classifier on the sounds of ranked masks."""

from collections.abc import Sequence

import torch

from speechbrain_lmac.inference.scores import CHUNK_SIZE
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.masking.ranking import rank_valid_bins
from speechbrain_lmac.metrics.smallest_areas import area_mask
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.models.class_set import ClassSet


class RankedMasks:
    """Clip with the ranked bins of its masks.

    Arguments
    ---------
    classifier : MaskedClassifier
        Classifier that is explained.
    filtered : torch.Tensor
        Clip without offset, ``[time]``, on the CPU.
    masks : torch.Tensor
        Mask of each prompt, ``[prompts, frames, bins]``.
    """

    @torch.no_grad()
    def __init__(self, classifier: MaskedClassifier, filtered: torch.Tensor, masks: torch.Tensor):
        self.classifier, self.masks = classifier, masks
        encoded = classifier.encode_clips(filtered.unsqueeze(0).to(classifier.device))
        self.encoded = encoded._replace(graph=None)  # no gradients here; a graph holds much memory
        self.num_bins = int(classifier.grid(self.encoded).valid.sum())
        self._ranks: dict[int, torch.Tensor] = {}

    @torch.no_grad()
    def ranks(self, i: int) -> torch.Tensor:
        """Return the ranks of the bins of mask ``i``, ``[frames, bins]``, computed on first use."""
        if i not in self._ranks:
            mask = self.masks[i : i + 1].to(self.classifier.device)
            seeds = [0]  # one order of equal bins for all prompts
            self._ranks[i] = rank_valid_bins(self.classifier, self.encoded, mask, seeds)[0]
        return self._ranks[i]

    def sound(self, area: float, i: int) -> torch.Tensor:
        """Return the sound ``[time]`` of the best bins of mask ``i``."""
        mask = area_mask(self.ranks(i).unsqueeze(0), area, self.num_bins)
        return self.play(mask).squeeze(0)

    @torch.no_grad()
    def play(self, masks: torch.Tensor) -> torch.Tensor:
        """Return the masked-in sounds of masks ``[sounds, frames, bins]``, ``[sounds, time]``."""
        encoded = self.encoded
        domain = self.classifier.domain
        return domain.apply_mask(encoded.wavs, masks.unsqueeze(1), encoded.stft).squeeze(1).cpu()


class PromptDecisions:
    """Decisions of a classifier on parts of a clip: whether a prompt leads.

    Arguments
    ---------
    ranked, prompts, against
        As for :func:`~speechbrain_lmac.inference.areas.find_areas`.
    """

    def __init__(self, ranked: RankedMasks, prompts: Sequence[str], against: str | None):
        self.ranked, self.classifier = ranked, ranked.classifier.audio_classifier
        others = [] if against is None else [against]
        self.queries = self.classifier.queries([*prompts, *others])
        contrast = self.queries[-1] if others else None
        self.classes = [
            competing_classes(self.classifier, query, contrast)
            for query in self.queries[: len(prompts)]
        ]

    def leads(self, vector: torch.Tensor, i: int) -> torch.Tensor:
        """Return whether prompt ``i`` leads in a sound with vector ``[dim]``."""
        first = torch.zeros((), dtype=torch.long, device=vector.device)
        return self.classes[i].leads(vector, self.queries[i], first)

    @torch.no_grad()
    def on_parts(
        self, top: torch.Tensor, removed: torch.Tensor, index: Sequence[int]
    ) -> torch.Tensor:
        """Return whether prompts lead on parts of the clip, ``[parts]`` of bool.

        Arguments
        ---------
        top : torch.Tensor
            Masks of the parts, ``[parts, frames, bins]``; one mask for each prompt.
        removed : torch.Tensor
            Whether a part is the clip without its mask, ``[parts]`` of bool.
        index : sequence of int
            Prompt of each part.
        """
        parts = zip(*(each.split(CHUNK_SIZE) for each in (top, removed, torch.tensor(index))))
        vectors = torch.cat([self._encode(*part) for part in parts])
        return torch.stack([self.leads(vector, i) for vector, i in zip(vectors, index)])

    def _encode(
        self, top: torch.Tensor, removed: torch.Tensor, index: torch.Tensor
    ) -> torch.Tensor:
        """Encode parts, ``[parts, dim]``. The mask of a prompt is inverted and filtered once."""
        prompts, place = index.unique(return_inverse=True)
        first = torch.stack([(place == i).nonzero()[0, 0] for i in range(len(prompts))])
        sounds = self.classifier.without_offset(self.ranked.play(top[first.to(top.device)]))
        sounds = sounds[place]
        original = self.ranked.encoded.wavs.cpu()  # without offset; the filter is linear
        parts = torch.where(removed.cpu().unsqueeze(1), original - sounds, sounds)
        return self.classifier(parts.to(self.classifier.device)).vector


def competing_classes(
    classifier: AudioClassifier, query: torch.Tensor, against: torch.Tensor | None
) -> ClassSet:
    """Return the classes that a prompt competes with, as in its presence.

    Arguments
    ---------
    classifier : AudioClassifier
        Classifier that is explained.
    query : torch.Tensor
        Query vector of the prompt, ``[dim]``.
    against : torch.Tensor or None
        Query vector of the text that the prompt is contrasted with, ``[dim]``.

    Returns
    -------
    ClassSet
        Classes with the prompt as the first one, unless the classifier has classes of its own.
    """
    if against is not None:
        return ClassSet(torch.stack([query, against]), classifier)
    return classifier.competing(classifier.competing_queries(query.unsqueeze(0)))
