from itertools import pairwise

import torch

from speechbrain_lmac.metrics import top_k
from speechbrain_lmac.metrics.top_k import BUDGETS, rank_bins, top_k_mask


def test_every_budget_keeps_its_share_and_nests():
    maps = torch.rand(3, 20, 30, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    ranks = rank_bins(maps, seeds=[1, 2, 3])
    kept = [top_k_mask(ranks, share) for share in BUDGETS]
    for share, mask in zip(BUDGETS, kept):
        assert (mask.mean(dim=(1, 2)) == share).all()
    assert all((small <= large).all() for small, large in pairwise(kept))


def test_what_is_kept_is_nowhere_below_what_is_not():
    maps = torch.rand(2, 20, 30, generator=torch.Generator().manual_seed(0)).round(decimals=1)
    mask = top_k_mask(rank_bins(maps, seeds=[1, 2]), 0.2).bool()
    for cells, kept in zip(maps, mask):
        assert cells[kept].min() >= cells[~kept].max()


def test_ties_fall_by_the_clips_seed_whatever_the_batch():
    flat = torch.ones(2, 20, 30)
    ranks = rank_bins(flat, seeds=[1, 2])
    assert (ranks[0] != ranks[1]).any()
    assert (rank_bins(flat[:1], seeds=[2])[0] == ranks[1]).all()


def test_ties_are_drawn_from_the_seed_alone():
    """Whatever was drawn before, in this process or by torch's own generator."""
    drawn = []
    for other in (0, 1):
        torch.manual_seed(other)
        top_k._draw.cache_clear()
        drawn.append(rank_bins(torch.ones(1, 5, 6), [7]))
    assert torch.equal(*drawn)


def test_zeros_of_either_sign_are_ties():
    """A gradient below 0, times a cell that is 0, is -0: no worse than 0."""
    zeros = torch.cat([torch.zeros(50), -torch.zeros(50)]).view(1, 10, 10)
    kept = top_k_mask(rank_bins(zeros, seeds=[1]), 0.5)
    assert 15 <= kept[0, :5].sum() <= 35
    assert (rank_bins(zeros, seeds=[1]) == rank_bins(zeros.abs(), seeds=[1])).all()


def test_ranking_survives_any_rising_map():
    maps = torch.rand(1, 9, 9, generator=torch.Generator().manual_seed(0))
    assert (rank_bins(maps, [0]) == rank_bins(maps.square() * 0.1, [0])).all()
