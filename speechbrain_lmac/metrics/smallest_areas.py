"""Smallest areas: how little of a clip suffices for a decision, and how little changes it."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from speechbrain_lmac.metrics.top_k import top_k_mask

AREA_FRACTIONS = (0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 1.0)
"""Mask areas that are tried, as fractions of the bins that the encoder uses, ascending."""

Leads = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Decision on parts of clips: whether a query leads its competing classes, ``[parts]`` of bool.

Its arguments are top-k masks ``[parts, frames, bins]``; whether the bins of a mask are removed, or
all other bins, ``[parts]`` of bool; and the index of each clip and its query, ``[parts]``."""


class SmallestAreas(NamedTuple):
    """Sufficient and necessary area of explanations, ``[batch]`` each, in (0, 1].

    Both are NaN if the query does not lead in the clip itself: there is no decision to explain.
    """

    sufficient: torch.Tensor
    """Smallest tried area on which the query leads. It is at most 1: all encoded bins."""
    necessary: torch.Tensor
    """Smallest tried area without which the query does not lead. Infinite if there is none, so
    that the query also leads in silence."""


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
        Ranks of the bins, ``[batch, frames, bins]``, 0 for the best. Bins that the encoder ignores
        come last.
    num_bins : int
        Number of bins that the encoder uses, which areas are fractions of.
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
    SmallestAreas(sufficient=tensor([0.1500]), necessary=tensor([0.1000]))
    """
    nothing = torch.where(leading, torch.inf, torch.nan)
    areas = torch.stack([nothing, nothing])
    for fraction in AREA_FRACTIONS:
        if fraction == 1:
            areas[0, areas[0].isinf()] = 1.0  # all encoded bins are the clip, where the query leads
        kind, index = areas.isinf().nonzero(as_tuple=True)
        if not len(kind):
            break
        removed = kind == 1
        top = top_k_mask(ranks[index], fraction, num_bins)
        holds = leads(top, removed, index) != removed
        areas[kind[holds], index[holds]] = fraction
    return SmallestAreas(*areas)


def scored_area(area: torch.Tensor) -> torch.Tensor:
    """Return areas as scores of a benchmark: 1 where no area holds, NaN where nothing leads."""
    return area.clamp(max=1.0)
