"""Sorting the cells of maps, which is most of what a metric of maps takes.

On a CPU numpy sorts whole numbers several times faster than torch sorts floats, so cells are
sorted as numbers that hold a value in their high bits and a place in their low ones.
"""

import numpy as np
import torch

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
