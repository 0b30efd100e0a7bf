"""Equal budgets: every explainer keeps the same share of cells, so that maps compare.

Soft masks of different means are not comparable, and scaling them to equal means reverses
rankings; ranking the cells and keeping the top ones does neither.
"""

import torch

BUDGETS = (0.05, 0.10, 0.20, 0.40)
"""Shares of cells that the tables keep."""


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
    return torch.stack([_rank(cells, seed) for cells, seed in zip(maps, seeds)])


def _rank(cells, seed):
    flat = cells.flatten()
    order = torch.randperm(len(flat), generator=torch.Generator().manual_seed(seed))
    order = order.to(flat.device)
    order = order[flat[order].argsort(descending=True, stable=True)]
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order), device=order.device)
    return ranks.view_as(cells)


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
