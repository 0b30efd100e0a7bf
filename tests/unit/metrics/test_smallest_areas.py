"""Smallest areas of a decision that depends on known bins."""

import pytest
import torch

from speechbrain_lmac.metrics.smallest_areas import AREA_FRACTIONS, scored_area, smallest_areas
from speechbrain_lmac.metrics.top_k import rank_bins

NOT_LEADING, LEADING = torch.tensor([False]), torch.tensor([True])


def counting(needed, best=20):
    """Return a decision: ``needed`` of the first ``best`` bins must be there."""

    def leads(top, removed, index):
        parts = torch.where(removed[:, None, None], 1 - top, top)
        return parts.flatten(1)[:, :best].sum(dim=1) >= needed

    return leads


def areas_of(ranks, leads, num_bins=100, leading=LEADING):
    """Return the two areas of one clip as numbers."""
    return tuple(area.item() for area in smallest_areas(ranks, num_bins, leads, leading))


RANKS = torch.arange(100).view(1, 10, 10)


@pytest.mark.parametrize(
    ("needed", "sufficient", "necessary"),
    [(1, 0.01, 0.20), (4, 0.04, 0.20), (5, 0.07, 0.20), (10, 0.10, 0.15), (11, 0.15, 0.10)],
)
def test_areas_have_their_closed_form(needed, sufficient, necessary):
    """The first area with ``needed`` of 20 bins, and the first that leaves fewer than these."""
    assert areas_of(RANKS, counting(needed)) == pytest.approx((sufficient, necessary))


def test_areas_of_the_reverse_are_large():
    """The worst ranking needs all bins that it has, and removes the decisive ones last."""
    assert areas_of(99 - RANKS, counting(11)) == (1.0, 1.0)
    assert areas_of(99 - RANKS, counting(20)) == (1.0, 1.0)


def test_areas_follow_the_ranks_of_a_map():
    """Any map with the same order of bins has the same areas; the opposite order has others."""
    saliency = torch.linspace(1, 0, 100).view(1, 10, 10)
    for maps in (saliency, saliency**3, 5 * saliency - 2):
        assert areas_of(rank_bins(maps, [0]), counting(10)) == pytest.approx((0.1, 0.15))
    assert areas_of(rank_bins(-saliency, [0]), counting(10)) == (1.0, 1.0)


def test_areas_are_fractions_of_encoded_bins():
    """Bins that the encoder ignores come last and do not count."""
    ranks = torch.arange(1000).view(1, 100, 10)
    assert areas_of(ranks, counting(10), num_bins=100) == pytest.approx((0.1, 0.15))
    assert areas_of(ranks, counting(10), num_bins=1000) == pytest.approx((0.01, 0.02))


def test_areas_never_and_not_leading():
    """A query that leads in silence has no necessary area, one that does not lead has none."""
    assert areas_of(RANKS, counting(0)) == (pytest.approx(0.01), torch.inf)
    nothing = smallest_areas(RANKS, 100, counting(5), NOT_LEADING)
    assert torch.stack(nothing).isnan().all()
    areas = torch.tensor([0.04, torch.inf, torch.nan])
    assert scored_area(areas).nan_to_num(-1).tolist() == pytest.approx([0.04, 1.0, -1])


def test_areas_are_first_in_list_if_not_monotonic():
    """Random decisions: the first area that holds is returned, whatever follows."""
    generator = torch.Generator().manual_seed(0)
    table = torch.rand(2, 64, 101, generator=generator) < 0.2  # leads on, and without, n bins

    def leads(top, removed, index):
        count = top.sum(dim=(1, 2)).long()
        return table[removed.long(), index, count] | ((count == 100) & ~removed)

    ranks, leading = RANKS.expand(64, -1, -1), torch.rand(64, generator=generator) < 0.9
    found = smallest_areas(ranks, 100, leads, leading)
    counts = [round(100 * fraction) for fraction in AREA_FRACTIONS]
    for clip in range(64):
        sufficient = [f for f, n in zip(AREA_FRACTIONS, counts) if n == 100 or table[0, clip, n]]
        necessary = [f for f, n in zip(AREA_FRACTIONS, counts) if not table[1, clip, n]]
        expected = [sufficient[0], (necessary or [torch.inf])[0]]
        got = [area[clip].item() for area in found]
        assert got == pytest.approx(expected if leading[clip] else [torch.nan] * 2, nan_ok=True)


def test_areas_try_nothing_after_they_are_found():
    """Each part is decided on once, in ascending order, until its area is found."""
    seen = []

    def leads(top, removed, index):
        seen.extend(zip(index.tolist(), removed.tolist(), top.mean(dim=(1, 2)).tolist()))
        return counting(5)(top, removed, index)

    ranks = torch.cat([RANKS, 99 - RANKS])
    smallest_areas(ranks, 100, leads, torch.tensor([True, True]))
    tried = {key: [f for *k, f in seen if tuple(k) == key] for key in {(i, r) for i, r, _ in seen}}
    assert tried[0, False] == pytest.approx(AREA_FRACTIONS[:4])
    assert tried[0, True] == pytest.approx(AREA_FRACTIONS[:7])
    assert tried[1, False] == pytest.approx(AREA_FRACTIONS[:-1])  # all bins are the clip itself
    assert tried[1, True] == pytest.approx(AREA_FRACTIONS)


def test_areas_ignore_the_batch():
    """A clip alone has the areas that it has in a batch."""
    ranks = torch.cat([RANKS, 99 - RANKS, RANKS.transpose(1, 2)])
    together = smallest_areas(ranks, 100, counting(12), torch.tensor([True, True, True]))
    for i in range(3):
        assert areas_of(ranks[i : i + 1], counting(12)) == tuple(a[i].item() for a in together)
