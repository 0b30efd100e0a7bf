"""Mixing at a signal-to-noise ratio."""

import torch
from torch import Tensor

PRESETS = {"mixture": 12.04, "speech": 12.04, "white_noise": 6.02, "wham": 0.0}
"""SNRs of the published code, in dB. Unit-norm sounds are mixed as ``0.8 clip + 0.2 other`` (other
clips, LJSpeech), as ``clip + 0.5 noise``, and with WHAM! noise at equal energy."""


def mix(wavs: Tensor, other: Tensor, snr_db: float | Tensor) -> Tensor:
    """Add ``other`` to clips at a signal-to-noise ratio, measured over the whole clip.

    Arguments
    ---------
    wavs, other : torch.Tensor
        Waveforms, ``[..., time]``.
    snr_db : float or torch.Tensor
        Signal-to-noise ratio in dB, ``[...]``.

    Returns
    -------
    torch.Tensor
        Mixtures, ``[..., time]``; equal to ``wavs`` where either waveform is silent.

    Example
    -------
    >>> mix(torch.tensor([1.0, -1.0]), torch.tensor([1.0, 1.0]), snr_db=0.0)
    tensor([2., 0.])
    """
    return wavs + scale_to_snr(wavs, other, snr_db)


def scale_to_snr(wavs: Tensor, other: Tensor, snr_db: float | Tensor) -> Tensor:
    """Scale ``other`` to ``snr_db`` below the clips; the arguments are those of :func:`mix`.

    Returns
    -------
    torch.Tensor
        The stem that :func:`mix` adds, ``[..., time]``.
    """
    gain = wavs.square().mean(-1).sqrt() * 10 ** (-torch.as_tensor(snr_db) / 20)
    level = other.square().mean(-1).sqrt()
    gain = torch.where(level > 0, gain / level.clamp(min=1e-12), 0.0)
    return gain.unsqueeze(-1) * other
