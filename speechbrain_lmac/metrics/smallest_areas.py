"""Smallest areas: how little of a clip suffices for a decision, and how little changes it."""

from collections.abc import Callable
from typing import NamedTuple

import torch

AREA_FRACTIONS = (0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0)
"""Areas that are tried, as fractions of the bins that the encoder uses, ascending."""

Leads = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Decision on parts of clips: whether a query leads its competing classes, ``[parts]`` of bool.

Its arguments are masks of :func:`area_mask`, ``[parts, frames, bins]``; whether a part is the clip
without the bins of its mask, ``[parts]`` of bool; and the index of its clip, ``[parts]``."""


class SmallestAreas(NamedTuple):
    """Sufficient and necessary area of explanations, ``[batch]`` each, float64 on the CPU.

    Both are NaN if the query does not lead in the clip itself: there is no decision to explain.
    """

    sufficient: torch.Tensor
    """Smallest tried area on which the query leads. It is at most 1: all encoded bins."""
    necessary: torch.Tensor
    """Smallest tried area without which the query does not lead. Infinite if there is none, so
    that the query also leads in silence."""


def area_mask(ranks: torch.Tensor, area: float, num_bins: int) -> torch.Tensor:
    """Return the binary mask of the best-ranked area of the encoded bins.

    An area of 1 is the whole clip, with the bins that the encoder ignores.

    Arguments
    ---------
    ranks : torch.Tensor
        Ranks of the bins, ``[batch, frames, bins]``, 0 for the best. Bins that the encoder ignores
        come last.
    area : float
        Fraction of the encoded bins, in [0, 1].
    num_bins : int
        Number of encoded bins.

    Returns
    -------
    torch.Tensor
        Mask of 0.0 and 1.0, ``[batch, frames, bins]``.

    Example
    -------
    >>> ranks = torch.tensor([[[2, 0, 1, 3]]])  # the encoder ignores the last bin
    >>> area_mask(ranks, 2 / 3, num_bins=3), area_mask(ranks, 1.0, num_bins=3)
    (tensor([[[0., 1., 1., 0.]]]), tensor([[[1., 1., 1., 1.]]]))
    """
    return (ranks < (ranks[0].numel() if area == 1 else round(area * num_bins))).float()


@torch.no_grad()
def smallest_areas(
    ranks: torch.Tensor, num_bins: int, leads: Leads, leading: torch.Tensor
) -> SmallestAreas:
    """Find the smallest areas of explanations by an exact scan of ``AREA_FRACTIONS``.

    Decisions are not monotonic in the area: a query may lead on 4 % of the bins, and not on 7 %.
    The areas are therefore tried in ascending order, and the first one that holds is returned. Each
    step decides on all parts at once for which no area has been found.

    Arguments
    ---------
    ranks : torch.Tensor
        Ranks of the bins, as for :func:`area_mask`.
    num_bins : int
        Number of encoded bins.
    leads : callable
        Decision on parts of clips, as in :data:`Leads`.
    leading : torch.Tensor
        Whether each query leads in its clip, ``[batch]`` of bool.

    Returns
    -------
    SmallestAreas

    Example
    -------
    >>> ranks = torch.arange(100).view(1, 10, 10)
    >>> def leads(top, removed, index):  # if more than half of the 20 best bins are there
    ...     parts = torch.where(removed[:, None, None], 1 - top, top)
    ...     return parts[:, :2].sum(dim=(1, 2)) > 10
    >>> smallest_areas(ranks, 100, leads, torch.tensor([True]))
    SmallestAreas(sufficient=tensor([0.1500], dtype=torch.float64),
                  necessary=tensor([0.1000], dtype=torch.float64))
    """
    nothing = torch.where(leading.cpu(), torch.inf, torch.nan)
    areas = torch.stack([nothing, nothing]).double()
    for fraction in AREA_FRACTIONS:
        if fraction == 1:
            areas[0, areas[0].isinf()] = 1.0  # the clip itself, in which the query leads
        kind, index = areas.isinf().nonzero(as_tuple=True)
        if not len(kind):
            break
        removed, clip = (kind == 1).to(ranks.device), index.to(ranks.device)
        top = area_mask(ranks[clip], fraction, num_bins)
        holds = (leads(top, removed, clip) != removed).cpu()
        areas[kind[holds], index[holds]] = fraction
    return SmallestAreas(*areas)


def scored_area(area: torch.Tensor) -> torch.Tensor:
    """Return areas as scores of a benchmark: 1 where no area holds, NaN where nothing leads."""
    return area.clamp(max=1.0)
