"""EfficientAT's front end and network with the authors' weights, for both of its adapters.

32 kHz, pre-emphasis, a symmetric Hann window of 25 ms, and 128 Kaldi mel bands up to 15 kHz.
"""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.models.backbones.kaldi import mel_filters
from speechbrain_lmac.models.backbones.mobilenet import Tagger, fold_norms, load_weights
from speechbrain_lmac.utils.download import fetch_cached
from speechbrain_lmac.utils.files import absolute_if_exists

RELEASE = "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/"
FILE = "mn04_as_mAP_432.pt"
SHA256 = "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c"

SAMPLE_RATE = 32000
N_FFT = 1024
WINDOW = 800
HOP_LENGTH = 320
MEL_BANDS = 128
HIGHEST_HZ = 15000.0
PRE_EMPHASIS = 0.97


class PreEmphasisSpectrogram(Spectrogram):
    """STFT of a clip, and STFT of the clip after pre-emphasis on the same frames.

    ``y[t] = x[t + 1] - 0.97 x[t]`` is one sample shorter than ``x``. If that costs a frame, the
    last frame of the clip is left out, too. The other frames cover the clip, so the inverse stays
    exact.
    """

    def __init__(self) -> None:
        super().__init__(N_FFT, HOP_LENGTH, torch.hann_window(WINDOW, periodic=False))

    def forward(self, wavs: torch.Tensor) -> torch.Tensor:
        """STFT of ``wavs`` ``[batch, time]``."""
        frames = 1 + max(wavs.shape[-1] - 1, self.n_fft) // self.hop_length
        return super().forward(wavs)[:, :frames]

    def emphasized(self, wavs: torch.Tensor) -> torch.Tensor:
        """STFT of ``wavs`` ``[batch, time]`` after pre-emphasis."""
        return super().forward(wavs[:, 1:] - PRE_EMPHASIS * wavs[:, :-1])


def kaldi_filterbank() -> torch.Tensor:
    """Kaldi's mel filters, 0 to 15 kHz, ``[513, 128]``."""
    return mel_filters(MEL_BANDS, N_FFT, SAMPLE_RATE, 0.0, HIGHEST_HZ)


class PretrainedTagger(NamedTuple):
    """The network with the authors' weights, ready for inference."""

    tagger: Tagger
    weights: Path
    """Path of the weights file."""
    sha256: str
    """SHA-256 of the weights file, in hex."""
    settings: dict[str, Any]
    """Arguments that build the same adapter again."""


def load_tagger(weights: str | Path | None) -> PretrainedTagger:
    """Load the network. Each batch normalization is folded into its convolution.

    Arguments
    ---------
    weights : str or Path or None
        The authors' ``mn04_as_mAP_432.pt``; None to download it on first use.

    Raises
    ------
    InputError
        If the weights cannot be downloaded, or belong to another model.
    """
    path = download_weights() if weights is None else Path(weights)
    tagger = Tagger()
    sha256 = load_weights(tagger, path, f"leave it out to fetch {RELEASE + FILE}")
    # the stubs of ``to`` lack ``memory_format``
    tagger.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fold_norms(tagger)
    settings = {} if weights is None else {"weights": absolute_if_exists(weights)}
    return PretrainedTagger(tagger, path, sha256, settings)


def download_weights() -> Path:
    """Path of the authors' weights, downloaded to the cache on first use."""
    return fetch_cached(RELEASE + FILE, FILE, SHA256)
