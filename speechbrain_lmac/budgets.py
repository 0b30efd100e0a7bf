"""Equal budgets: every explainer keeps the same share of cells, so that maps compare.

Soft masks of different means are not comparable, and scaling them to equal means reverses
rankings; ranking the cells and keeping the top ones does neither.
"""

from functools import lru_cache

import torch

from speechbrain_lmac.ranking import sort_by

BUDGETS = (0.05, 0.10, 0.20, 0.40)
"""Shares of cells that the tables keep."""

SPARE_BITS = 7
"""Of a float's 23, that do not count in ranking: cells that are alike but for rounding, which
depends on the batch they were computed in, are ties. What is left tells a part in 60 000."""


def rank_cells(maps, seeds):
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


def keep_top(ranks, share):
    """Binary mask of the best-ranked share of cells.

    Arguments
    ---------
    ranks : torch.Tensor
        ``[batch, frames, bins]``, of :func:`rank_cells`.
    share : float
        0 to 1.

    Returns
    -------
    torch.Tensor
        ``[batch, frames, bins]`` of 0.0 and 1.0.

    Example
    -------
    >>> maps = torch.tensor([[[0.1, 0.9], [0.5, 0.2]]])
    >>> keep_top(rank_cells(maps, seeds=[0]), 0.5)
    tensor([[[0., 1.],
             [1., 0.]]])
    """
    return (ranks < round(share * ranks[0].numel())).float()
