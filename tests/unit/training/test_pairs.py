"""Queries and fills that training draws."""

import random

import pytest
import torch
from torch.nn.functional import normalize

from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.training.pairs import contrast_queries, draw_fill


def make_pairs(sources=True):
    """Three mixtures, the last one of two clips of one class; queries of unit norm."""
    queries = normalize(torch.randn(3, 3, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    targets = torch.tensor([[0, 1, 2], [1, 2, 2], [2, 0, 1]])
    power = torch.ones(2, 3, 4, 5) if sources else None
    return PromptPairs(torch.randn(3, 8), queries, targets, None, sources=power)


def draws():
    return [random.Random(seed) for seed in range(3)]


def test_contrasted_queries_are_opposite_differences():
    """Both sounds of a mixture take the normalized difference; other rows and clips stay."""
    pairs = make_pairs()
    queries = contrast_queries(pairs, draws(), 1.0)
    difference = normalize(pairs.queries[0] - pairs.queries[1], dim=-1)
    torch.testing.assert_close(queries[0, :2], difference[:2])
    torch.testing.assert_close(queries[1, :2], -difference[:2])
    assert torch.equal(queries[:, 2], pairs.queries[:, 2])
    assert torch.equal(queries[2], pairs.queries[2])


def test_contrast_has_its_probability():
    """Each mixture is drawn on its own."""
    pairs, drawn = make_pairs(), 0
    for seed in range(400):
        rngs = [random.Random(3 * seed + clip) for clip in range(3)]
        queries = contrast_queries(pairs, rngs, 0.3)
        drawn += int((queries[0] != pairs.queries[0]).any(dim=1).sum())
    assert drawn / 800 == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("sources", [True, False])
def test_no_contrast_draws_nothing(sources):
    """Without contrast the queries and the random state are those of the method without it."""
    pairs, rngs = make_pairs(sources), draws()
    states = [rng.getstate() for rng in rngs]
    assert contrast_queries(pairs, rngs, 0.0 if sources else 1.0) is pairs.queries
    assert [rng.getstate() for rng in rngs] == states


def test_one_fill_draws_nothing():
    """A single fill leaves the random state as it is."""
    rngs, power = draws(), torch.rand(3, 20, 4)
    states = [rng.getstate() for rng in rngs]
    assert draw_fill(power, ["silence"], rngs) is None
    torch.testing.assert_close(draw_fill(power, ["mean"], rngs), power.mean(dim=1, keepdim=True))
    assert [rng.getstate() for rng in rngs] == states


def test_fills_are_drawn_for_each_clip():
    """A clip draws from its own generator, so its fill does not depend on the batch."""
    power = torch.rand(3, 20, 4)
    together = draw_fill(power, ["silence", "noise_floor", "mean"], draws())
    for clip, rng in enumerate(draws()):
        alone = draw_fill(power[clip : clip + 1], ["silence", "noise_floor", "mean"], [rng])
        expected = torch.zeros(1, 1, 4) if alone is None else alone
        torch.testing.assert_close(together[clip : clip + 1], expected)


def test_objective_encodes_the_fill(model):
    """A closed mask with a fill has the vector of the fill itself, gradients included."""
    classifier = model.classifier
    encoded = classifier.encode_clips(synthesize("rain", seed=1, seconds=0.5).repeat(2, 1))
    fill = torch.stack([encoded.encoder_power[0].mean(0, True), encoded.encoder_power[1, :1] * 0])
    gains = torch.zeros(1, *encoded.power.shape, requires_grad=True)
    seen = []

    def value(vector, index):
        seen.append(vector.detach())
        return vector[:, 0], vector[:, :1]

    classifier.masked_objective(encoded, gains, value, chunk_size=1, fill=fill)
    constant = fill.expand_as(encoded.encoder_power)
    expected = classifier.domain.encode(constant).vector
    torch.testing.assert_close(torch.cat(seen), expected, atol=1e-5, rtol=1e-4)
