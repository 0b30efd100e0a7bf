"""Kaldi's front end: frames inside the clip, each without offset and with pre-emphasis."""

import torch
from torch.nn.functional import pad
from torchaudio.compliance.kaldi import get_mel_banks

from speechbrain_lmac.audio.stft import Spectrogram

PRE_EMPHASIS = 0.97
FRAMES_BEFORE, FRAMES_AFTER = 1, 2
"""Frames at the edges of a clip that Kaldi leaves out. With them, the inverse covers the clip."""


def mel_filters(
    bands: int, n_fft: int, sample_rate: int, lowest_hz: float, highest_hz: float
) -> torch.Tensor:
    """Kaldi's mel filters, ``[n_fft // 2 + 1, bands]``.

    Arguments
    ---------
    bands, n_fft, sample_rate : int
        Number of bands, length of the transform in samples, and sample rate in Hz.
    lowest_hz, highest_hz : float
        Edges of the bands, in Hz; 0 for the highest one is the Nyquist frequency.
    """
    filters, _ = get_mel_banks(
        bands,
        n_fft,
        sample_rate,
        lowest_hz,
        highest_hz,
        vtln_low=100.0,
        vtln_high=-500.0,
        vtln_warp_factor=1.0,
    )
    return pad(filters, (0, 1)).T.contiguous()  # Kaldi omits Nyquist


class KaldiSpectrogram(Spectrogram):
    """STFT of a clip, and STFT of its frames as Kaldi's filterbank features take them.

    Kaldi's frames lie inside the clip (``snip_edges``). Both transforms also have one frame before
    and two frames after them, which :func:`kaldi_frames` leaves out.

    Arguments
    ---------
    n_fft, hop_length, window_length : int
        Length of the transform, distance between frames and length of the Hann window, in samples.

    Example
    -------
    >>> spectrogram = KaldiSpectrogram(512, 160, 400)
    >>> wavs = torch.randn(2, 16000)
    >>> spectrogram(wavs).shape
    torch.Size([2, 101, 257])
    >>> torch.allclose(spectrogram.inverse(spectrogram(wavs), 16000), wavs, atol=1e-5)
    True
    """

    def __init__(self, n_fft: int, hop_length: int, window_length: int):
        super().__init__(n_fft, hop_length, torch.hann_window(window_length, periodic=False))

    def forward(self, wavs: torch.Tensor) -> torch.Tensor:
        """STFT of ``wavs`` ``[batch, time]``."""
        return self._transform(self._frames(wavs))

    def emphasized(self, wavs: torch.Tensor) -> torch.Tensor:
        """STFT of ``wavs`` ``[batch, time]``, each frame without its mean and with pre-emphasis."""
        frames = self._frames(wavs)
        frames = frames - frames.mean(dim=-1, keepdim=True)
        before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
        return self._transform(frames - PRE_EMPHASIS * before)

    def closing_frame(self, wavs: torch.Tensor, frames: int) -> None:
        """None: the frames cover the clip."""

    @property
    def samples_before(self) -> int:
        """Samples of the first frame that precede the clip."""
        return self.hop_length * FRAMES_BEFORE

    def _padded_window(self) -> torch.Tensor:
        return pad(self.window, (0, self.n_fft - len(self.window)))  # as Kaldi pads its frames

    def _frames(self, wavs: torch.Tensor) -> torch.Tensor:
        """Frames ``[batch, frames, window]``, with silence beyond the edges of the clip."""
        length, hop = len(self.window), self.hop_length
        samples = max(wavs.shape[-1], length)
        count = 1 + (samples - length) // hop
        before = FRAMES_BEFORE * hop
        total = length + hop * (count - 1 + FRAMES_BEFORE + FRAMES_AFTER)
        return pad(wavs, (before, total - before - wavs.shape[-1])).unfold(-1, length, hop)

    def _transform(self, frames: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft(frames * self.window, self.n_fft)


def kaldi_frames(mel: torch.Tensor) -> torch.Tensor:
    """Kaldi's own frames of values ``[batch, frames, bands]`` of a :class:`KaldiSpectrogram`."""
    return mel[:, FRAMES_BEFORE : mel.shape[1] - FRAMES_AFTER]
