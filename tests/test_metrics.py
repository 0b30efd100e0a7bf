import math

import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from speechbrain_lmac import metrics
from speechbrain_lmac.masking import MaskedSimilarity

P = torch.tensor([0.8, 0.8, 0.5])
Q = torch.tensor([0.4, 0.9, 0.5])


def test_closed_forms():
    assert metrics.average_increase(P, Q).tolist() == [0, 100, 0]
    torch.testing.assert_close(metrics.average_drop(P, Q), torch.tensor([50.0, 0, 0]))
    torch.testing.assert_close(metrics.average_gain(P, Q), torch.tensor([0, 50.0, 0]))
    torch.testing.assert_close(metrics.faithfulness(P, Q), P - Q)


def test_a_certain_classifier_cannot_gain():
    assert metrics.average_gain(torch.ones(1), torch.ones(1)).item() == 0


def test_gini_of_known_masks():
    masks = torch.zeros(4, 2, 5)
    masks[1] = 0.3  # even
    masks[2, 0, 0] = 0.7  # one of ten
    masks[3] = torch.arange(1, 11).view(2, 5)  # uniform spacing: (n - 1) / (3 n)
    expected = torch.tensor([0, 0, 0.9, 9 / 30])
    torch.testing.assert_close(metrics.sparseness(masks), expected, atol=1e-6, rtol=0)


def test_entropy_of_known_masks():
    masks = torch.zeros(3, 2, 5)
    masks[1] = 0.3
    masks[2, 0, :2] = 0.7
    expected = torch.tensor([0, math.log(10), math.log(2)])
    torch.testing.assert_close(metrics.complexity(masks), expected)
    assert metrics.relative_complexity(masks)[1].item() == pytest.approx(1)


def test_outcome_takes_one_softmax_and_explains_the_best_class():
    original = torch.tensor([[2.0, 0.0, 0.0]])
    scores = MaskedSimilarity(original, torch.tensor([[0.0, 1.0, 0.0]]), torch.zeros(1, 3))
    seen = metrics.outcome(scores, torch.ones(1, 2, 2))
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
    torch.testing.assert_close(metrics.si_sdr(estimate, reference), oracle, atol=1e-3, rtol=0)
    torch.testing.assert_close(
        metrics.si_sdr(0.01 * estimate, reference), oracle, atol=1e-3, rtol=0
    )


def test_a_perfect_estimate_has_no_bound():
    reference = torch.randn(100, generator=torch.Generator().manual_seed(0))
    assert metrics.si_sdr(reference, reference) > 200


def test_silence_resembles_nothing():
    assert metrics.si_sdr(torch.zeros(100), torch.randn(100)) == -torch.inf
