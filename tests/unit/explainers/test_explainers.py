"""Properties of every explainer in the registry."""

from dataclasses import replace

import pytest
import torch

from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.cam import GradCAM
from speechbrain_lmac.explainers.controls import EnergyMask
from speechbrain_lmac.explainers.gradient import Saliency, SmoothGrad
from speechbrain_lmac.explainers.gradient_shap import GradientShap
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.explainers.optimized import OptimizedMask
from speechbrain_lmac.explainers.score_cam import GScoreCAM, ScoreCAM
from speechbrain_lmac.metrics.top_k import normalize_attributions
from speechbrain_lmac.utils.errors import InputError
from tests.unit.explainers.conftest import assert_maps, single_clip

FEW_PASSES = {
    "smoothgrad": {"samples": 3},
    "gradient-shap": {"samples": 3},
    "integrated-gradients": {"steps": 4},
    "scorecam": {"layer": 3},
    "optimized": {"steps": 5},
}
QUICK = {
    name: replace(explainer, **FEW_PASSES.get(name, {})) for name, explainer in EXPLAINERS.items()
}
"""Every explainer; expensive ones with few passes."""
WITHOUT_DECODER = [name for name, explainer in QUICK.items() if not explainer.learned]


@pytest.mark.parametrize("name", EXPLAINERS)
def test_explainer_returns_one_map_per_clip(name, model, encoded, inputs):
    """Masks are at most 1."""
    maps = QUICK[name](model, encoded, inputs)
    assert_maps(maps, encoded)
    assert not QUICK[name].is_mask or maps.max() <= 1


@pytest.mark.parametrize("name", EXPLAINERS)
def test_explainer_needs_its_declared_inputs(name, model, encoded, inputs):
    """Inputs that are not declared have no effect."""
    declared = {field: getattr(inputs, field) for field in QUICK[name].needs}
    less = ExplainerInputs(**{"query": None, "seeds": ()} | declared)
    assert torch.equal(QUICK[name](model, encoded, less), QUICK[name](model, encoded, inputs))


@pytest.mark.parametrize("name", EXPLAINERS)
def test_explainer_ignores_the_batch(name, model, encoded, inputs):
    """A clip alone has the same map."""
    together = normalize_attributions(QUICK[name](model, encoded, inputs))[1]
    clip = single_clip(model.classifier, encoded, inputs, 1)
    alone = normalize_attributions(QUICK[name](model, *clip))[0]
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("level", [0.0, 1e-9])
def test_explainer_of_silence_is_finite(name, level, model, wavs, inputs):
    """Digital silence, and a level below every floor."""
    encoded = model.classifier.encode_clips(level * wavs)
    zeros = torch.zeros_like(encoded.power)
    silent = inputs._replace(target_power=zeros, residual_power=zeros)
    assert_maps(QUICK[name](model, encoded, silent), encoded)


@pytest.mark.parametrize("name", WITHOUT_DECODER)
def test_explainer_leaves_the_encoder_clean(name, model, encoded, inputs):
    """No hook and no gradient stays."""
    QUICK[name](model, encoded, inputs)
    for module in model.classifier.modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        assert not any(hooks)
    for weight in model.classifier.parameters():
        assert weight.grad is None and not weight.requires_grad
    assert encoded.encoder_power.grad is None and not encoded.encoder_power.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", WITHOUT_DECODER)
def test_passes_are_as_many_as_declared(name, model, encoded, inputs, monkeypatch):
    """A row of the encoder is one pass, and two if its gradient is taken."""
    clap, counts = model.classifier.audio_classifier, []
    encode = clap.encode

    def counting(mel):
        counts.append(len(mel) * (2 if mel.requires_grad else 1))
        return encode(mel)

    monkeypatch.setattr(clap, "encode", counting)
    QUICK[name](model, encoded, inputs)
    declared = len(encoded.power) * QUICK[name].passes(model.classifier)
    if isinstance(QUICK[name], ScoreCAM):  # constant channels share one pass
        hidden = encoded.encoding.hidden[QUICK[name].layer].flatten(2)
        constant = (hidden.amax(dim=2) == hidden.amin(dim=2)).sum().item()
        assert declared - constant <= sum(counts) <= declared
        assert name == "gscorecam" or sum(counts) == declared - constant + (constant > 0)
    else:
        assert sum(counts) == declared


@pytest.mark.parametrize("name", EXPLAINERS)
def test_variants_are_of_the_same_explainer(name, model):
    """The default comes first; the others are distinct settings of one class."""
    variants = EXPLAINERS[name].variants(model.classifier)
    assert variants[0] == EXPLAINERS[name]
    assert len(set(variants)) == len(variants)
    assert {type(variant) for variant in variants} == {type(EXPLAINERS[name])}


def test_every_variant_returns_maps(model, encoded, inputs):
    """Four layers of GradCAM; two signs and three smoothings of saliency."""
    variants = [*GradCAM().variants(model.classifier), *Saliency().variants(model.classifier)]
    assert len(variants) == 4 + 6
    for variant in variants:
        assert_maps(variant(model, encoded, inputs), encoded)


def test_random_depends_on_the_seed_only(model, encoded, inputs):
    """Clips have different maps; a second call returns the same maps."""
    first, again = (EXPLAINERS["random"](model, encoded, inputs) for _ in range(2))
    assert (first == again).all()
    assert (first[0] != first[1]).any()


def test_energy_ranks_bins_by_power(model, encoded, inputs):
    """The bin of greatest power has the greatest attribution."""
    energy = EnergyMask()(model, encoded, inputs)
    assert (energy.flatten(1).argmax(dim=1) == encoded.power.flatten(1).argmax(dim=1)).all()


@pytest.mark.parametrize(
    "build",
    [
        lambda: Saliency(sign="negative"),
        lambda: Saliency(smoothing=-1),
        lambda: SmoothGrad(samples=0),
        lambda: GradientShap(samples=0),
        lambda: GradientShap(noise=-0.1),
        lambda: IntegratedGradients(steps=0),
        lambda: ScoreCAM(chunk=0),
        lambda: GScoreCAM(fraction=0),
        lambda: OptimizedMask(steps=0),
    ],
)
def test_invalid_options_are_named(build):
    """The error states the constraint and the value."""
    with pytest.raises(InputError, match=r"must be .*, got "):
        build()
