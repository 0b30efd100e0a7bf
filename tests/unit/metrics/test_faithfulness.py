"""Faithfulness metrics against closed forms and quantus."""

import math

import numpy as np
import pytest
import quantus
import torch

from speechbrain_lmac.masking.encoded_clips import MaskedScores
from speechbrain_lmac.metrics import faithfulness
from speechbrain_lmac.metrics.registry import MASK_METRICS

P = torch.tensor([0.8, 0.8, 0.5])
Q = torch.tensor([0.4, 0.9, 0.5])


def softmax_scores(*logits):
    """Return the probabilities of the original, masked-in and masked-out logits."""
    return MaskedScores(*(values.softmax(dim=1) for values in logits))


def test_metrics_equal_closed_forms():
    """AI, AD, AG and FF of three clips."""
    assert faithfulness.average_increase(P, Q).tolist() == [0, 100, 0]
    torch.testing.assert_close(faithfulness.average_drop(P, Q), torch.tensor([50.0, 0, 0]))
    torch.testing.assert_close(faithfulness.average_gain(P, Q), torch.tensor([0, 50.0, 0]))
    torch.testing.assert_close(faithfulness.faithfulness(P, Q), P - Q)


def test_gain_of_certain_class_is_zero():
    """AG divides by ``1 - p``, which is 0 here."""
    assert faithfulness.average_gain(torch.ones(1), torch.ones(1)).item() == 0


def test_sparseness_of_known_masks():
    """Zeros, uniform, one of ten, and evenly spaced values."""
    masks = torch.zeros(4, 2, 5)
    masks[1] = 0.3  # even
    masks[2, 0, 0] = 0.7  # one of ten
    masks[3] = torch.arange(1, 11).view(2, 5)  # uniform spacing: (n - 1) / (3 n)
    expected = torch.tensor([0, 0, 0.9, 9 / 30])
    torch.testing.assert_close(faithfulness.sparseness(masks), expected, atol=1e-6, rtol=0)


def test_complexity_of_known_masks():
    """Zeros, uniform and two of ten."""
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
def test_mask_metrics_equal_quantus(ours, oracle):
    """In double precision; quantus expects an image and writes into it."""
    masks = torch.rand(3, 40, 64, generator=torch.Generator().manual_seed(0)).double()
    masks[1] = masks[1].round()
    masks[2, 5:] = 0.9
    measure = oracle(abs=True, normalise=True, disable_warnings=True)
    images = masks.unsqueeze(1).numpy()
    nothing = np.zeros(len(images), dtype=int)
    theirs = measure(model=None, x_batch=images, y_batch=nothing, a_batch=images.copy())
    expected = torch.tensor(np.array(theirs)).float()
    torch.testing.assert_close(ours(masks), expected, atol=1e-6, rtol=1e-6)


def test_increase_ignores_rounding():
    """Only a rise beyond rounding counts."""
    p = torch.tensor([0.3, 0.3, 0.3, 0.999999])
    q = p + torch.tensor([1e-7, -1e-7, 1e-4, 1e-7])
    assert faithfulness.average_increase(p, q).tolist() == [0, 0, 100, 0]


def test_double_softmax_drop_has_its_bound():
    """The bound ``100 (1 - 1 / e)`` is reached and never exceeded."""
    worst = softmax_scores(*torch.tensor([[[40.0, 0, 0]], [[0, 40.0, 0]], [[0, 0, 0.0]]]))
    target = torch.tensor([0])
    drop = faithfulness.double_softmax_drop(worst.original, worst.masked_in, target)
    assert faithfulness.masking_outcome(*worst, torch.ones(1, 2, 2)).double_softmax_drop == drop
    assert drop.item() == pytest.approx(100 * (1 - 1 / math.e), abs=1e-4)
    outcome = faithfulness.masking_outcome(*worst, torch.ones(1, 2, 2))
    assert MASK_METRICS["AD"].function(outcome).item() == 100
    generator = torch.Generator().manual_seed(0)
    random = softmax_scores(*10 * torch.randn(3, 500, 4, generator=generator))
    targets = torch.randint(4, (500,), generator=generator)
    assert (
        faithfulness.double_softmax_drop(random.original, random.masked_in, targets).max()
        <= 100 * (1 - 1 / math.e) + 1e-4
    )


def test_outcome_explains_a_given_class():
    """The explained class need not be the prediction."""
    scores = softmax_scores(*torch.tensor([[[2.0, 0, 1]], [[0, 3.0, 1]], [[0, 0, 0.0]]]))
    mask = torch.ones(1, 2, 2)
    given = faithfulness.masking_outcome(*scores, mask, torch.tensor([1]))
    for probability, probabilities in zip(given[:3], scores):
        assert probability.item() == pytest.approx(probabilities[0, 1].item())
    assert given.is_top1.item()  # although it is not the prediction on the original clip
    best = faithfulness.masking_outcome(*scores, mask)
    first = faithfulness.masking_outcome(*scores, mask, torch.tensor([0]))
    assert best.p_original == first.p_original
    assert not best.is_top1.item()


def test_outcome_explains_the_prediction():
    """The probabilities are those of the predicted class."""
    original = torch.tensor([[2.0, 0.0, 0.0]])
    scores = softmax_scores(original, torch.tensor([[0.0, 1.0, 0.0]]), torch.zeros(1, 3))
    outcome = faithfulness.masking_outcome(*scores, torch.ones(1, 2, 2))
    assert outcome.p_original.item() == pytest.approx(math.exp(2) / (math.exp(2) + 2))
    assert outcome.p_masked_in.item() == pytest.approx(1 / (math.e + 2))
    assert outcome.p_masked_out.item() == pytest.approx(1 / 3)
    assert not outcome.is_top1.item()


def test_si_sdr_equals_closed_form():
    """10 log10 of the energies of the projection and of the residual, at any scale."""
    generator = torch.Generator().manual_seed(0)
    reference = torch.randn(4, 800, generator=generator)
    estimate = reference + torch.randn(4, 800, generator=generator) * torch.tensor(
        [[0.1], [1], [3], [9]]
    )
    one, other = (
        (wav - wav.mean(axis=-1, keepdims=True)) for wav in (estimate.numpy(), reference.numpy())
    )
    target = (one * other).sum(-1, keepdims=True) / (other**2).sum(-1, keepdims=True) * other
    ratio = (target**2).sum(-1) / ((one - target) ** 2).sum(-1)
    oracle = torch.from_numpy(10 * np.log10(ratio))
    torch.testing.assert_close(faithfulness.si_sdr(estimate, reference), oracle, atol=1e-3, rtol=0)
    torch.testing.assert_close(
        faithfulness.si_sdr(0.01 * estimate, reference), oracle, atol=1e-3, rtol=0
    )


def test_si_sdr_of_a_copy_is_huge():
    """Limited only by double precision."""
    reference = torch.randn(100, generator=torch.Generator().manual_seed(0))
    assert faithfulness.si_sdr(reference, reference) > 150


def test_si_sdr_of_silence_is_minus_infinity():
    """A silent estimate, and NaN for a silent reference."""
    assert faithfulness.si_sdr(torch.zeros(100), torch.randn(100)) == -torch.inf
    assert faithfulness.si_sdr(torch.randn(100), torch.zeros(100)).isnan()


def test_increase_and_gain_share_a_threshold():
    """A rise of exactly ``ROUNDING`` does not count."""
    p, q = torch.zeros(3), torch.tensor([0.5, 1.0, 2.0]) * faithfulness.ROUNDING
    assert faithfulness.average_increase(p, q).tolist() == [0, 0, 100]
    assert (faithfulness.average_gain(p, q) > 0).tolist() == [False, False, True]


def test_mask_metrics_ignore_the_batch():
    """Three masks: half open, open and silent."""
    masks = torch.stack([torch.eye(4), torch.ones(4, 4), torch.zeros(4, 4)])
    assert faithfulness.mask_mean(masks).tolist() == [0.25, 1, 0]
    assert faithfulness.is_silent(masks).tolist() == [0, 0, 1]
    for measure in (
        faithfulness.relative_complexity,
        faithfulness.sparseness,
        faithfulness.mask_mean,
    ):
        torch.testing.assert_close(measure(masks[:1]), measure(masks)[:1])


def test_outcome_is_per_clip():
    """A batch of six equals six batches of one."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 4, generator=generator) + torch.randn(3, 6, 4, generator=generator)
    scores = softmax_scores(*scores)
    masks = torch.rand(6, 3, 3, generator=generator)
    together = faithfulness.masking_outcome(*scores, masks)
    assert together.mask is masks
    assert 0 < together.is_top1.sum() < 6
    for place in range(6):
        single = (values[place : place + 1] for values in scores)
        alone = faithfulness.masking_outcome(*single, masks[place : place + 1])
        for value, single in zip(together, alone):
            torch.testing.assert_close(value[place : place + 1], single)


def test_complexity_ignores_the_sum():
    """The mask is normalized first."""
    masks = torch.full((2, 1, 4), 0.01)
    masks[1, 0, 2:] = 0
    expected = torch.tensor([math.log(4), math.log(2)])
    torch.testing.assert_close(faithfulness.complexity(masks), expected)
    torch.testing.assert_close(faithfulness.sparseness(masks), torch.tensor([0.0, 0.5]))


def test_si_sdr_of_a_scaled_copy_is_huge():
    """The scale of the estimate has no effect."""
    assert faithfulness.si_sdr(torch.tensor([2.0, -2.0]), torch.tensor([1.0, -1.0])) > 150


def test_sparseness_stays_on_its_device():
    """Checked on the meta device."""
    assert faithfulness.sparseness(torch.zeros(1, 2, 2, device="meta")).device.type == "meta"
