"""Explainers against torchcam and captum."""

import copy

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from torch import nn
from torchcam import methods as torchcam

from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.cam import GradCAM, GradCAMPlusPlus
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.explainers.network import ExplainerNetwork
from speechbrain_lmac.explainers.score_cam import ScoreCAM
from speechbrain_lmac.masking.grid import upsample_to_grid
from speechbrain_lmac.metrics.top_k import normalize_attributions


@pytest.fixture
def encoded(classifier, wavs):
    """Return three encoded clips."""
    return classifier.encode_clips(wavs)


@pytest.fixture
def inputs(text):
    """Return the query of each clip."""
    return ExplainerInputs(text, seeds=(1, 2, 3))


class ClassLogits(nn.Module):
    """Logits of classes as a function of magnitude ``[batch, 1, frames, bins]``."""

    def __init__(self, classifier, text):
        super().__init__()
        self.domain = classifier.domain
        self.classifier = classifier
        self.text = text

    def forward(self, magnitude):
        encoding = self.domain.encode(magnitude.squeeze(1).square())
        return self.classifier.logits(encoding.vector, self.text)


def torchcam_maps(method, model, encoded, text, layer):
    """Return torchcam's maps of each clip's query, upsampled, and its hooked tensors."""
    logits = ClassLogits(model.classifier, text)
    blocks = model.classifier.audio_classifier.audio_tower.blocks
    shape = (1, *encoded.power.shape[1:])
    with method(logits, target_layer=blocks[-1 - layer], input_shape=shape) as extractor:
        magnitude = encoded.power.sqrt().unsqueeze(1).requires_grad_()
        out = logits(magnitude)
        (cams,) = extractor(list(range(len(text))), out, normalized=False)
        hooked = [hook[0] for hook in (extractor.hook_a, extractor.hook_g)]
    grid = model.classifier.grid(encoded)
    return upsample_to_grid(cams.detach().relu(), grid), hooked


@pytest.mark.parametrize("layer", [0, 1])
def test_gradcam_equals_torchcam(model, encoded, inputs, layer):
    """At the two deepest layers."""
    expected, _ = torchcam_maps(torchcam.GradCAM, model, encoded, inputs.query, layer)
    maps = GradCAM(layer)(model, encoded, inputs)
    torch.testing.assert_close(maps, expected, atol=1e-6, rtol=1e-3)


def equation_19(maps, gradient):
    """Return equations 19 and 20 of GradCAM++ for one clip, channel by channel."""
    cam = np.zeros(maps.shape[1:])
    for activation, slope in zip(maps, gradient):
        alpha = slope**2 / (2 * slope**2 + activation.sum() * slope**3)
        cam += np.nansum(alpha * np.maximum(slope, 0)) * activation
    return np.maximum(cam, 0)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("layer", [0, 1])
def test_gradcam_plus_plus_equals_its_equation(model, encoded, inputs, layer):
    """With torchcam's maps and gradients; torchcam's weights omit the division of equation 19."""
    _, hooked = torchcam_maps(torchcam.GradCAMpp, model, encoded, inputs.query, layer)
    clips = zip(*(values.detach().double().numpy() for values in hooked))
    cams = torch.from_numpy(np.stack([equation_19(*clip) for clip in clips])).float()
    expected = normalize_attributions(upsample_to_grid(cams, model.classifier.grid(encoded)))
    maps = normalize_attributions(GradCAMPlusPlus(layer)(model, encoded, inputs))
    torch.testing.assert_close(maps, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("domain", ["mel"], indirect=True)
@pytest.mark.parametrize("layer", [0, 2])
def test_scorecam_equals_torchcam(model, encoded, inputs, layer):
    """In the mel domain, where upsampling to the grid equals torchcam's upsampling."""
    expected, _ = torchcam_maps(torchcam.ScoreCAM, model, encoded, inputs.query, layer)
    maps = ScoreCAM(layer, chunk=50)(model, encoded, inputs)
    torch.testing.assert_close(maps, expected, atol=1e-4, rtol=1e-3)


def test_integrated_gradients_equal_captum(classifier, wavs, text):
    """Equal steps of gain are equal steps of magnitude, captum's default."""
    in_double = copy.deepcopy(classifier).double()
    encoded = in_double.encode_clips(wavs.double())
    inputs = ExplainerInputs(text.double(), seeds=())

    def logit(magnitude, query):
        encoding = in_double.domain.encode(magnitude**2)
        return in_double.audio_classifier.paired_logits(encoding.vector, query)

    expected = CaptumIntegratedGradients(logit).attribute(
        encoded.power.sqrt(), additional_forward_args=inputs.query, n_steps=8
    )
    linear = IntegratedGradients(range_db=1e-6, steps=8, chunk=5)  # so short a range is linear
    maps = linear(ExplainerNetwork(in_double, "energy"), encoded, inputs)
    torch.testing.assert_close(
        normalize_attributions(maps), normalize_attributions(expected.abs()), atol=1e-5, rtol=0
    )
