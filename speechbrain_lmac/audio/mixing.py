"""Mixing at a signal-to-noise ratio."""

import torch

PRESETS = {"mixture": 12.04, "speech": 12.04, "white_noise": 6.02, "wham": 0.0}
"""SNRs in dB of the published code: ``0.8 clip + 0.2 other`` of unit-norm sounds (other clips,
LJSpeech), ``clip + 0.5 noise``, and WHAM! noise as loud as the clip."""


def mix(wavs, other, snr_db):
    """Add ``other`` so that the clips stand ``snr_db`` above it, in energy over the whole clip.

    Arguments
    ---------
    wavs, other : torch.Tensor
        ``[..., time]``.
    snr_db : float or torch.Tensor
        ``[...]``, in dB.

    Returns
    -------
    torch.Tensor
        ``[..., time]``; ``wavs`` itself where either is silent.

    Example
    -------
    >>> mix(torch.tensor([1.0, -1.0]), torch.tensor([1.0, 1.0]), snr_db=0.0)
    tensor([2., 0.])
    """
    return wavs + scale_to_snr(wavs, other, snr_db)


def scale_to_snr(wavs, other, snr_db):
    """The stem that :func:`mix` adds: ``other``, ``snr_db`` below the clips, ``[..., time]``."""
    gain = wavs.square().mean(-1).sqrt() * 10 ** (-torch.as_tensor(snr_db) / 20)
    level = other.square().mean(-1).sqrt()
    gain = torch.where(level > 0, gain / level.clamp(min=1e-12), 0.0)
    return gain.unsqueeze(-1) * other
