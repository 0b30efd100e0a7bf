import math

import numpy as np
import pytest
import quantus
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from speechbrain_lmac.masking.masked_classifier import MaskedSimilarity
from speechbrain_lmac.metrics import faithfulness

P = torch.tensor([0.8, 0.8, 0.5])
Q = torch.tensor([0.4, 0.9, 0.5])


def test_closed_forms():
    assert faithfulness.average_increase(P, Q).tolist() == [0, 100, 0]
    torch.testing.assert_close(faithfulness.average_drop(P, Q), torch.tensor([50.0, 0, 0]))
    torch.testing.assert_close(faithfulness.average_gain(P, Q), torch.tensor([0, 50.0, 0]))
    torch.testing.assert_close(faithfulness.faithfulness(P, Q), P - Q)


def test_a_certain_classifier_cannot_gain():
    assert faithfulness.average_gain(torch.ones(1), torch.ones(1)).item() == 0


def test_gini_of_known_masks():
    masks = torch.zeros(4, 2, 5)
    masks[1] = 0.3  # even
    masks[2, 0, 0] = 0.7  # one of ten
    masks[3] = torch.arange(1, 11).view(2, 5)  # uniform spacing: (n - 1) / (3 n)
    expected = torch.tensor([0, 0, 0.9, 9 / 30])
    torch.testing.assert_close(faithfulness.sparseness(masks), expected, atol=1e-6, rtol=0)


def test_entropy_of_known_masks():
    masks = torch.zeros(3, 2, 5)
    masks[1] = 0.3
    masks[2, 0, :2] = 0.7
    expected = torch.tensor([0, math.log(10), math.log(2)])
    torch.testing.assert_close(faithfulness.complexity(masks), expected)
    assert faithfulness.relative_complexity(masks)[1].item() == pytest.approx(1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "ours, oracle",
    [(faithfulness.sparseness, quantus.Sparseness), (faithfulness.complexity, quantus.Complexity)],
)
def test_of_masks_quantus_says_the_same(ours, oracle):
    """In double precision; it takes a mask for an image of one channel, and writes into it."""
    masks = torch.rand(3, 40, 64, generator=torch.Generator().manual_seed(0)).double()
    masks[1] = masks[1].round()
    masks[2, 5:] = 0.9
    measure = oracle(abs=True, normalise=True, disable_warnings=True)
    images = masks.unsqueeze(1).numpy()
    nothing = np.zeros(len(images), dtype=int)
    theirs = measure(model=None, x_batch=images, y_batch=nothing, a_batch=images.copy())
    expected = torch.tensor(np.array(theirs)).float()
    torch.testing.assert_close(ours(masks), expected, atol=1e-6, rtol=1e-6)


def test_what_keeps_everything_increases_nothing():
    """Beyond rounding, that is: a rise that a listener could hear counts."""
    p = torch.tensor([0.3, 0.3, 0.3, 0.999999])
    q = p + torch.tensor([1e-7, -1e-7, 1e-4, 1e-7])
    assert faithfulness.average_increase(p, q).tolist() == [0, 0, 100, 0]


def test_drop_as_published_has_a_bound_that_is_reached():
    lost = MaskedSimilarity(*torch.tensor([[[40.0, 0, 0]], [[0, 40.0, 0]], [[0, 0, 0.0]]]))
    target = torch.tensor([0])
    published = faithfulness.as_published(lost, target)
    assert faithfulness.outcome(lost, torch.ones(1, 2, 2)).drop_as_published == published
    assert published.item() == pytest.approx(100 * (1 - 1 / math.e), abs=1e-4)
    assert faithfulness.METRICS["AD"](faithfulness.outcome(lost, torch.ones(1, 2, 2))).item() == 100
    generator = torch.Generator().manual_seed(0)
    random = MaskedSimilarity(*10 * torch.randn(3, 500, 4, generator=generator))
    targets = torch.randint(4, (500,), generator=generator)
    assert faithfulness.as_published(random, targets).max() <= 100 * (1 - 1 / math.e) + 1e-4


def test_outcome_of_a_class_that_is_asked_for():
    scores = MaskedSimilarity(*torch.tensor([[[2.0, 0, 1]], [[0, 3.0, 1]], [[0, 0, 0.0]]]))
    mask = torch.ones(1, 2, 2)
    asked = faithfulness.outcome(scores, mask, torch.tensor([1]))
    for seen, logits in zip((asked.p, asked.q, asked.r), scores):
        assert seen.item() == pytest.approx(logits.softmax(dim=1)[0, 1].item())
    assert asked.kept.item()  # the part kept is what was asked for, though the clip is not
    best = faithfulness.outcome(scores, mask)
    assert best.p == faithfulness.outcome(scores, mask, torch.tensor([0])).p
    assert not best.kept.item()


def test_outcome_takes_one_softmax_and_explains_the_best_class():
    original = torch.tensor([[2.0, 0.0, 0.0]])
    scores = MaskedSimilarity(original, torch.tensor([[0.0, 1.0, 0.0]]), torch.zeros(1, 3))
    seen = faithfulness.outcome(scores, torch.ones(1, 2, 2))
    assert seen.p.item() == pytest.approx(math.exp(2) / (math.exp(2) + 2))
    assert seen.q.item() == pytest.approx(1 / (math.e + 2))
    assert seen.r.item() == pytest.approx(1 / 3)
    assert not seen.kept.item()


def test_si_sdr_equals_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(4, 800, generator=generator)
    estimate = reference + torch.randn(4, 800, generator=generator) * torch.tensor(
        [[0.1], [1], [3], [9]]
    )
    oracle = scale_invariant_signal_distortion_ratio(estimate, reference, zero_mean=True)
    torch.testing.assert_close(faithfulness.si_sdr(estimate, reference), oracle, atol=1e-3, rtol=0)
    torch.testing.assert_close(
        faithfulness.si_sdr(0.01 * estimate, reference), oracle, atol=1e-3, rtol=0
    )


def test_a_perfect_estimate_has_no_bound():
    reference = torch.randn(100, generator=torch.Generator().manual_seed(0))
    assert faithfulness.si_sdr(reference, reference) > 200


def test_silence_resembles_nothing():
    assert faithfulness.si_sdr(torch.zeros(100), torch.randn(100)) == -torch.inf


def test_increase_ignores_rises_within_rounding():
    p, q = torch.zeros(3), torch.tensor([0.5, 1.0, 2.0]) * faithfulness.ROUNDING
    assert faithfulness.average_increase(p, q).tolist() == [0, 0, 100]
    assert (faithfulness.average_gain(p, q) > 0).tolist() == [False, False, True]


def test_metrics_of_a_mask_ignore_its_batch():
    """Of three masks: half open, open and silent."""
    masks = torch.stack([torch.eye(4), torch.ones(4, 4), torch.zeros(4, 4)])
    assert faithfulness.mask_mean(masks).tolist() == [0.25, 1, 0]
    assert faithfulness.silent(masks).tolist() == [0, 0, 1]
    for measure in (
        faithfulness.relative_complexity,
        faithfulness.sparseness,
        faithfulness.mask_mean,
    ):
        torch.testing.assert_close(measure(masks[:1]), measure(masks)[:1])


def test_outcomes_are_clip_by_clip():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 4, generator=generator) + torch.randn(3, 6, 4, generator=generator)
    scores = MaskedSimilarity(*scores)
    masks = torch.rand(6, 3, 3, generator=generator)
    together = faithfulness.outcome(scores, masks)
    assert together.mask is masks
    assert 0 < together.kept.sum() < 6
    for place in range(6):
        of_one = MaskedSimilarity(*(logits[place : place + 1] for logits in scores))
        alone = faithfulness.outcome(of_one, masks[place : place + 1])
        for value, single in zip(together, alone):
            torch.testing.assert_close(value[place : place + 1], single)


def test_complexity_ignores_the_sum_of_a_mask():
    masks = torch.full((2, 1, 4), 0.01)
    masks[1, 0, 2:] = 0
    expected = torch.tensor([math.log(4), math.log(2)])
    torch.testing.assert_close(faithfulness.complexity(masks), expected)
    torch.testing.assert_close(faithfulness.sparseness(masks), torch.tensor([0.0, 0.5]))


def test_an_exact_copy_is_infinitely_like():
    assert faithfulness.si_sdr(torch.tensor([2.0, -2.0]), torch.tensor([1.0, -1.0])) == torch.inf


def test_ranks_follow_the_mask_to_its_device():
    assert faithfulness.sparseness(torch.zeros(1, 2, 2, device="meta")).device.type == "meta"
