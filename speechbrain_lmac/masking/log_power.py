"""Normalized log power of a clip: gain and dynamic range are removed."""

import torch

RANGE = 1e-8
"""Smallest power, as a fraction of the largest power of the clip."""
MIN_POWER = 1e-20
MIN_DEVIATION = 0.1


def normalized_log_power(power: torch.Tensor) -> torch.Tensor:
    """Log power with zero mean and about unit deviation for each clip.

    The encoder's hidden maps are coarse. Log power tells which bins below a place of such a map
    carry the sound.

    Arguments
    ---------
    power : torch.Tensor
        Power, ``[batch, frames, bins]``.

    Returns
    -------
    torch.Tensor
        Normalized log power without a unit, ``[batch, frames, bins]``.

    Example
    -------
    >>> normalized_log_power(torch.tensor([[[0.01, 1.0]], [[0.02, 2.0]]])).round(decimals=2)
    tensor([[[-0.9600,  0.9600]],
    <BLANKLINE>
            [[-0.9600,  0.9600]]])
    """
    largest = power.amax(dim=(1, 2), keepdim=True)
    log_power = (power + (RANGE * largest).clamp(min=MIN_POWER)).log_()
    log_power -= log_power.mean(dim=(1, 2), keepdim=True)
    deviation = log_power.square().mean(dim=(1, 2), keepdim=True).sqrt()
    return log_power.div_(deviation + MIN_DEVIATION)
