"""Published layouts of SpeechBrain's CNN14 classifiers: front ends, heads and networks.

The networks are SpeechBrain's own classes, which are imported when a classifier is built.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import normalize

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.models.checkpoints import read_hashed
from speechbrain_lmac.models.classifiers.label_files import ESC50_IN_RECIPE_ORDER
from speechbrain_lmac.models.input_window import PeakNormalizedInput, VariableLengthInput
from speechbrain_lmac.models.state_dicts import build_within, load_strictly, read_shapes

N_FFT, BANDS, HIGHEST_HZ = 1024, 80, 8000
SMALLEST = 1e-10
"""Smallest magnitude of a bin or band inside a logarithm or square root."""
DYNAMIC_RANGE_DB = 80.0
"""Decibels below the maximum of each encoded clip at which fainter bands are clipped."""
COSINE_SCALE = 30.0
"""Factor from cosine to logit, as in the loss that the cosine head is trained with."""

State = Mapping[str, torch.Tensor]
Head = tuple[nn.Module, torch.Tensor, torch.Tensor | None]
"""Module from embedding ``[batch, 1, dim]`` to features, and weights and biases of the logits."""


def log1p_magnitude(mel: torch.Tensor) -> torch.Tensor:
    """``log(1 + S)`` of squared band magnitudes ``S ** 2``."""
    return mel.clamp(min=SMALLEST**2).sqrt().log1p()


def clipped_decibels(mel: torch.Tensor) -> torch.Tensor:
    """``10 log10 S`` of squared band magnitudes, at most 80 dB below the maximum of each clip.

    The maximum is that of the encoded clip. A mask on the loudest bands lowers the floor.
    """
    decibels = 5 * mel.clamp(min=SMALLEST**2).log10()
    return decibels.maximum(decibels.amax(dim=(1, 2), keepdim=True) - DYNAMIC_RANGE_DB)


def read_linear_head(state: State, dim: int, what: str) -> Head:
    """Head of the layout ``recipe``: one linear layer."""
    classes = read_shapes(what, lambda: len(state["weight"]))
    head = build_within(lambda: nn.Linear(dim, classes), state, what)
    load_strictly(head, state, what)
    return nn.Flatten(), head.weight, head.bias


class CosineFeatures(nn.Module):
    """Batch norm and linear layer of SpeechBrain's ``Classifier``, then unit norm."""

    def __init__(self, blocks: nn.ModuleList):
        super().__init__()
        self.blocks = blocks

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """Features of unit norm, ``[batch, dim']``, of embeddings ``[batch, 1, dim]``."""
        for block in self.blocks:
            embedding = block(embedding)
        return normalize(embedding.squeeze(1))


def read_cosine_head(state: State, dim: int, what: str) -> Head:
    """Head of the layout ``hub``: cosines with the rows of a matrix, times 30."""
    from speechbrain.lobes.models.ECAPA_TDNN import Classifier

    classes, width = read_shapes(what, lambda: tuple(state["weight"].shape))
    sizes = {"lin_blocks": 1, "lin_neurons": width, "out_neurons": classes}
    head = build_within(lambda: Classifier(dim, **sizes), state, what)
    load_strictly(head, state, what)
    return CosineFeatures(head.blocks), COSINE_SCALE * normalize(head.weight), None


class ClassifierLayout(NamedTuple):
    """Front end and head of published weights."""

    sample_rate: int
    window_length: int
    hop_length: int
    compress: Callable[[torch.Tensor], torch.Tensor]
    """Function from squared band magnitudes to the input of CNN14."""
    read_head: Callable[[State, int, str], Head]
    window: type[VariableLengthInput]
    names: tuple[str, ...] | None
    """Class names of the published weights, if no file states them."""

    def spectrogram(self) -> Spectrogram:
        """Transform with a Hamming window and zeros beyond the edges."""
        window = torch.hamming_window(self.window_length)
        return Spectrogram(N_FFT, self.hop_length, window, pad_mode="constant")

    def filterbank(self) -> torch.Tensor:
        """Triangular filters, ``[bins, 80]``: the response of SpeechBrain's module to each bin."""
        from speechbrain.processing.features import Filterbank

        sizes = {"n_mels": BANDS, "n_fft": N_FFT, "f_max": HIGHEST_HZ}
        filters = Filterbank(log_mel=False, sample_rate=self.sample_rate, **sizes)
        return filters(torch.eye(N_FFT // 2 + 1).unsqueeze(0)).squeeze(0)


LAYOUTS = {
    "recipe": ClassifierLayout(
        *(16000, 372, 186, log1p_magnitude, read_linear_head),
        PeakNormalizedInput,
        ESC50_IN_RECIPE_ORDER,
    ),
    "hub": ClassifierLayout(
        *(44100, 1024, 512, clipped_decibels, read_cosine_head), VariableLengthInput, None
    ),
}
"""``recipe``: classifiers that L-MAC (ICML 2024) explains; ``hub``: ``speechbrain/cnn14-esc50``."""


def read_cnn14(path: Path) -> tuple[nn.Module, int, str]:
    """SpeechBrain's network with weights of a file, its embedding size and the file's SHA-256."""
    from speechbrain.lobes.models.Cnn14 import Cnn14

    state, sha256 = read_hashed(path, "model")
    what = f"{path} is not SpeechBrain's CNN14"
    dim = read_shapes(what, lambda: len(state["conv_block6.conv2.weight"]))
    cnn14 = build_within(lambda: Cnn14(BANDS, dim, return_reps=True), state, what)
    load_strictly(cnn14, state, what)
    return cnn14, dim, sha256
