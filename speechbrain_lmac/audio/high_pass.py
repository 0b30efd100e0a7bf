"""High-pass filter of whole clips, without phase shift.

The spectrum of a clip as one period is weighted. What the filter removes is so slow that few
frequencies of few points define it, so a short clip needs no transform of all its samples: the clip
is reduced to points, filtered there, and interpolated. A long clip is filtered by the equal
circular convolution, with transforms of a fast length.
"""

import functools
import math
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

PERIODS = 2
"""Periods of the highest removed frequency in a block of samples that one polynomial describes."""
POINTS = 20
"""Points of the polynomial. It deviates from a sinusoid of two periods by 4e-9 of its height."""
MAX_WAVES = 1 << 21
"""Largest size of the sinusoids at all points (16 MB); 12 s at 32 kHz are below it."""


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
    below = _below_of_short if _is_short(samples, sample_rate, hertz) else _below_of_long
    rows = wavs.detach().reshape(-1, samples)  # rows of a batch are rounded like single ones
    filtered = [row - below(row, sample_rate, hertz) for row in rows]
    return torch.stack(filtered).view(wavs.shape) if filtered else wavs


@functools.lru_cache(maxsize=4)
def _gains(samples: int, sample_rate: int, hertz: float) -> Any:
    """Gain of each frequency, ``[samples // 2 + 1]``."""
    place = (np.fft.rfftfreq(samples, 1 / sample_rate) / max(hertz, 1.0) - 0.4) / 0.4
    return ((1 - np.cos(np.pi * place.clip(0, 1))) / 2).astype(np.float32)


def _is_short(samples: int, sample_rate: int, hertz: float) -> bool:
    """Whether the sinusoids at all points fit into memory."""
    highest = max(1, int(0.8 * hertz * samples / sample_rate))  # its number of periods
    return 2 * highest * highest * POINTS / PERIODS <= MAX_WAVES


def _below_of_short(wav: torch.Tensor, sample_rate: int, hertz: float) -> torch.Tensor:
    """Part ``[time]`` of a short waveform that the filter removes, by polynomials of blocks."""
    interpolation, waves = _short_basis(len(wav), sample_rate, hertz)
    blocks = pad(wav, (0, -len(wav) % len(interpolation))).view(-1, len(interpolation))
    points = (blocks @ interpolation).flatten().double()
    points = (waves.T @ (waves @ points)).view(-1, POINTS).float()
    return (points @ interpolation.T).flatten()[: len(wav)]


@functools.lru_cache(maxsize=4)
def _short_basis(samples: int, sample_rate: int, hertz: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Interpolation from points to samples, and the removed sinusoids at the points.

    The first, ``[block, POINTS]``, has the Lagrange polynomials of Chebyshev points, in barycentric
    form. The second, ``[2 * frequencies, points]``, has the cosine and the sine of each removed
    frequency, times the square root of its part in the waveform.
    """
    removed = 1 - torch.from_numpy(_gains(samples, sample_rate, hertz)).double()
    removed = removed[: int((removed > 0).sum())]
    block = min(samples, max(1, PERIODS * samples // max(1, len(removed) - 1)))
    angles = math.pi * (torch.arange(POINTS).double() + 0.5) / POINTS
    points = angles.cos()
    places = (2 * torch.arange(block).double() + 1 - block) / block
    distance = places.unsqueeze(1) - points
    weights = angles.sin() * torch.tensor([1.0, -1.0]).repeat(POINTS // 2) / distance
    weights = torch.where((distance == 0).any(dim=1, keepdim=True), distance == 0, weights)
    starts = torch.arange(0, samples, block).double().unsqueeze(1)
    times = (starts + (block - 1) / 2 + block / 2 * points).flatten()
    index = torch.arange(len(removed)).double().unsqueeze(1)
    phase = 2 * math.pi * (index * times / samples).frac()
    scale = (removed.unsqueeze(1) * (2 - (index == 0).double()) / samples).sqrt()
    waves = torch.cat([scale * phase.cos(), scale * phase.sin()])
    return (weights / weights.sum(dim=1, keepdim=True)).float(), waves


def _below_of_long(wav: torch.Tensor, sample_rate: int, hertz: float) -> torch.Tensor:
    """Part ``[time]`` of a waveform that the filter removes: a convolution, folded to a period."""
    from scipy import fft

    samples = len(wav)
    low_pass, length = _low_pass(samples, sample_rate, hertz)
    linear = fft.irfft(fft.rfft(wav.numpy(), length) * low_pass, length)
    folded = linear[:samples]
    folded[: samples - 1] += linear[samples : 2 * samples - 1]
    return torch.from_numpy(folded)


@functools.lru_cache(maxsize=4)
def _low_pass(samples: int, sample_rate: int, hertz: float) -> tuple[Any, int]:
    """Spectrum of one period of what the filter removes, zero-padded, and its fast length.

    The length holds the linear convolution of two periods.
    """
    from scipy import fft

    length = fft.next_fast_len(2 * samples - 1, real=True)
    removed = 1 - _gains(samples, sample_rate, hertz).astype(np.float64)
    return fft.rfft(fft.irfft(removed, samples), length).astype(np.complex64), length
