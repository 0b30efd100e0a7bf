"""Where the cells of a mask lie, and how coarse maps are spread over them."""

from typing import NamedTuple

import torch
from torch.nn.functional import interpolate


class Grid(NamedTuple):
    """Cells of a time-frequency plane, placed on an encoder's own axes."""

    frames: int
    """Frames of the plane; they share the encoder's time axis."""
    positions: torch.Tensor
    """``[bins]``: place of each bin along the encoder's frequency axis, 0 to 1."""


def spread(maps, grid):
    """Interpolate coarse maps over a grid, linearly along both axes.

    An encoder's maps are evenly spaced on its mel axis, a plane's bins need not be: the STFT
    plane's are evenly spaced in Hz. Stretching one over the other would move every
    frequency, so bins are looked up by position.

    Arguments
    ---------
    maps : torch.Tensor
        ``[batch, frames', bins']``, evenly spaced on the encoder's axes.
    grid : Grid
        Where values are wanted.

    Returns
    -------
    torch.Tensor
        ``[batch, frames, bins]``.

    Example
    -------
    >>> rising = torch.tensor([[[0.25, 0.75]]])
    >>> spread(rising, Grid(frames=1, positions=torch.tensor([0.25, 0.5, 0.75])))
    tensor([[[0.2500, 0.5000, 0.7500]]])
    """
    weights = bin_weights(maps.shape[-1], grid.positions.to(maps.dtype))
    in_bins = maps @ weights
    in_time = interpolate(in_bins.transpose(1, 2), grid.frames, mode="linear")
    return in_time.transpose(1, 2)


def bin_weights(bins_in, positions):
    """Linear interpolation between the centres of ``bins_in`` even bins, as a matrix.

    Arguments
    ---------
    bins_in : int
        Bins interpolated from.
    positions : torch.Tensor
        ``[bins]``, 0 to 1; beyond the outermost centres the value is held.

    Returns
    -------
    torch.Tensor
        ``[bins_in, bins]``; each column sums to 1.
    """
    place = (positions * bins_in - 0.5).clamp(0, bins_in - 1)
    centres = torch.arange(bins_in, device=positions.device, dtype=positions.dtype)
    return (1 - (place - centres.unsqueeze(1)).abs()).clamp(min=0)
