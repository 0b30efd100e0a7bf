"""Fills: what replaces the masked-out bins of a clip.

Silence is a sound that no encoder was trained on. An explanation should hold with other fills, too.
"""

import math
from collections.abc import Sequence

import torch

from speechbrain_lmac.utils.errors import InputError

FLOOR = 0.1
"""Quantile over time that defines the noise floor of a frequency bin."""


def silence(power: torch.Tensor) -> torch.Tensor:
    """Return zeros, ``[batch, 1, bins]``."""
    return torch.zeros_like(power[:, :1])


def noise_floor(power: torch.Tensor) -> torch.Tensor:
    """Return the 10th percentile of each frequency bin: the stationary background.

    Frames of digital silence, such as padding, do not count unless all frames are silent.

    Example
    -------
    >>> padded = torch.tensor([3.0, 2.0, 0.0, 0.0]).view(1, 4, 1)
    >>> noise_floor(padded).item()
    2.0
    """
    silent = (power == 0).all(dim=2).sum(dim=1).tolist()
    return torch.cat([_floor(*pair) for pair in zip(power.split(1), silent)])


def _floor(power: torch.Tensor, silent: int) -> torch.Tensor:
    """Noise floor of one clip. The zeros of silent frames are its lowest values."""
    frames = power.shape[1]
    rank = min(silent + math.ceil(FLOOR * (frames - silent)), frames)
    return power.kthvalue(rank, dim=1, keepdim=True).values


def mean(power: torch.Tensor) -> torch.Tensor:
    """Return the mean of each frequency bin: the spectrum of the clip without events."""
    return power.mean(dim=1, keepdim=True)


FILLS = {"silence": silence, "noise_floor": noise_floor, "mean": mean}
"""Name -> function from power ``[batch, frames, bins]`` to the power of masked bins,
``[batch, 1, bins]``."""


def check_fills(fills: object) -> None:
    """Raise InputError unless ``fills`` is a list of at least one key of ``FILLS``."""
    if not isinstance(fills, list | tuple) or not fills or not set(map(str, fills)) <= set(FILLS):
        raise InputError(
            f"mask_fills must be a list of {', '.join(FILLS)}, got {fills!r}. Give [silence] for "
            "the objective of the papers"
        )


def fill_power(power: torch.Tensor, fills: Sequence[str]) -> torch.Tensor | None:
    """Power of the masked-out bins of each clip, with a fill for each clip.

    Arguments
    ---------
    power : torch.Tensor
        Power of the clips, ``[batch, frames, bins]``.
    fills : sequence of str
        Key of ``FILLS`` for each clip, ``[batch]``.

    Returns
    -------
    torch.Tensor or None
        Power, ``[batch, 1, bins]``; None if every fill is silence.

    Example
    -------
    >>> power = torch.tensor([[[1.0], [3.0]], [[5.0], [7.0]]])
    >>> fill_power(power, ["silence", "mean"]).flatten()
    tensor([0., 6.])
    """
    if set(fills) == {"silence"}:
        return None
    filled = [FILLS[fill](clip.unsqueeze(0)) for fill, clip in zip(fills, power)]
    return torch.cat(filled)
