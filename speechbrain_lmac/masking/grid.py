"""Where the cells of a mask lie, and how coarse maps are spread over them."""

from typing import NamedTuple

import torch


class Grid(NamedTuple):
    """Cells of a time-frequency plane, placed on an encoder's own axes."""

    times: torch.Tensor
    """``[repeats, frames]``: place of each frame along the encoder's time axis, 0 to 1. An
    encoder may hear a frame several times, or never: NaN."""
    positions: torch.Tensor
    """``[bins]``: place of each bin along the encoder's frequency axis, 0 to 1."""
    bin_mask: torch.Tensor
    """``[bins]``: 1 for each bin of which the encoder hears anything, else 0."""

    @property
    def valid_frames(self):
        """Whether the encoder hears anything of a frame, ``[frames]`` of bool."""
        return (~self.times.isnan()).any(dim=0)

    @property
    def all_valid(self):
        """Whether there is no cell that the encoder never hears."""
        return bool(self.bin_mask.all() and self.valid_frames.all())

    @property
    def heard(self):
        """1 for each cell that the encoder hears at all, else 0, ``[frames, bins]``."""
        return self.valid_frames.to(self.bin_mask).unsqueeze(1) * self.bin_mask


def upsample_to_grid(maps, grid):
    """Interpolate coarse maps over a grid, linearly along both axes.

    An encoder's maps are evenly spaced on its mel axis, a plane's bins need not be: the STFT
    plane's are evenly spaced in Hz. Stretching one over the other would move every
    frequency, so bins are looked up by position; and frames by when they are heard.

    Arguments
    ---------
    maps : torch.Tensor
        ``[batch, frames', bins']``, evenly spaced on the encoder's axes.
    grid : Grid
        Where values are wanted.

    Returns
    -------
    torch.Tensor
        ``[batch, frames, bins]``: the mean over the times a frame is heard, 0 if it never is.

    Example
    -------
    >>> rising = torch.tensor([[[0.25, 0.75]]])
    >>> positions = torch.tensor([0.25, 0.5, 0.75])
    >>> upsample_to_grid(rising, Grid(torch.tensor([[0.5]]), positions, torch.ones(3)))
    tensor([[[0.2500, 0.5000, 0.7500]]])
    """
    in_time = _look_up(maps, grid.times.to(maps.device))
    return in_time @ axis_weights(maps.shape[-1], grid.positions.to(maps.device)).to(maps)


def pool_to_grid(values, grid, shape):
    """Means of the cells of a grid around each place of a coarse map: the way back of
    ``upsample_to_grid``.

    Arguments
    ---------
    values : torch.Tensor
        ``[batch, frames, bins]``, on the grid.
    grid : Grid
        Where its cells lie.
    shape : (int, int)
        ``(frames', bins')`` wanted, evenly spaced on the encoder's axes.

    Returns
    -------
    torch.Tensor
        ``[batch, frames', bins']``; 0 where no cell is.

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
    found = values.new_zeros(len(values), frames, bins)
    count = values.new_zeros(frames)
    for times in grid.times.to(values.device):  # of repetitions
        heard = ~times.isnan()
        place = (times[heard] * frames).long().clamp(0, frames - 1)
        found.index_add_(1, place, over_bins[:, heard])
        count.index_add_(0, place, torch.ones_like(place, dtype=count.dtype))
    return found / count.clamp(min=1).unsqueeze(1)


def _look_up(maps, times):
    """Maps at the times of frames: by the two cells around each, for clips may be long."""
    cells = maps.shape[-2]
    heard = ~times.isnan()
    place = (times.nan_to_num() * cells - 0.5).clamp(0, cells - 1)
    low = place.floor().long().clamp(max=max(0, cells - 2))
    fraction = (place - low).unsqueeze(-1).to(maps)
    found = 0.0
    for row in range(len(times)):  # of repetitions
        before = maps.index_select(-2, low[row])
        after = maps.index_select(-2, (low[row] + 1).clamp(max=cells - 1))
        here = before + fraction[row] * (after - before)
        found = found + here * heard[row].unsqueeze(-1)
    return found / heard.sum(dim=0).clamp(min=1).unsqueeze(-1)


def axis_weights(cells, positions):
    """Linear interpolation between the centers of ``cells`` even cells, as a matrix.

    Arguments
    ---------
    cells : int
        Interpolated from.
    positions : torch.Tensor
        ``[points]``, 0 to 1; beyond the outermost centers the value is held.

    Returns
    -------
    torch.Tensor
        ``[cells, points]``; each column sums to 1.
    """
    place = (positions * cells - 0.5).clamp(0, cells - 1)
    centers = torch.arange(cells, device=positions.device, dtype=positions.dtype)
    return (1 - (place - centers.unsqueeze(1)).abs()).clamp(min=0)
