"""High-pass filter of whole clips, without phase shift.

The spectrum of a clip as one period is weighted. A transform whose length has a large prime factor
takes five times as long as one of a fast length. Such clips are filtered by the equal circular
convolution, with transforms of a fast length.
"""

import functools
from typing import Any

import numpy as np
import torch
from scipy import fft


def high_pass(wavs: torch.Tensor, sample_rate: int, hertz: float) -> torch.Tensor:
    """Filter waveforms; the gain rises, as half a cosine, from 0.4 to 0.8 of ``hertz``.

    Arguments
    ---------
    wavs : torch.Tensor
        Waveforms without gradients, ``[..., time]``.
    sample_rate : int
        Sample rate, in Hz.
    hertz : float
        Frequency, in Hz. Below 0.4 of it nothing remains, and above 0.8 of it nothing changes.

    Returns
    -------
    torch.Tensor
        Filtered waveforms, ``[..., time]``.

    Example
    -------
    >>> high_pass(torch.ones(1, 1000), 1000, 50.0).abs().max() < 1e-6
    tensor(True)
    """
    samples = wavs.shape[-1]
    if wavs.device.type != "cpu":
        gains = torch.from_numpy(_gains(samples, sample_rate, hertz)).to(wavs.device)
        return torch.fft.irfft(gains * torch.fft.rfft(wavs), samples)
    array = wavs.detach().numpy()
    filtered = np.empty_like(array)
    for row in np.ndindex(array.shape[:-1]):  # rows of a batch are rounded like single ones
        filtered[row] = _filter(array[row], sample_rate, hertz)
    return torch.from_numpy(filtered)


def _filter(wav: Any, sample_rate: int, hertz: float) -> Any:
    """Filter one waveform, ``[time]``."""
    samples = len(wav)
    if fft.next_fast_len(samples, real=True) == samples:
        return fft.irfft(fft.rfft(wav) * _gains(samples, sample_rate, hertz), samples)
    return wav - _below(wav, _low_pass(samples, sample_rate, hertz))


@functools.lru_cache(maxsize=4)
def _gains(samples: int, sample_rate: int, hertz: float) -> Any:
    """Gain of each frequency, ``[samples // 2 + 1]``."""
    place = (fft.rfftfreq(samples, 1 / sample_rate) / max(hertz, 1.0) - 0.4) / 0.4
    return ((1 - np.cos(np.pi * place.clip(0, 1))) / 2).astype(np.float32)


def _linear_length(samples: int) -> int:
    """Fast length of a transform that holds the linear convolution of two periods."""
    return int(fft.next_fast_len(2 * samples - 1, real=True))


@functools.lru_cache(maxsize=4)
def _low_pass(samples: int, sample_rate: int, hertz: float) -> Any:
    """Spectrum of one period of what the high-pass filter removes, zero-padded."""
    removed = 1 - _gains(samples, sample_rate, hertz).astype(np.float64)
    spectrum = fft.rfft(fft.irfft(removed, samples), _linear_length(samples))
    return spectrum.astype(np.complex64)


def _below(wav: Any, spectrum: Any) -> Any:
    """Part of a waveform that the filter removes: a linear convolution, folded to one period."""
    samples = len(wav)
    length = _linear_length(samples)
    linear = fft.irfft(fft.rfft(wav, length) * spectrum, length)
    folded = linear[:samples]
    folded[: samples - 1] += linear[samples : 2 * samples - 1]
    return folded
