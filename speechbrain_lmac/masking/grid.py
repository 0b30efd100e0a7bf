"""Positions of a mask's bins on an encoder's axes, and interpolation of coarse maps to them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch


class Grid(NamedTuple):
    """Time-frequency bins of a mask, placed on the axes of an encoder."""

    times: torch.Tensor
    """Position of each frame on the encoder's time axis, 0 to 1, ``[repeats, frames]``. An encoder
    that repeats short clips takes a frame several times; NaN marks a frame that is left out."""
    positions: torch.Tensor
    """Position of each bin on the encoder's frequency axis, 0 to 1, ``[bins]``."""
    bin_mask: torch.Tensor
    """1 for each bin that reaches the encoder, else 0, ``[bins]``."""

    @property
    def valid_frames(self) -> torch.Tensor:
        """Whether a frame reaches the encoder, ``[frames]`` of bool."""
        return (~self.times.isnan()).any(dim=0)

    @property
    def all_valid(self) -> bool:
        """Whether every bin of every frame reaches the encoder."""
        return bool(self.bin_mask.all() and self.valid_frames.all())

    @property
    def valid(self) -> torch.Tensor:
        """1 for each time-frequency bin that reaches the encoder, else 0, ``[frames, bins]``."""
        return self.valid_frames.to(self.bin_mask).unsqueeze(1) * self.bin_mask


def upsample_to_grid(maps: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Interpolate coarse maps to a grid, linearly along both axes.

    The maps of an encoder are evenly spaced on its mel axis. The bins of a mask need not be: STFT
    bins are evenly spaced in Hz. Bins are therefore looked up by position and frames by time;
    stretching the map would shift every frequency.

    Arguments
    ---------
    maps : torch.Tensor
        Maps evenly spaced on the encoder's axes, ``[batch, frames', bins']``.
    grid : Grid
        Positions of the output bins.

    Returns
    -------
    torch.Tensor
        Interpolated maps, ``[batch, frames, bins]``. A repeated frame takes the mean over its
        times; a frame outside the encoder input is 0.

    Example
    -------
    >>> rising = torch.tensor([[[0.25, 0.75]]])
    >>> positions = torch.tensor([0.25, 0.5, 0.75])
    >>> upsample_to_grid(rising, Grid(torch.tensor([[0.5]]), positions, torch.ones(3)))
    tensor([[[0.2500, 0.5000, 0.7500]]])
    """
    in_time = _interpolate_frames(maps, grid.times.to(maps.device))
    return in_time @ axis_weights(maps.shape[-1], grid.positions.to(maps.device)).to(maps)


def pool_to_grid(values: torch.Tensor, grid: Grid, shape: Sequence[int]) -> torch.Tensor:
    """Average the bins of a grid around each place of a coarse map.

    The function is the counterpart of :func:`upsample_to_grid`.

    Arguments
    ---------
    values : torch.Tensor
        Values on the grid, ``[batch, frames, bins]``.
    grid : Grid
        Positions of the bins.
    shape : (int, int)
        Size ``(frames', bins')`` of the coarse map, evenly spaced on the encoder's axes.

    Returns
    -------
    torch.Tensor
        Means, ``[batch, frames', bins']``; 0 where no bin lies.

    Example
    -------
    >>> values = torch.tensor([[[1.0, 3.0, 5.0]]])
    >>> positions = torch.tensor([0.25, 0.25, 0.75])
    >>> pool_to_grid(values, Grid(torch.tensor([[0.5]]), positions, torch.ones(3)), (1, 2))
    tensor([[[2., 5.]]])
    """
    frames, bins = shape
    near = axis_weights(bins, grid.positions.to(values)) * grid.bin_mask.to(values)
    over_bins = values @ (near / near.sum(dim=1, keepdim=True).clamp(min=1e-6)).T
    pooled = values.new_zeros(len(values), frames, bins)
    count = values.new_zeros(frames)
    for times in grid.times.to(values.device):  # one row per repetition
        valid = ~times.isnan()
        place = (times[valid] * frames).long().clamp(0, frames - 1)
        pooled.index_add_(1, place, over_bins[:, valid])
        count.index_add_(0, place, torch.ones_like(place, dtype=count.dtype))
    return pooled / count.clamp(min=1).unsqueeze(1)


def _interpolate_frames(maps: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Maps at the times of frames, from the two places around each; clips may be long."""
    places = maps.shape[-2]
    valid = ~times.isnan()
    place = (times.nan_to_num() * places - 0.5).clamp(0, places - 1)
    low = place.floor().long().clamp(max=max(0, places - 2))
    fraction = (place - low).unsqueeze(-1).to(maps)
    total: torch.Tensor | float = 0.0
    for row in range(len(times)):  # one row per repetition
        before = maps.index_select(-2, low[row])
        after = maps.index_select(-2, (low[row] + 1).clamp(max=places - 1))
        here = before + fraction[row] * (after - before)
        total = total + here * valid[row].unsqueeze(-1)
    return total / valid.sum(dim=0).clamp(min=1).unsqueeze(-1)


def axis_weights(places: int, positions: torch.Tensor) -> torch.Tensor:
    """Linear interpolation between the centers of evenly spaced places, as a matrix.

    Arguments
    ---------
    places : int
        Number of places on the axis.
    positions : torch.Tensor
        Positions of the output points, 0 to 1, ``[points]``. Beyond the outermost centers the
        value is constant.

    Returns
    -------
    torch.Tensor
        Weights, ``[places, points]``. Each column sums to 1.
    """
    place = (positions * places - 0.5).clamp(0, places - 1)
    centers = torch.arange(places, device=positions.device, dtype=positions.dtype)
    return (1 - (place - centers.unsqueeze(1)).abs()).clamp(min=0)
