import math
from functools import partial

import pytest
import torch

from speechbrain_lmac.losses import terms as losses
from speechbrain_lmac.losses.objective import (
    DECISION_TERMS,
    PAPER_TERMS,
    Objective,
    method_name,
)
from speechbrain_lmac.losses.pairs import MaskedPairs, PromptPairs
from speechbrain_lmac.models.class_set import ClassSet, ScaledDotProduct
from speechbrain_lmac.utils.errors import InputError

KEPT = {"similarity_matching": losses.similarity_matching, "mask_in_nll": losses.mask_in_nll}
REMOVED = {"mask_out_nll": losses.mask_out_nll, "source_preservation": losses.source_preservation}
MASKS = {
    "sparsity": losses.sparsity,
    "prompt_diversity": losses.prompt_diversity,
    "mask_area_prior": losses.mask_area_prior,
    "irm_regression": losses.irm_regression,
    "binarization": losses.binarization,
}
NAMES = (*KEPT, *REMOVED, *MASKS)


def class_set(queries, scale):
    """Competing classes with a logit scale."""
    head = ScaledDotProduct()
    head.logit_scale = scale
    return ClassSet(queries, head)


def units(*shape, seed):
    vectors = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors, dim=-1)


@pytest.fixture
def pairs():
    """Four clips, asked for two prompts each, among six names; two of the clips are mixtures."""
    names, own = units(6, 8, seed=0), torch.tensor([[0, 1, 2, -1], [-1, 0, 1, 2]])
    text = torch.where(own.unsqueeze(-1) >= 0, names[own], units(2, 4, 8, seed=1))
    sources = torch.rand(2, 4, 6, 5, generator=torch.Generator().manual_seed(4))
    sources[1, :2] = 0
    return PromptPairs(units(4, 8, seed=2), text, own, class_set(names, 5.0), sources)


@pytest.fixture
def masks():
    return torch.rand(2, 4, 6, 5, generator=torch.Generator().manual_seed(3))


def as_it_was(pairs):
    """Heard through masks of ones."""
    return MaskedPairs(pairs.vectors.repeat(2, 1), pairs, torch.arange(8))


def twice(pairs):
    """The same batch with every clip in it twice."""
    return pairs._replace(
        vectors=pairs.vectors.repeat(2, 1),
        queries=pairs.queries.repeat(1, 2, 1),
        targets=pairs.targets.repeat(1, 2),
        sources=pairs.sources.repeat(1, 2, 1, 1),
    )


@pytest.mark.parametrize("name", sorted(MASKS))
def test_a_term_of_masks_does_not_depend_on_batch_size(name, pairs, masks):
    doubled = MASKS[name](masks.repeat(1, 2, 1, 1), twice(pairs))
    torch.testing.assert_close(doubled, MASKS[name](masks, pairs))


def test_log_odds_are_those_of_the_softmax_over_the_names(pairs):
    """Where a prompt is one of the names, its own is not counted twice."""
    odds = pairs.log_odds[0, :3]
    softmax = (
        pairs.classes.classifier.logit_scale * pairs.vectors @ pairs.classes.queries.T
    ).softmax(dim=1)
    torch.testing.assert_close(odds.sigmoid(), softmax[range(3), pairs.targets[0, :3]])


def test_a_prompt_that_is_no_name_has_all_names_as_rivals(pairs):
    logits = (
        pairs.classes.classifier.logit_scale
        * pairs.vectors[3]
        @ torch.cat([pairs.queries[0, 3:], pairs.classes.queries]).T
    )
    torch.testing.assert_close(pairs.log_odds[0, 3].sigmoid(), logits.softmax(dim=0)[0])


def test_the_whole_clip_is_as_similar_as_it_is_and_leaves_the_others_theirs(pairs):
    heard = as_it_was(pairs)
    assert losses.similarity_matching(heard).abs().max() == 0
    assert losses.source_preservation(heard).abs().max() == 0


def test_a_mask_that_keeps_the_prompts_very_sound_costs_least(pairs):
    """Of all sounds, that whose embedding is the prompt's own, or the nearest to it."""
    index = torch.arange(8)
    best = pairs.queries.flatten(0, 1)
    ideal, usual = MaskedPairs(best, pairs, index), as_it_was(pairs)
    away = MaskedPairs(-best, pairs, index)
    assert (losses.mask_in_nll(ideal) <= losses.mask_in_nll(usual)).all()
    assert (losses.mask_in_nll(usual) <= losses.mask_in_nll(away)).all()
    assert (losses.mask_out_nll(away) <= losses.mask_out_nll(usual)).all()
    assert (losses.mask_out_nll(away) >= 0).all()


def test_what_a_clap_does_not_hear_at_all_asks_for_nothing(pairs):
    certain = pairs._replace(classes=class_set(pairs.classes.queries, 1000.0))
    heard = as_it_was(certain)
    absent = heard.log_probabilities()[0] < -50
    assert absent.any() and not absent.all()
    assert losses.mask_in_nll(heard)[absent].max() < 1e-9
    assert heard.confidence_weight()[~absent].min() == 1


def test_taking_one_sound_out_must_leave_the_next_prompts(pairs):
    """Of the pair (row 0, clip 1) the next prompt is row 1's of the same clip."""
    index = torch.tensor([1])
    its = pairs.queries[1, 1:2]
    kept, lost = MaskedPairs(its, pairs, index), MaskedPairs(-its, pairs, index)
    assert losses.source_preservation(kept) == 0
    assert losses.source_preservation(lost) > 0


def test_what_means_the_same_is_no_other(pairs):
    """By its text, or by the name that it stands for."""
    index = torch.tensor([1])
    same_text = pairs._replace(queries=pairs.queries[:1].expand(2, -1, -1))
    same_name = pairs._replace(targets=torch.ones_like(pairs.targets))
    for alike in (same_text, same_name):
        lost = MaskedPairs(-alike.queries[1, 1:2], alike, index)
        assert losses.source_preservation(lost).item() == pytest.approx(0, abs=1e-5)


def test_a_mask_opens_as_far_as_its_prompt_is_believed(pairs):
    wanted = losses.TARGET_AREA * pairs.log_odds.sigmoid().sqrt()
    masks = wanted[..., None, None].expand(-1, -1, 6, 5)
    assert losses.mask_area_prior(masks, pairs).item() == pytest.approx(0, abs=1e-7)
    assert losses.mask_area_prior(masks + 0.1, pairs).item() == pytest.approx(0.1, abs=1e-6)


def test_paraphrases_may_share_a_mask_and_strangers_may_not(pairs, masks):
    shared = masks[:1].expand(2, -1, -1, -1)
    same = pairs._replace(queries=pairs.queries[:1].expand(2, -1, -1))
    apart = pairs._replace(queries=torch.eye(2, 8).unsqueeze(1).expand(-1, 4, -1))
    assert losses.prompt_diversity(shared, same).item() == pytest.approx(0, abs=1e-6)
    assert losses.prompt_diversity(shared, apart).item() == pytest.approx(0.5, abs=1e-5)


def test_the_ideal_masks_of_a_mixture_separate_it(pairs, masks):
    ideal = (pairs.sources / pairs.sources.sum(dim=0)).sqrt()
    assert losses.irm_regression(ideal, pairs).item() == pytest.approx(0, abs=1e-12)
    assert losses.irm_regression(1 - ideal, pairs) > losses.irm_regression(masks, pairs) > 0


def test_nothing_is_separated_from_a_clip_alone_or_from_its_like(pairs, masks):
    alone = pairs._replace(sources=pairs.sources * torch.tensor([1.0, 0.0])[:, None, None, None])
    alike = pairs._replace(targets=torch.tensor([[0, 1, 2, 3]] * 2))
    nearly = pairs.queries[:1] + torch.tensor([0.0, 1e-6])[:, None, None]  # as of another batch
    told_alike = pairs._replace(queries=nearly, targets=torch.full((2, 4), -1))
    for nothing in (alone, alike, told_alike, pairs._replace(sources=None)):
        assert losses.irm_regression(masks, nothing) == 0
    changed = torch.cat([1 - masks[:, :2], masks[:, 2:]], dim=1)  # of the two clips alone
    assert losses.irm_regression(changed, pairs) == losses.irm_regression(masks, pairs)


def test_binarisation_ends(pairs):
    halves, ends = torch.full((1, 1, 2, 2), 0.5), torch.tensor([[[[0.0, 1.0], [1.0, 0.0]]]])
    assert losses.binarization(halves, pairs) == 1
    assert losses.binarization(ends, pairs) == 0


def test_names_say_what_was_trained():
    paper, ours = list(PAPER_TERMS), list(DECISION_TERMS)
    assert method_name(paper) == "LMAC-ZS"
    assert method_name(ours) == "LMAC-ZS-D"
    assert method_name([*paper, "mask_out_nll"]) == "LMAC-ZS+mask_out_nll"
    assert method_name(paper[:2]) == "LMAC-ZS-prompt_diversity"
    assert method_name([*ours[1:], "binarization"]) == "LMAC-ZS-D+binarization-mask_in_nll"


def hear(pairs, gains, value):
    """An encoder that hears a clip's embedding times its mask's mean and turned a little."""
    heard = pairs.vectors.repeat(len(gains), 1) + gains.mean(dim=(2, 3)).flatten()[:, None] * 0.1
    return value(torch.nn.functional.normalize(heard, dim=1), torch.arange(len(heard)))


def test_objective_is_the_weighted_sum_of_means(pairs, masks):
    weights = {name: 0.5 + place for place, name in enumerate(NAMES)}
    objective = Objective(KEPT, REMOVED, MASKS, weights)
    loss, terms = objective(pairs, masks, masks[:1], partial(hear, pairs))
    assert set(terms) == set(NAMES) == set(objective.terms)
    expected = sum(weights[name] * term.item() for name, term in terms.items())
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    inside = MaskedPairs(
        hear(pairs, masks[:1], lambda e, index: (e, index))[0], pairs, torch.arange(4)
    )
    assert terms["mask_in_nll"].item() == pytest.approx(losses.mask_in_nll(inside).mean().item())


def test_a_weight_of_nothing_takes_a_term_out_and_its_passes(pairs, masks):
    weights = {**dict.fromkeys(NAMES, 0), "sparsity": 0.5}
    objective = Objective(KEPT, REMOVED, MASKS, weights)
    loss, terms = objective(pairs, masks, masks[:1], evaluate=None)
    assert set(terms) == {"sparsity"} and loss == 0.5 * masks.mean()


def test_weights_without_a_term_are_named():
    with pytest.raises(InputError, match="got noise, speed too"):
        Objective(KEPT, REMOVED, MASKS, {**dict.fromkeys(NAMES, 1.0), "speed": 1.0, "noise": 1})
    with pytest.raises(InputError, match=r"loss_weights must be a mapping of numbers, got \[1\]"):
        Objective(KEPT, REMOVED, MASKS, [1])


def one_clip(*texts, names=4, scale=2.0, own=None):
    """A clip that lies along the first axis, and prompts asked of it, among names on the axes."""
    audio, text = torch.eye(4)[:1], torch.tensor(texts, dtype=torch.float).unsqueeze(1)
    own = torch.full((len(texts), 1), -1) if own is None else torch.tensor(own).unsqueeze(1)
    return PromptPairs(audio, text, own, class_set(torch.eye(4)[:names], scale))


FIRST, SECOND, THIRD = torch.eye(4)[:3].tolist()


def test_similarity_counts_a_rise_as_a_fall():
    """A masked clip that is more like the prompt than the clip itself costs as much as one less."""
    rises = MaskedPairs(torch.eye(4)[1:2], one_clip(SECOND), torch.tensor([0]))
    falls = MaskedPairs(torch.eye(4)[1:2], one_clip(FIRST), torch.tensor([0]))
    assert losses.similarity_matching(rises).item() == 1
    assert losses.similarity_matching(falls).item() == 1


def test_others_kept_is_its_closed_form():
    """Cosines of 1 and 0 make every probability a ratio of exponentials."""
    pairs = one_clip(SECOND, [0.6, 0.8, 0, 0], own=[1, -1])
    removed = MaskedPairs(torch.eye(4)[1:2], pairs, torch.tensor([0]))
    rest = 2 * math.exp(0) + math.exp(2)  # of the names' exponentials, wherever the sound lies
    before = math.exp(2 * 0.6) / (math.exp(2 * 0.6) + rest + 1)
    assert (
        losses.source_preservation(removed).item() == 0
    )  # heard alone, the second name's axis has more
    lost = MaskedPairs(torch.eye(4)[2:3], pairs, torch.tensor([0]))
    after = 1 / (1 + rest + 1)
    expected = (1 - 0.8) * before * (math.log(before) - math.log(after))
    assert losses.source_preservation(lost).item() == pytest.approx(expected, rel=1e-5)


def test_decisions_are_their_closed_forms():
    """Of a prompt that is a name, two axes away from the clip: belief, kept and removed."""
    pairs = one_clip(SECOND, own=[1])
    p = 1 / (3 + math.exp(2))
    q = math.exp(2) / (3 + math.exp(2))
    confidence_weight = 4 * p
    heard = MaskedPairs(torch.eye(4)[1:2], pairs, torch.tensor([0]))
    assert (
        heard.confidence_weight().item() == pytest.approx(confidence_weight, rel=1e-5)
        and confidence_weight < 1
    )
    kept, removed = losses.mask_in_nll(heard), losses.mask_out_nll(heard)
    assert kept.item() == pytest.approx(-confidence_weight * math.log(q), rel=1e-5)
    assert removed.item() == pytest.approx(-confidence_weight * math.log(1 - q), rel=1e-5)


def test_belief_is_relative_to_chance():
    """Where all names are alike, a name's belief is 1 and a further prompt's is n / (n + 1)."""
    for names in (2, 4):
        pairs = one_clip(FIRST, SECOND, names=names, scale=0.0, own=[0, -1])
        torch.testing.assert_close(
            pairs.confidence_weight[:, 0], torch.tensor([1.0, names / (names + 1)])
        )


def test_asked_steps_through_the_rows_of_a_clip():
    """Row 0's next is row 1, the last row's next is row 0, and clips keep their own prompts."""
    text = torch.arange(6.0).view(3, 2, 1)
    own = torch.arange(6).view(3, 2)
    pairs = PromptPairs(torch.tensor([[0.0], [1.0]]), text, own, class_set(torch.eye(1), 1.0))
    heard = MaskedPairs(torch.zeros(6, 1), pairs, torch.arange(6))
    for step, rows in [(0, (0, 1, 2)), (1, (1, 2, 0)), (2, (2, 0, 1)), (3, (0, 1, 2))]:
        asked = heard.batch(step)
        expected = [2 * row + clip for row in rows for clip in (0, 1)]
        assert asked.target.tolist() == expected == asked.query.flatten().tolist()
        assert asked.original.flatten().tolist() == [0, 1] * 3


def test_irm_regression_is_its_closed_form():
    """Cells weigh as amplitudes, so one of four times the power counts twice."""
    sources = torch.tensor([[[[1.0, 0.0]]], [[[0.0, 4.0]]]])  # ideal: (1, 0) and (0, 1)
    pairs = one_clip(FIRST, SECOND, scale=0.0, own=[0, 1])._replace(sources=sources)
    assert (pairs.confidence_weight == 1).all()
    masks = torch.tensor([[[[0.5, 0.0]]], [[[0.0, 0.4]]]])
    expected = (0.5**2 + 2 * 0.6**2) / 3 / 2
    assert losses.irm_regression(masks, pairs).item() == pytest.approx(expected, rel=1e-6)
    third = torch.full((1, 1, 1, 2), 0.9)  # asked of the clip, but not mixed into it
    asked = one_clip(FIRST, SECOND, THIRD, scale=0.0, own=[0, 1, 2])._replace(sources=sources)
    found = losses.irm_regression(torch.cat([masks, third]), asked)
    assert found.item() == pytest.approx(expected, rel=1e-6)
    among_two = pairs._replace(num_separable=torch.tensor(2.0))
    assert losses.irm_regression(masks, among_two).item() == pytest.approx(expected / 2, rel=1e-6)


def test_irm_regression_is_weighed_by_confidence_weight():
    """A source that the encoder does not find in the mixture asks for less."""
    sources = torch.tensor([[[[1.0, 0.0]]], [[[0.0, 1.0]]]])
    pairs = one_clip(FIRST, SECOND, own=[0, 1])._replace(sources=sources)
    confidence_weight = 4 / (math.exp(2) + 3)
    assert pairs.confidence_weight[:, 0].tolist() == pytest.approx([1, confidence_weight])
    shut = torch.zeros(2, 1, 1, 2)
    assert losses.irm_regression(shut, pairs).item() == pytest.approx(
        (1 + confidence_weight) / 4, rel=1e-5
    )


def test_diversity_treats_opposites_as_unrelated():
    """Prompts of cosine -1 and of cosine 0 allow the same masks: similar texts alone excuse."""
    masks = torch.tensor([[[[1.0, 0.0]]], [[[0.6, 0.8]]]])
    for text in (SECOND, [-1.0, 0, 0, 0]):
        found = losses.prompt_diversity(masks, one_clip(FIRST, text))
        assert found.item() == pytest.approx(0.6 / 2, rel=1e-5)
    excused = losses.prompt_diversity(masks, one_clip(FIRST, [0.6, 0.8, 0, 0]))
    assert excused.item() == pytest.approx(0, abs=1e-6)
    partly = losses.prompt_diversity(masks, one_clip(FIRST, [0.28, 0.96, 0, 0]))
    assert partly.item() == pytest.approx((0.6 - 0.28) / 2, rel=1e-5)


def test_names_alike_are_no_others_even_the_first():
    """Texts may differ where both stand for one name; prompts of no name are strangers."""
    lost = torch.eye(4)[2:3]
    for own, least in (([0, 0], None), ([-1, -1], 0)):
        heard = MaskedPairs(lost, one_clip(SECOND, FIRST, own=own), torch.tensor([0]))
        found = losses.source_preservation(heard).item()
        assert found == 0 if least is None else found > least


def test_a_text_with_itself_adds_exactly_nothing(masks):
    """Even one of less than unit norm, as rounding leaves it."""
    assert losses.prompt_diversity(masks[:1, :1], one_clip([0.5, 0, 0, 0])) == 0


def test_shut_masks_of_clips_alone_cost_nothing():
    sources = torch.tensor([[[[1.0, 1.0]]], [[[0.0, 0.0]]]])
    alone = one_clip(FIRST, SECOND, own=[0, 1])._replace(sources=sources)
    assert losses.irm_regression(torch.zeros(2, 1, 1, 2), alone) == 0


def test_sources_are_told_apart_clip_by_clip():
    """By other names, or by other texts where there are no names; a clip alone has no other."""
    text = torch.eye(4)[[0, 1, 0, 1, 0, 1]].view(3, 2, 4).transpose(0, 1).clone()
    text[1, 2] = text[0, 2]  # the third clip is asked for one text twice
    own = torch.tensor([[0, -1, -1], [0, -1, -1]])  # the first for one name twice
    sources = torch.ones(2, 3, 1, 1)
    pairs = PromptPairs(torch.eye(4)[:3], text, own, class_set(torch.eye(4), 1.0), sources)
    assert pairs.separable.tolist() == [False, True, False]
    alone = pairs._replace(sources=sources * torch.tensor([1.0, 0.0])[:, None, None, None])
    assert not alone.separable.any()
    of_names = pairs._replace(targets=torch.tensor([[0, 1, 2], [1, 0, 3]]))
    assert of_names.separable.tolist() == [True, True, False]


@pytest.mark.parametrize("name", [*KEPT, *REMOVED])
def test_a_pairs_value_is_its_own(name, pairs):
    """Whatever other pairs are heard beside it."""
    term, masked, index = {**KEPT, **REMOVED}[name], units(8, 8, seed=7), torch.arange(8)
    together = term(MaskedPairs(masked, pairs, index))
    alone = [term(MaskedPairs(masked[i : i + 1], pairs, index[i : i + 1])) for i in range(8)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert together.shape == (8,) and together.std() > 0


def test_removed_is_heard_where_the_mask_is_shut(pairs, masks):
    """What is kept passes the opened mask, what is removed one less of it."""
    passed = []

    def noted(gains, value):
        passed.append(gains)
        return hear(pairs, gains, value)

    weights = dict.fromkeys(NAMES, 1.0)
    Objective(KEPT, REMOVED, MASKS, weights)(pairs, masks, masks[:1], noted)
    torch.testing.assert_close(passed, [masks[:1], 1 - masks[:1]])
