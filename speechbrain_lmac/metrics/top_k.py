"""Equal budgets: every explainer keeps the same share of cells, so that maps compare.

Soft masks of different means are not comparable, and scaling them to equal means reverses
rankings; ranking the cells and keeping the top ones does neither.
"""

from functools import lru_cache

import numpy as np
import torch

BUDGETS = (0.05, 0.10, 0.20, 0.40)
"""Shares of cells that the tables keep."""

SPARE_BITS = 7
"""Of a float's 23, that do not count in ranking: cells that are alike but for rounding, which
depends on the batch they were computed in, are ties. What is left tells a part in 60 000."""


def rank_bins(maps, seeds):
    """Rank the cells of each map, 0 for the greatest; ties fall by a seeded draw.

    Arguments
    ---------
    maps : torch.Tensor
        ``[batch, frames, bins]``.
    seeds : sequence of int
        One for each clip. A constant map is thus a random mask, whatever the batch.

    Returns
    -------
    torch.Tensor
        ``[batch, frames, bins]`` of int.
    """
    return torch.stack([_rank(cells, seed) for cells, seed in zip(_rounded(maps), seeds)])


def _rounded(maps):
    """Maps to the nearest float with the spare bits 0; a 0 of either sign is the same."""
    bits = (maps.float() + 0.0).contiguous().view(torch.int32)
    return (bits + (1 << (SPARE_BITS - 1)) >> SPARE_BITS << SPARE_BITS).view(torch.float32)


def _rank(cells, seed):
    ties = _draw(cells.numel(), seed).to(cells.device)
    _, order = sort_by(cells.flatten(), ties)
    ranks = torch.empty_like(ties)
    ranks[order] = torch.arange(len(order) - 1, -1, -1, device=order.device)
    return ranks[ties].view_as(cells)


@lru_cache(maxsize=32)
def _draw(count, seed):
    """A place for each cell in a seeded order: the same for all maps of a clip."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def top_k_mask(ranks, share):
    """Binary mask of the best-ranked share of cells.

    Arguments
    ---------
    ranks : torch.Tensor
        ``[batch, frames, bins]``, of :func:`rank_bins`.
    share : float
        0 to 1.

    Returns
    -------
    torch.Tensor
        ``[batch, frames, bins]`` of 0.0 and 1.0.

    Example
    -------
    >>> maps = torch.tensor([[[0.1, 0.9], [0.5, 0.2]]])
    >>> top_k_mask(rank_bins(maps, seeds=[0]), 0.5)
    tensor([[[0., 1.],
             [1., 0.]]])
    """
    return (ranks < round(share * ranks[0].numel())).float()


def as_masks(maps):
    """Maps ``[batch, frames, bins]`` scaled to gains in [0, 1]: each over its maximum.

    Not less its minimum: what is all alike must not become silence.

    Example
    -------
    >>> as_masks(torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]]]))
    tensor([[[0.5000, 1.0000]],
    <BLANKLINE>
            [[0.0000, 0.0000]]])
    """
    top = maps.amax(dim=(1, 2), keepdim=True)
    return maps / torch.where(top > 0, top, 1.0)


PLACE_BITS = 28
"""For the place of a cell: maps of up to 2 ** 28."""


def sort_by(values, places):
    """Sort cells by value, and by place where values are alike.

    Arguments
    ---------
    values : torch.Tensor
        ``[cells]`` of float32.
    places : torch.Tensor
        ``[cells]`` of int, each of 0 to ``cells - 1`` once.

    Returns
    -------
    torch.Tensor, torch.Tensor
        Sorted, least first: values as whole numbers of the same order, and places.

    Example
    -------
    >>> sort_by(torch.tensor([0.5, -1.0, 0.5]), torch.tensor([2, 0, 1]))[1]
    tensor([0, 1, 2])
    """
    bits = values.contiguous().view(torch.int32).long()
    rising = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # negative floats fall as bits rise
    keys = sort((rising << PLACE_BITS) | places)
    return keys >> PLACE_BITS, keys & ((1 << PLACE_BITS) - 1)


def sort(cells):
    """``cells`` along the last axis, least first."""
    if cells.device.type != "cpu":
        return cells.sort(dim=-1).values
    return torch.from_numpy(np.sort(cells.detach().numpy(), axis=-1))


def mean_ranks(values):
    """Rank of each cell from 0 on, cells of one value sharing the mean of theirs.

    Arguments
    ---------
    values : torch.Tensor
        ``[cells]`` of float32.

    Returns
    -------
    torch.Tensor
        ``[cells]``, double.

    Example
    -------
    >>> mean_ranks(torch.tensor([0.5, 0.1, 0.5]))
    tensor([1.5000, 0.0000, 1.5000], dtype=torch.float64)
    """
    count = torch.arange(len(values), device=values.device)
    ordered, places = sort_by(values + 0.0, count)  # no negative zero
    _, sizes = torch.unique_consecutive(ordered, return_counts=True)
    last = sizes.cumsum(0) - 1
    shared = (last - (sizes - 1) / 2).double().repeat_interleave(sizes)
    ranks = torch.empty_like(shared)
    ranks[places] = shared
    return ranks
