"""Ranking of time-frequency bins and top-k masks: explainers compare at equal mask area.

Soft masks of different means are not comparable, and rescaling them to equal means reverses
rankings. Ranking the bins of each map and keeping the top fraction avoids both problems.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

TOP_K_FRACTIONS = (0.05, 0.10, 0.20, 0.40)
"""Mask areas at which explainers are compared, as fractions of the T-F bins."""

SPARE_BITS = 7
"""Low mantissa bits that ranking ignores. Bins that differ by rounding alone, which depends on the
batch, thus tie. The remaining 16 bits resolve one part in 60 000."""

INDEX_BITS = 28
"""Bits of a sorting key that hold the index of a bin: maps have at most ``2 ** 28`` bins."""


def rank_bins(maps: torch.Tensor, seeds: Sequence[int]) -> torch.Tensor:
    """Rank the bins of each map, 0 for the greatest. A seeded draw breaks ties.

    Arguments
    ---------
    maps : torch.Tensor
        Attribution maps, ``[batch, frames, bins]``.
    seeds : sequence of int
        Seed of each clip. A constant map becomes a random mask that does not depend on the batch.

    Returns
    -------
    torch.Tensor
        Integer ranks, ``[batch, frames, bins]``.
    """
    return torch.stack([_rank(bins, seed) for bins, seed in zip(_round(maps), seeds)])


def _round(maps: torch.Tensor) -> torch.Tensor:
    """Round maps to the bits that count. Zeros of either sign are equal."""
    bits = (maps.float() + 0.0).contiguous().view(torch.int32)
    return (bits + (1 << (SPARE_BITS - 1)) >> SPARE_BITS << SPARE_BITS).view(torch.float32)


def _rank(bins: torch.Tensor, seed: int) -> torch.Tensor:
    tie_order = _draw(bins.numel(), seed).to(bins.device)
    order = argsort_with_ties(bins.flatten(), tie_order)
    ranks = torch.empty_like(tie_order)
    ranks[order] = torch.arange(len(order) - 1, -1, -1, device=order.device)
    return ranks[tie_order].view_as(bins)


@lru_cache(maxsize=32)
def _draw(count: int, seed: int) -> torch.Tensor:
    """Draw the tie-breaking order of the bins: the same for all maps of a clip."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))


def top_k_mask(ranks: torch.Tensor, fraction: float) -> torch.Tensor:
    """Return the binary mask of the best-ranked fraction of the bins.

    Arguments
    ---------
    ranks : torch.Tensor
        Ranks from :func:`rank_bins`, ``[batch, frames, bins]``.
    fraction : float
        Mask area in [0, 1].

    Returns
    -------
    torch.Tensor
        Mask of 0.0 and 1.0, ``[batch, frames, bins]``.

    Example
    -------
    >>> maps = torch.tensor([[[0.1, 0.9], [0.5, 0.2]]])
    >>> top_k_mask(rank_bins(maps, seeds=[0]), 0.5)
    tensor([[[0., 1.],
             [1., 0.]]])
    """
    return (ranks < round(fraction * ranks[0].numel())).float()


def normalize_attributions(maps: torch.Tensor) -> torch.Tensor:
    """Divide each map by its maximum, which turns it into a mask in [0, 1].

    The minimum is not subtracted: a constant map must not become silence.

    Arguments
    ---------
    maps : torch.Tensor
        Non-negative attribution maps, ``[batch, frames, bins]``.

    Returns
    -------
    torch.Tensor
        Masks in [0, 1], ``[batch, frames, bins]``.

    Example
    -------
    >>> normalize_attributions(torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]]]))
    tensor([[[0.5000, 1.0000]],
    <BLANKLINE>
            [[0.0000, 0.0000]]])
    """
    maximum = maps.amax(dim=(1, 2), keepdim=True)
    return maps / torch.where(maximum > 0, maximum, 1.0)


def argsort_with_ties(values: torch.Tensor, tie_order: torch.Tensor) -> torch.Tensor:
    """Sort bins by value, and equal bins by a given order.

    Arguments
    ---------
    values : torch.Tensor
        Values of the bins, ``[bins]``, float32.
    tie_order : torch.Tensor
        Permutation of ``0 .. bins - 1``, ``[bins]``.

    Returns
    -------
    torch.Tensor
        Entries of ``tie_order``, ``[bins]``, the entry of the smallest value first.

    Example
    -------
    >>> argsort_with_ties(torch.tensor([0.5, -1.0, 0.5]), torch.tensor([2, 0, 1]))
    tensor([0, 1, 2])
    """
    bits = values.contiguous().view(torch.int32).long()
    ascending = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)  # negative floats sort in reverse
    keys = sort((ascending << INDEX_BITS) | tie_order)
    return keys & ((1 << INDEX_BITS) - 1)


def sort(values: torch.Tensor) -> torch.Tensor:
    """Sort along the last dimension, ascending. NumPy is faster than torch on a CPU."""
    if values.device.type != "cpu":
        return values.sort(dim=-1).values
    return torch.from_numpy(np.sort(values.detach().numpy(), axis=-1))
