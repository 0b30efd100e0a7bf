"""Gradient explainers: definitions, sums and smoothing."""

import pytest
import torch

from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.gradient import InputXGradient, Saliency, SmoothGrad
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.explainers.network import ExplainerNetwork
from speechbrain_lmac.masking.gradients import blur
from speechbrain_lmac.metrics.top_k import normalize_attributions
from tests.unit.explainers.conftest import ONLY_MEL, masked_logits, negated


def test_input_x_gradient_is_the_slope_of_gains(in_double, text):
    """Over a block of bins it equals the finite difference of the logit."""
    classifier, encoded = in_double
    model, inputs = ExplainerNetwork(classifier, "energy"), ExplainerInputs(text.double(), seeds=())
    positive = InputXGradient(sign="positive")
    signed = positive(model, encoded, inputs) - negated(positive, model, encoded, inputs)
    block = torch.zeros_like(encoded.power)
    block[:, 20:40, : block.shape[2] // 2] = 1e-7
    up, down = (
        masked_logits(classifier, encoded, inputs.query, 1 + step) for step in (block, -block)
    )
    slope = (signed * (block > 0)).sum(dim=(1, 2))
    torch.testing.assert_close(slope, (up - down) / 2e-7, atol=1e-5, rtol=1e-4)


def test_saliency_times_magnitude(model, encoded, inputs):
    """It is input x gradient."""
    product = InputXGradient()(model, encoded, inputs)
    slope = Saliency()(model, encoded, inputs)
    torch.testing.assert_close(slope * encoded.power.sqrt(), product, atol=1e-5, rtol=1e-3)


def test_smoothgrad_without_noise_is_saliency(model, encoded, inputs):
    """For both signs."""
    for sign in ("absolute", "positive"):
        expected = Saliency(sign)(model, encoded, inputs)
        smooth = SmoothGrad(sign, noise=0.0, samples=2)(model, encoded, inputs)
        torch.testing.assert_close(
            normalize_attributions(smooth), normalize_attributions(expected), atol=1e-4, rtol=0
        )


def test_smoothgrad_noise_ignores_chunks(model, encoded, inputs):
    """The draws depend on the seeds, not on the rows of one pass."""
    one, many = (
        normalize_attributions(SmoothGrad(samples=5, chunk=chunk)(model, encoded, inputs))
        for chunk in (1, 9)
    )
    torch.testing.assert_close(one, many, atol=1e-2, rtol=0)  # rounding may cross a kink
    other = normalize_attributions(
        SmoothGrad(samples=5)(model, encoded, inputs._replace(seeds=(7, 8, 9)))
    )
    assert (other - many).abs().mean() > 1e-3


@ONLY_MEL
def test_integrated_gradients_are_complete(model, encoded, inputs):
    """They sum to the difference between the logits of the clip and of silence."""
    explainer, classifier = IntegratedGradients(sign="positive", steps=100), model.classifier
    positive = explainer(model, encoded, inputs)
    negative = negated(explainer, model, encoded, inputs)
    clip, silence = (
        masked_logits(classifier, encoded, inputs.query, gains)
        for gains in (torch.ones_like(positive), torch.zeros_like(positive))
    )
    error = (positive - negative).sum(dim=(1, 2)) - (clip - silence)
    assert (error.abs() < 0.03 * (positive + negative).sum(dim=(1, 2))).all()
    assert (error[:2].abs() < 0.03 * (clip - silence)[:2].abs()).all()  # prompts that are present


@ONLY_MEL
def test_steps_in_decibel_converge_faster(model, encoded, inputs):
    """Equal steps in dB have less than half of the error of equal steps of gain."""
    linear = IntegratedGradients(range_db=1e-2)  # close to linear
    error, linear_error = (
        explainer.convergence_delta(model.classifier, encoded, inputs).abs().mean()
        for explainer in (IntegratedGradients(), linear)
    )
    assert error < linear_error / 2


def test_blur_preserves_constants_and_sums():
    """The impulse response has the requested standard deviation."""
    maps = torch.zeros(2, 40, 30)
    maps[0] = 0.7
    maps[1, 20, 15] = 1
    blurred = blur(maps, 2.0)
    torch.testing.assert_close(blurred[0], maps[0])
    assert blurred[1].sum().item() == pytest.approx(1, abs=1e-5)
    offset = torch.arange(40.0) - 20
    deviation = (blurred[1].sum(dim=1) * offset.square()).sum().sqrt().item()
    assert deviation == pytest.approx(2, rel=0.03)
