import random

import numpy as np
import pytest
import torch

from speechbrain_lmac.losses.mask_gate import MIN_GAIN, SoftTopK, _stride
from speechbrain_lmac.utils.errors import InputError

MASKS = torch.rand(2, 3, 40, 50, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.4])
def test_it_opens_the_share_that_is_asked(share):
    opened = SoftTopK([share], (0.5, 0.01))(MASKS, torch.full((3,), share), 1.0)
    assert opened.mean(dim=(2, 3)).sub(share).abs().max() < 0.02


def test_it_keeps_the_order_of_cells():
    opened = SoftTopK([0.2])(MASKS, torch.full((3,), 0.2), 0.5)
    for before, after in zip(MASKS.flatten(2).flatten(0, 1), opened.flatten(2).flatten(0, 1)):
        assert (after[before.argsort()].diff() >= 0).all()


def test_level_and_spread_of_the_logits_do_not_matter():
    """So no gradient of what is heard can drive a mask all open or all shut."""
    logits = MASKS.logit()
    gate, shares = SoftTopK([0.2]), torch.full((3,), 0.2)
    plain = gate(MASKS.double(), shares, 0.0)
    moved = gate((0.5 * logits.double() + 1.0).sigmoid(), shares, 0.0)
    torch.testing.assert_close(moved, plain, atol=1e-3, rtol=0)
    shift = torch.zeros(2, 3, 1, 1, requires_grad=True)
    gate((logits + shift).sigmoid(), shares, 0.0).sum().backward()
    assert shift.grad.abs().max() < 1e-2


def test_no_budgets_leave_masks_as_they_are():
    gate = SoftTopK([])
    assert gate(MASKS, gate.draw([random.Random(0)] * 3), 0.0) is MASKS
    assert gate.terms == [] and SoftTopK([0.1]).terms == ["top_k_gate"]


def test_a_clips_share_is_its_own_draw():
    gate = SoftTopK([0.05, 0.1, 0.2, 0.4])
    first, again = (gate.draw([random.Random("a"), random.Random("b")]) for _ in range(2))
    assert (first == again).all()
    assert all(share in torch.tensor(gate.fractions) for share in first)


def test_it_hardens_as_training_goes_on():
    gate, shares = SoftTopK([0.2], (0.5, 0.02)), torch.full((3,), 0.2)
    undecided = [4 * (opened * (1 - opened)).mean() for opened in _over(gate, shares)]
    assert undecided == sorted(undecided, reverse=True)
    assert undecided[0] > 5 * undecided[-1]


def _over(gate, shares):
    return (gate(MASKS, shares, progress) for progress in (0.0, 0.5, 1.0))


def test_cells_that_are_shut_stay_shut():
    """Such as those that an encoder never hears."""
    masks = MASKS.clone()
    masks[..., 40:] = 0
    opened = SoftTopK([0.4])(masks, torch.full((3,), 0.4), 0.5)
    assert opened.isfinite().all()
    assert opened[..., 40:].max() < 0.01 < opened[..., :40].max()


def test_softness_falls_by_a_constant_ratio():
    """Half way through, the gate is as soft as the geometric mean of both ends."""
    shares = torch.full((3,), 0.2)
    half_way = SoftTopK([0.2], (0.5, 0.02))(MASKS, shares, 0.5)
    constant = SoftTopK([0.2], (0.1, 0.1))(MASKS, shares, 0.9)
    torch.testing.assert_close(half_way, constant)


def test_shut_cells_have_no_say_in_the_spread():
    """Logits of -1 and 1 have the spread 1, however many shut cells lie beside them."""
    logits = torch.tensor([-1.0, -1.0, 1.0, 1.0])
    masks = torch.cat([torch.zeros(4), logits.sigmoid()]).view(1, 2, 4)
    opened = SoftTopK([0.2], (0.5, 0.5))(masks, torch.tensor([1 / 7]), 0.0)
    expected = torch.tensor([-2 / (0.5 + 1e-4), 0]).sigmoid().repeat_interleave(2)
    torch.testing.assert_close(opened[0, 1], expected)
    assert opened[0, 0].max() < 1e-6


def test_without_budgets_every_share_is_whole():
    assert SoftTopK([]).draw([random.Random(0)] * 2).tolist() == [1, 1]


def test_gate_is_its_formula_in_numpy():
    """Ten thousand cells of other means and spreads in each mask, every third one sampled."""
    logits = np.random.default_rng(0).normal(size=(2, 3, 100, 100))
    logits = logits * np.arange(1, 7).reshape(2, 3, 1, 1) / 6 + np.arange(3).reshape(1, 3, 1, 1)
    shares = np.array([0.05, 0.2, 0.4])
    masks = torch.from_numpy(logits).sigmoid()
    found = SoftTopK([0.2], (0.4, 0.1))(masks, torch.from_numpy(shares), 0.25)
    centered = (logits - logits.mean(axis=(2, 3), keepdims=True)).reshape(2, 3, 10_000)
    held = np.sort(centered[..., ::3], axis=-1)
    places = np.round((1 - shares) * (held.shape[-1] - 1)).astype(int)
    bound = np.stack([held[:, clip, place] for clip, place in enumerate(places)], axis=1)
    scale = 0.4 * 0.25**0.25 * centered.std(axis=-1) + 1e-4
    expected = 1 / (1 + np.exp(-(centered - bound[..., None]) / scale[..., None]))
    np.testing.assert_allclose(found.flatten(2).numpy(), expected, atol=1e-6)


def test_every_bin_has_its_turn_in_the_sample():
    """Loud and faint bins alternate: a step of two would see loud ones alone."""
    rising = torch.linspace(0.1, 0.2, 100).unsqueeze(1)
    masks = rising + torch.tensor([0.0, 0.6]).repeat(50)
    opened = SoftTopK([0.25], (0.05, 0.05))(masks, torch.tensor(0.25), 0.0)
    assert opened.mean().item() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("cells", "sample", "step"),
    [(100, 4096, 1), (10_000, 4096, 3), (210, 70, 11), (9, 4, 2), (12, 6, 5), (0, 4, 1)],
)
def test_strides_share_no_factor_with_the_cells(cells, sample, step):
    assert _stride(cells, sample) == step


def test_cells_at_the_bound_are_shut():
    masks = torch.tensor([[MIN_GAIN, MIN_GAIN, 0.3, 0.7]])
    opened = SoftTopK([0.2], (0.5, 0.5))(masks, torch.tensor(1 / 3), 0.0)
    spread = torch.tensor(0.7).logit()
    expected = (2 * spread / (0.5 * spread + 1e-4)).sigmoid()
    torch.testing.assert_close(opened[0, 2:], torch.tensor([0.5, expected]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shares", [0.1, {0.1}, [0.1, 0], [1], [0.2, 1.5], [-0.1]])
def test_gate_refuses_shares_of_nothing_or_all(shares):
    with pytest.raises(InputError, match="gate_fractions must be a list"):
        SoftTopK(shares)


def test_shares_are_drawn_onto_the_masks_device():
    assert SoftTopK([0.1]).draw([random.Random(0)], "meta").device.type == "meta"
