"""Ranks of bins and masks of equal area."""

from itertools import pairwise

import torch

from speechbrain_lmac.metrics import top_k
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS, rank_bins, top_k_mask


def test_top_k_masks_have_their_area_and_nest():
    """Each fraction is exact, and smaller masks lie inside larger ones."""
    maps = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    ranks = rank_bins(maps, seeds=[1, 2, 3])
    masks = [top_k_mask(ranks, fraction) for fraction in TOP_K_FRACTIONS]
    for fraction, mask in zip(TOP_K_FRACTIONS, masks):
        assert (mask.mean(dim=(1, 2)) == fraction).all()
    assert all((small <= large).all() for small, large in pairwise(masks))


def test_top_k_mask_has_the_best_bins():
    """No masked-out bin exceeds a masked-in bin."""
    maps = torch.rand(2, 20, 30, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    mask = top_k_mask(rank_bins(maps, seeds=[1, 2]), 0.2).bool()
    for bins, masked_in in zip(maps, mask):
        assert bins[masked_in].min() >= bins[~masked_in].max()


def test_ties_depend_on_the_seed_not_the_batch():
    """A constant map is a random mask of its clip."""
    flat = torch.ones(2, 20, 30)
    ranks = rank_bins(flat, seeds=[1, 2])
    assert (ranks[0] != ranks[1]).any()
    assert (rank_bins(flat[:1], seeds=[2])[0] == ranks[1]).all()


def test_ties_ignore_the_global_generator():
    """Earlier draws of this process have no effect."""
    drawn = []
    for other in (0, 1):
        torch.manual_seed(other)
        top_k._draw.cache_clear()
        drawn.append(rank_bins(torch.ones(1, 5, 6), [7]))
    assert torch.equal(*drawn)


def test_zeros_of_either_sign_tie():
    """A negative gradient times 0 is -0, no worse than 0."""
    zeros = torch.cat([torch.zeros(50), -torch.zeros(50)]).view(1, 10, 10)
    mask = top_k_mask(rank_bins(zeros, seeds=[1]), 0.5)
    assert 15 <= mask[0, :5].sum() <= 35
    assert (rank_bins(zeros, seeds=[1]) == rank_bins(zeros.abs(), seeds=[1])).all()


def test_ranks_ignore_monotonic_maps():
    """Squares and scales leave the order."""
    maps = torch.rand(1, 9, 9, generator=torch.Generator().manual_seed(0))
    assert (rank_bins(maps, [0]) == rank_bins(maps.square() * 0.1, [0])).all()
