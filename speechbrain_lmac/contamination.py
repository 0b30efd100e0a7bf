"""Mixing at a signal-to-noise ratio."""

import torch


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
    gain = wavs.square().mean(-1).sqrt() * 10 ** (-torch.as_tensor(snr_db) / 20)
    level = other.square().mean(-1).sqrt()
    gain = torch.where(level > 0, gain / level.clamp(min=1e-12), 0.0)
    return wavs + gain.unsqueeze(-1) * other
