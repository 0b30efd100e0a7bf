"""EfficientAT's front end, and the authors' weights file.

32 kHz, pre-emphasis, a symmetric Hann window of 25 ms, and 128 Kaldi mel bands up to 15 kHz.
"""

from pathlib import Path

import torch

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.models.backbones.kaldi import mel_filters
from speechbrain_lmac.utils.download import fetch_cached

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


def download_weights() -> Path:
    """Path of the authors' weights, downloaded to the cache on first use."""
    return fetch_cached(RELEASE + FILE, FILE, SHA256)
