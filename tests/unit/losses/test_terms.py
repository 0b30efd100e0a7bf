"""Terms of the training objective: closed forms, bounds and invariances."""

import math

import pytest
import torch

from speechbrain_lmac.losses import terms as losses
from speechbrain_lmac.losses.pairs import MaskedPairs
from tests.unit.losses.conftest import (
    FIRST,
    SECOND,
    THIRD,
    class_set,
    one_clip,
    unit_vectors,
    unmasked,
)

MASK_IN = {"similarity_matching": losses.similarity_matching, "mask_in_nll": losses.mask_in_nll}
MASK_OUT = {"mask_out_nll": losses.mask_out_nll, "source_preservation": losses.source_preservation}
MASKS = {
    "sparsity": losses.sparsity,
    "prompt_diversity": losses.prompt_diversity,
    "mask_area_prior": losses.mask_area_prior,
    "irm_regression": losses.irm_regression,
    "binarization": losses.binarization,
}
PAIR = torch.tensor([0])
"""Index of the first pair."""


def repeat_clips(pairs):
    """Return the batch with every clip twice."""
    return pairs._replace(
        vectors=pairs.vectors.repeat(2, 1),
        queries=pairs.queries.repeat(1, 2, 1),
        targets=pairs.targets.repeat(1, 2),
        sources=pairs.sources.repeat(1, 2, 1, 1),
    )


@pytest.mark.parametrize("name", sorted(MASKS))
def test_mask_terms_ignore_the_batch_size(name, pairs, masks):
    """Repeating the batch leaves the mean as it is."""
    doubled = MASKS[name](masks.repeat(1, 2, 1, 1), repeat_clips(pairs))
    torch.testing.assert_close(doubled, MASKS[name](masks, pairs))


@pytest.mark.parametrize("name", [*MASK_IN, *MASK_OUT])
def test_pair_terms_ignore_other_pairs(name, pairs):
    """A pair alone has the same value."""
    term, masked = {**MASK_IN, **MASK_OUT}[name], unit_vectors(8, 8, seed=7)
    index = torch.arange(8)
    together = term(MaskedPairs(masked, pairs, index))
    alone = [term(MaskedPairs(masked[i : i + 1], pairs, index[i : i + 1])) for i in range(8)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert together.shape == (8,) and together.std() > 0


def test_full_mask_preserves_similarity(pairs):
    """Both terms that compare with the original clip are 0."""
    assert losses.similarity_matching(unmasked(pairs)).abs().max() == 0
    assert losses.source_preservation(unmasked(pairs)).abs().max() == 0


def test_masked_part_of_the_query_costs_least(pairs):
    """The best vector is that of the query, the worst its opposite."""
    index = torch.arange(8)
    queries = pairs.queries.flatten(0, 1)
    best, worst = MaskedPairs(queries, pairs, index), MaskedPairs(-queries, pairs, index)
    clip = unmasked(pairs)
    assert (losses.mask_in_nll(best) <= losses.mask_in_nll(clip)).all()
    assert (losses.mask_in_nll(clip) <= losses.mask_in_nll(worst)).all()
    assert (losses.mask_out_nll(worst) <= losses.mask_out_nll(clip)).all()
    assert (losses.mask_out_nll(worst) >= 0).all()


def test_absent_query_costs_nothing(pairs):
    """Its confidence weight is near 0, that of a present query is 1."""
    certain = unmasked(pairs._replace(classes=class_set(pairs.classes.queries, 1000.0)))
    absent = certain.log_probabilities()[0] < -50
    assert absent.any() and not absent.all()
    assert losses.mask_in_nll(certain)[absent].max() < 1e-9
    assert certain.confidence_weight()[~absent].min() == 1


def test_similarity_matching_is_symmetric():
    """A higher similarity of the masked clip costs as much as a lower one."""
    rises = MaskedPairs(torch.eye(4)[1:2], one_clip(SECOND), PAIR)
    falls = MaskedPairs(torch.eye(4)[1:2], one_clip(FIRST), PAIR)
    assert losses.similarity_matching(rises).item() == 1
    assert losses.similarity_matching(falls).item() == 1


def test_nll_terms_are_their_closed_forms():
    """The query is a class orthogonal to the clip; the masked clip is the query."""
    pairs = one_clip(SECOND, targets=[1])
    p = 1 / (3 + math.exp(2))
    q = math.exp(2) / (3 + math.exp(2))
    weight = 4 * p
    masked = MaskedPairs(torch.eye(4)[1:2], pairs, PAIR)
    assert masked.confidence_weight().item() == pytest.approx(weight, rel=1e-5)
    assert weight < 1
    masked_in, masked_out = losses.mask_in_nll(masked), losses.mask_out_nll(masked)
    assert masked_in.item() == pytest.approx(-weight * math.log(q), rel=1e-5)
    assert masked_out.item() == pytest.approx(-weight * math.log(1 - q), rel=1e-5)


def test_source_preservation_needs_the_next_query(pairs):
    """The next query of the pair (row 0, clip 1) is that of row 1."""
    index = torch.tensor([1])
    query = pairs.queries[1, 1:2]
    preserved, removed = MaskedPairs(query, pairs, index), MaskedPairs(-query, pairs, index)
    assert losses.source_preservation(preserved) == 0
    assert losses.source_preservation(removed) > 0


def test_source_preservation_excuses_same_meaning(pairs):
    """Queries with one vector or one class do not preserve each other."""
    index = torch.tensor([1])
    same_query = pairs._replace(queries=pairs.queries[:1].expand(2, -1, -1))
    same_class = pairs._replace(targets=torch.ones_like(pairs.targets))
    for same in (same_query, same_class):
        removed = MaskedPairs(-same.queries[1, 1:2], same, index)
        assert losses.source_preservation(removed).item() == pytest.approx(0, abs=1e-5)


def test_source_preservation_is_its_closed_form():
    """Cosines of 1 and 0 make every probability a ratio of exponentials."""
    pairs = one_clip(SECOND, [0.6, 0.8, 0, 0], targets=[1, -1])
    masked_out = MaskedPairs(torch.eye(4)[1:2], pairs, PAIR)
    classes = 2 * math.exp(0) + math.exp(2)  # two classes at a cosine of 0 and one at 1
    before = math.exp(2 * 0.6) / (math.exp(2 * 0.6) + classes + 1)
    # the second query has a cosine of 0.8 with the second axis, and of 0.6 with the clip
    assert losses.source_preservation(masked_out).item() == 0
    removed = MaskedPairs(torch.eye(4)[2:3], pairs, PAIR)
    after = 1 / (1 + classes + 1)
    expected = (1 - 0.8) * before * (math.log(before) - math.log(after))
    assert losses.source_preservation(removed).item() == pytest.approx(expected, rel=1e-5)


def test_source_preservation_compares_classes():
    """Queries of one class have one meaning; queries without a class differ."""
    vector = torch.eye(4)[2:3]
    for targets, least in (([0, 0], None), ([-1, -1], 0)):
        masked = MaskedPairs(vector, one_clip(SECOND, FIRST, targets=targets), PAIR)
        value = losses.source_preservation(masked).item()
        assert value == 0 if least is None else value > least


def test_mask_area_prior_follows_the_probability(pairs):
    """The expected mean is the target area times the root of the probability."""
    area = losses.TARGET_AREA * pairs.log_odds.sigmoid().sqrt()
    masks = area[..., None, None].expand(-1, -1, 6, 5)
    assert losses.mask_area_prior(masks, pairs).item() == pytest.approx(0, abs=1e-7)
    assert losses.mask_area_prior(masks + 0.1, pairs).item() == pytest.approx(0.1, abs=1e-6)


def test_prompt_diversity_excuses_paraphrases(pairs, masks):
    """Equal queries may share a mask; orthogonal queries may not."""
    shared = masks[:1].expand(2, -1, -1, -1)
    equal = pairs._replace(queries=pairs.queries[:1].expand(2, -1, -1))
    orthogonal = pairs._replace(queries=torch.eye(2, 8).unsqueeze(1).expand(-1, 4, -1))
    assert losses.prompt_diversity(shared, equal).item() == pytest.approx(0, abs=1e-6)
    assert losses.prompt_diversity(shared, orthogonal).item() == pytest.approx(0.5, abs=1e-5)


def test_prompt_diversity_clips_negative_cosines():
    """Opposite queries are as different as orthogonal ones; similar queries are excused."""
    masks = torch.tensor([[[[1.0, 0.0]]], [[[0.6, 0.8]]]])
    for query in (SECOND, [-1.0, 0, 0, 0]):
        value = losses.prompt_diversity(masks, one_clip(FIRST, query))
        assert value.item() == pytest.approx(0.6 / 2, rel=1e-5)
    excused = losses.prompt_diversity(masks, one_clip(FIRST, [0.6, 0.8, 0, 0]))
    assert excused.item() == pytest.approx(0, abs=1e-6)
    partly = losses.prompt_diversity(masks, one_clip(FIRST, [0.28, 0.96, 0, 0]))
    assert partly.item() == pytest.approx((0.6 - 0.28) / 2, rel=1e-5)


def test_prompt_diversity_of_one_query_is_zero(masks):
    """Exactly, also for a vector of less than unit norm, as rounding leaves it."""
    assert losses.prompt_diversity(masks[:1, :1], one_clip([0.5, 0, 0, 0])) == 0


def test_irm_regression_of_ratio_masks_is_zero(pairs, masks):
    """The inverted ratio masks cost most."""
    ratio_masks = (pairs.sources / pairs.sources.sum(dim=0)).sqrt()
    assert losses.irm_regression(ratio_masks, pairs).item() == pytest.approx(0, abs=1e-12)
    inverted, random = (losses.irm_regression(m, pairs) for m in (1 - ratio_masks, masks))
    assert inverted > random > 0


def test_irm_regression_needs_separable_mixtures(pairs, masks):
    """Unmixed clips and sources of one class or one query add 0."""
    unmixed_sources = pairs.sources * torch.tensor([1.0, 0.0])[:, None, None, None]
    unmixed = pairs._replace(sources=unmixed_sources)
    same_class = pairs._replace(targets=torch.tensor([[0, 1, 2, 3]] * 2))
    # vectors of one query from different batches differ by rounding
    nearly = pairs.queries[:1] + torch.tensor([0.0, 1e-6])[:, None, None]
    same_query = pairs._replace(queries=nearly, targets=torch.full((2, 4), -1))
    for batch in (unmixed, same_class, same_query, pairs._replace(sources=None)):
        assert losses.irm_regression(masks, batch) == 0
    changed = torch.cat([1 - masks[:, :2], masks[:, 2:]], dim=1)  # of the two unmixed clips
    assert losses.irm_regression(changed, pairs) == losses.irm_regression(masks, pairs)


def test_irm_regression_is_its_closed_form():
    """Bins are weighted by amplitude, so four times the power counts twice."""
    sources = torch.tensor([[[[1.0, 0.0]]], [[[0.0, 4.0]]]])  # ratio masks: (1, 0) and (0, 1)
    pairs = one_clip(FIRST, SECOND, scale=0.0, targets=[0, 1])._replace(sources=sources)
    assert (pairs.confidence_weight == 1).all()
    masks = torch.tensor([[[[0.5, 0.0]]], [[[0.0, 0.4]]]])
    expected = (0.5**2 + 2 * 0.6**2) / 3 / 2
    assert losses.irm_regression(masks, pairs).item() == pytest.approx(expected, rel=1e-6)
    third = torch.full((1, 1, 1, 2), 0.9)  # mask of a third query, which is not mixed in
    three = one_clip(FIRST, SECOND, THIRD, scale=0.0, targets=[0, 1, 2])._replace(sources=sources)
    value = losses.irm_regression(torch.cat([masks, third]), three)
    assert value.item() == pytest.approx(expected, rel=1e-6)
    of_two = pairs._replace(num_separable=torch.tensor(2.0))
    assert losses.irm_regression(masks, of_two).item() == pytest.approx(expected / 2, rel=1e-6)


def test_irm_regression_has_the_confidence_weight():
    """A source that is improbable given the mixture counts less."""
    sources = torch.tensor([[[[1.0, 0.0]]], [[[0.0, 1.0]]]])
    pairs = one_clip(FIRST, SECOND, targets=[0, 1])._replace(sources=sources)
    weight = 4 / (math.exp(2) + 3)
    assert pairs.confidence_weight[:, 0].tolist() == pytest.approx([1, weight])
    closed = torch.zeros(2, 1, 1, 2)
    assert losses.irm_regression(closed, pairs).item() == pytest.approx((1 + weight) / 4, rel=1e-5)


def test_irm_regression_of_unmixed_clips_is_zero():
    """Closed masks cost nothing."""
    sources = torch.tensor([[[[1.0, 1.0]]], [[[0.0, 0.0]]]])
    unmixed = one_clip(FIRST, SECOND, targets=[0, 1])._replace(sources=sources)
    assert losses.irm_regression(torch.zeros(2, 1, 1, 2), unmixed) == 0


def test_binarization_is_0_for_binary_masks(pairs):
    """It is 1 for masks of 0.5."""
    halves, binary = torch.full((1, 1, 2, 2), 0.5), torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])
    assert losses.binarization(halves, pairs) == 1
    assert losses.binarization(binary, pairs) == 0
