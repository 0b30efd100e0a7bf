"""Guided backpropagation, guided GradCAM and GradientSHAP."""

import pytest
import torch
from torch import nn

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.cam import GradCAM
from speechbrain_lmac.explainers.gradient import InputXGradient
from speechbrain_lmac.explainers.gradient_shap import GradientShap
from speechbrain_lmac.explainers.guided import GuidedBackprop, GuidedGradCAM
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.explainers.network import ExplainerNetwork
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.top_k import normalize_attributions
from speechbrain_lmac.models.base import WeightsReference
from speechbrain_lmac.models.classifiers.base import SupervisedClassifier
from tests.unit.explainers.conftest import negated


class TwoLayers(SupervisedClassifier):
    """Classifier with one hidden layer and one ReLU, over the mean magnitude of two bands."""

    hidden_channels = (1,)

    def __init__(self):
        bank = torch.eye(2).repeat_interleave(64, dim=0)
        head = torch.tensor([[1.0, -1.0], [0.5, 2.0]])
        super().__init__(8000, Spectrogram(254, 127), bank, ("a", "b"), head, multilabel=True)
        self.hidden = nn.Linear(2, 2, bias=False)
        self.hidden.weight = nn.Parameter(torch.tensor([[1.0, -0.5], [0.5, 1.0]]))
        self.relu = nn.ReLU()
        self.freeze()

    def features(self, mel):
        means = mel.clamp(min=1e-12).sqrt().mean(dim=1)
        return self.relu(self.hidden(means)), (mel.unsqueeze(1),)

    @property
    def audio_blocks(self):
        return (self.hidden,)

    @property
    def reference(self):
        return WeightsReference("two", "1", "0")


@pytest.fixture
def two_layers(wavs):
    """Return the network of a classifier with a ReLU module, clips and the query of class a."""
    classifier = TwoLayers()
    model = ExplainerNetwork(MaskedClassifier(MelDomain(classifier)), "energy")
    encoded = model.classifier.encode_clips(wavs)
    query = classifier.queries(["a"]).expand(len(wavs), -1)
    return model, encoded, ExplainerInputs(query, seeds=(1, 2, 3))


def test_guided_backprop_passes_positive_gradients(two_layers):
    """Class a is the first minus the second unit; only the first unit's gradient passes."""
    model, encoded, inputs = two_layers
    maps = GuidedBackprop("positive")(model, encoded, inputs)
    magnitude = encoded.power.sqrt() / encoded.power.shape[1]
    active = magnitude.sum(dim=1) @ model.classifier.audio_classifier.hidden.weight.T > 0
    guided = magnitude * torch.tensor([1.0, -0.5]) * active[:, :1, None]
    torch.testing.assert_close(maps, guided.clamp(min=0), rtol=1e-3, atol=1e-6)
    plain = InputXGradient("positive")(model, encoded, inputs)
    assert (plain - maps).abs().max() > 1e-3  # the second unit's gradient is negative


def test_guided_backprop_misses_functional_relus(two_layers):
    """Without ReLU modules it is input x gradient."""
    model, encoded, inputs = two_layers
    del model.classifier.audio_classifier.relu
    model.classifier.audio_classifier.relu = torch.relu
    expected = InputXGradient()(model, encoded, inputs)
    torch.testing.assert_close(GuidedBackprop()(model, encoded, inputs), expected)


def test_guided_gradcam_is_a_product(model, encoded, inputs):
    """It is zero where GradCAM or guided backpropagation is."""
    product = GuidedGradCAM()(model, encoded, inputs)
    cam, guided = (method(model, encoded, inputs) for method in (GradCAM(), GuidedBackprop()))
    torch.testing.assert_close(product, cam * guided)


def test_gradient_shap_approaches_completeness(two_layers):
    """Without noise the attributions sum to the logit relative to silence, as those of IG."""
    model, encoded, inputs = two_layers
    positive = GradientShap("positive", noise=0.0, samples=400)
    signed = positive(model, encoded, inputs) - negated(positive, model, encoded, inputs)
    exact = IntegratedGradients("positive")
    expected = exact(model, encoded, inputs) - negated(exact, model, encoded, inputs)
    torch.testing.assert_close(
        signed.sum(dim=(1, 2)), expected.sum(dim=(1, 2)), rtol=0.05, atol=1e-3
    )


def test_gradient_shap_ignores_chunks(model, encoded, inputs):
    """The draws depend on the seeds, not on the rows of one pass."""
    one, many = (
        normalize_attributions(GradientShap(samples=4, chunk=chunk)(model, encoded, inputs))
        for chunk in (1, 9)
    )
    torch.testing.assert_close(one, many, atol=1e-2, rtol=0)
    other = GradientShap(samples=4)(model, encoded, inputs._replace(seeds=(7, 8, 9)))
    assert (normalize_attributions(other) - many).abs().mean() > 1e-3
