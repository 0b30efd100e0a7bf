"""Soft top-k gate: area, invariances and its formula."""

import random

import numpy as np
import pytest
import torch

from speechbrain_lmac.losses.mask_gate import MIN_GAIN, SoftTopK, _stride
from speechbrain_lmac.utils.errors import InputError

MASKS = torch.rand(2, 3, 40, 50, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.2, 0.4])
def test_gate_opens_the_fraction(fraction):
    """The mean of the gated mask is the fraction."""
    gated = SoftTopK([fraction], (0.5, 0.01))(MASKS, torch.full((3,), fraction), 1.0)
    assert gated.mean(dim=(2, 3)).sub(fraction).abs().max() < 0.02


def test_gate_keeps_the_order_of_bins():
    """Gated masks rank bins as masks do."""
    gated = SoftTopK([0.2])(MASKS, torch.full((3,), 0.2), 0.5)
    for before, after in zip(MASKS.flatten(2).flatten(0, 1), gated.flatten(2).flatten(0, 1)):
        assert (after[before.argsort()].diff() >= 0).all()


def test_gate_ignores_mean_and_spread_of_logits():
    """No gradient behind the gate opens or closes a whole mask."""
    logits = MASKS.logit()
    gate, fractions = SoftTopK([0.2]), torch.full((3,), 0.2)
    plain = gate(MASKS.double(), fractions, 0.0)
    moved = gate((0.5 * logits.double() + 1.0).sigmoid(), fractions, 0.0)
    torch.testing.assert_close(moved, plain, atol=1e-3, rtol=0)
    shift = torch.zeros(2, 3, 1, 1, requires_grad=True)
    gate((logits + shift).sigmoid(), fractions, 0.0).sum().backward()
    assert shift.grad.abs().max() < 1e-2


def test_gate_without_fractions_is_disabled():
    """Masks are returned as they are, and the gate is no term."""
    gate = SoftTopK([])
    assert gate(MASKS, gate.draw([random.Random(0)] * 3), 0.0) is MASKS
    assert gate.terms == [] and SoftTopK([0.1]).terms == ["top_k_gate"]


def test_draw_depends_on_the_clips_generator():
    """Each clip draws from its own generator."""
    gate = SoftTopK([0.05, 0.1, 0.2, 0.4])
    first, again = (gate.draw([random.Random("a"), random.Random("b")]) for _ in range(2))
    assert (first == again).all()
    assert all(fraction in torch.tensor(gate.fractions) for fraction in first)


def test_gate_hardens_during_training():
    """Gated masks become binary."""
    gate, fractions = SoftTopK([0.2], (0.5, 0.02)), torch.full((3,), 0.2)
    gated = [gate(MASKS, fractions, progress) for progress in (0.0, 0.5, 1.0)]
    softness = [4 * (mask * (1 - mask)).mean() for mask in gated]
    assert softness == sorted(softness, reverse=True)
    assert softness[0] > 5 * softness[-1]


def test_closed_bins_stay_closed():
    """For example, bins that do not reach the encoder."""
    masks = MASKS.clone()
    masks[..., 40:] = 0
    gated = SoftTopK([0.4])(masks, torch.full((3,), 0.4), 0.5)
    assert gated.isfinite().all()
    assert gated[..., 40:].max() < 0.01 < gated[..., :40].max()


def test_softness_falls_by_a_constant_ratio():
    """Half way through, the softness is the geometric mean of both ends."""
    fractions = torch.full((3,), 0.2)
    half_way = SoftTopK([0.2], (0.5, 0.02))(MASKS, fractions, 0.5)
    constant = SoftTopK([0.2], (0.1, 0.1))(MASKS, fractions, 0.9)
    torch.testing.assert_close(half_way, constant)


def test_closed_bins_do_not_count_in_the_spread():
    """Logits of -1 and 1 have the deviation 1, with any number of closed bins."""
    logits = torch.tensor([-1.0, -1.0, 1.0, 1.0])
    masks = torch.cat([torch.zeros(4), logits.sigmoid()]).view(1, 2, 4)
    gated = SoftTopK([0.2], (0.5, 0.5))(masks, torch.tensor([1 / 7]), 0.0)
    expected = torch.tensor([-2 / (0.5 + 1e-4), 0]).sigmoid().repeat_interleave(2)
    torch.testing.assert_close(gated[0, 1], expected)
    assert gated[0, 0].max() < 1e-6


def test_draw_without_fractions_is_one():
    """A disabled gate opens all bins."""
    assert SoftTopK([]).draw([random.Random(0)] * 2).tolist() == [1, 1]


def test_gate_equals_its_formula_in_numpy():
    """10,000 bins in each mask, with different means and spreads; every third bin is sampled."""
    logits = np.random.default_rng(0).normal(size=(2, 3, 100, 100))
    logits = logits * np.arange(1, 7).reshape(2, 3, 1, 1) / 6 + np.arange(3).reshape(1, 3, 1, 1)
    fractions = np.array([0.05, 0.2, 0.4])
    masks = torch.from_numpy(logits).sigmoid()
    gated = SoftTopK([0.2], (0.4, 0.1))(masks, torch.from_numpy(fractions), 0.25)
    centered = (logits - logits.mean(axis=(2, 3), keepdims=True)).reshape(2, 3, 10_000)
    sample = np.sort(centered[..., ::3], axis=-1)
    places = np.round((1 - fractions) * (sample.shape[-1] - 1)).astype(int)
    threshold = np.stack([sample[:, clip, place] for clip, place in enumerate(places)], axis=1)
    scale = 0.4 * 0.25**0.25 * centered.std(axis=-1) + 1e-4
    expected = 1 / (1 + np.exp(-(centered - threshold[..., None]) / scale[..., None]))
    np.testing.assert_allclose(gated.flatten(2).numpy(), expected, atol=1e-6)


def test_sample_contains_every_frequency():
    """Loud and quiet bins alternate: a step of two would sample loud bins only."""
    rising = torch.linspace(0.1, 0.2, 100).unsqueeze(1)
    masks = rising + torch.tensor([0.0, 0.6]).repeat(50)
    gated = SoftTopK([0.25], (0.05, 0.05))(masks, torch.tensor(0.25), 0.0)
    assert gated.mean().item() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("bins", "sample", "step"),
    [(100, 4096, 1), (10_000, 4096, 3), (210, 70, 11), (9, 4, 2), (12, 6, 5), (0, 4, 1)],
)
def test_stride_is_coprime_to_the_bins(bins, sample, step):
    """The smallest step from ``bins // sample`` on without a common factor."""
    assert _stride(bins, sample) == step


def test_bins_at_the_smallest_gain_are_closed():
    """They do not count in mean and spread."""
    masks = torch.tensor([[MIN_GAIN, MIN_GAIN, 0.3, 0.7]])
    gated = SoftTopK([0.2], (0.5, 0.5))(masks, torch.tensor(1 / 3), 0.0)
    deviation = torch.tensor(0.7).logit()
    expected = (2 * deviation / (0.5 * deviation + 1e-4)).sigmoid()
    torch.testing.assert_close(gated[0, 2:], torch.tensor([0.5, expected]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("fractions", [0.1, {0.1}, [0.1, 0], [1], [0.2, 1.5], [-0.1]])
def test_gate_refuses_invalid_fractions(fractions):
    """Fractions are above 0 and below 1, in a list."""
    with pytest.raises(InputError, match="gate_fractions must be a list"):
        SoftTopK(fractions)


@pytest.mark.parametrize("softness", [(0.4,), (0.4, 0.0), (-0.4, -0.1), (0.4, 0.1, 0.1)])
def test_gate_refuses_invalid_softness(softness):
    """A negative width would open the lowest bins."""
    with pytest.raises(InputError, match="gate_softness must be two numbers above 0"):
        SoftTopK([0.1], softness)


def test_fractions_are_drawn_onto_the_device():
    """They are on the device of the masks."""
    assert SoftTopK([0.1]).draw([random.Random(0)], "meta").device.type == "meta"
