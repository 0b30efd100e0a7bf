import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from torch import nn
from torch.nn.functional import normalize
from torchcam import methods as torchcam

from speechbrain_lmac.explainers import EXPLAINERS, optimized
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.explainers.cam import GradCAM, GradCAMPlusPlus
from speechbrain_lmac.explainers.controls import EnergyMask
from speechbrain_lmac.explainers.gradient import (
    InputXGradient,
    Saliency,
    SmoothGrad,
    blur,
)
from speechbrain_lmac.explainers.integrated_gradients import IntegratedGradients
from speechbrain_lmac.explainers.optimized import OptimizedMask
from speechbrain_lmac.explainers.score_cam import GScoreCAM, ScoreCAM
from speechbrain_lmac.masking.decoder import DecoderFeatures
from speechbrain_lmac.masking.domains import StftDomain
from speechbrain_lmac.masking.grid import upsample_to_grid
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.log_power import normalized_log_power
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.top_k import normalize_attributions, rank_bins, top_k_mask
from speechbrain_lmac.utils.errors import InputError

MEL = pytest.mark.parametrize("domain", ["mel"], indirect=True)
"""For what takes long and is the same on both planes."""
SHORT = {
    "smoothgrad": {"samples": 3},
    "integrated-gradients": {"steps": 4},
    "scorecam": {"layer": 3},
    "optimized": {"steps": 5},
}
QUICK = {name: replace(explainer, **SHORT.get(name, {})) for name, explainer in EXPLAINERS.items()}
"""Every explainer, those that take many passes with few."""
OF_THE_ENCODER = [name for name, explainer in QUICK.items() if not explainer.learned]


@pytest.fixture
def encoded(classifier, wavs):
    return classifier.encode_clips(wavs)


@pytest.fixture
def inputs(classifier, text, encoded):
    """All that can be asked of the clips; stems are made up, their sum is the clip."""
    share = torch.linspace(0, 1, encoded.power.shape[-1])
    hidden = tuple(maps.mean(dim=0, keepdim=True) for maps in encoded.encoding.hidden)
    average = DecoderFeatures(hidden, normalized_log_power(encoded.power).mean(dim=0, keepdim=True))
    other = analyse_rolled(classifier, encoded)
    return ExplainerInputs(
        query=text,
        seeds=(1, 2, 3),
        class_queries=text,
        other_query=text.roll(1, dims=0),
        other_clips=other,
        mean_features=average,
        target_power=share * encoded.power,
        residual_power=(1 - share) * encoded.power,
    )


def analyse_rolled(classifier, encoded):
    return classifier.encode_clips(encoded.wavs.roll(1, dims=0))


def one_of(classifier, encoded, inputs, clip):
    """The same question of one clip alone."""
    here = slice(clip, clip + 1)
    return classifier.encode_clips(encoded.wavs[here]), inputs._replace(
        query=inputs.query[here],
        seeds=inputs.seeds[here],
        other_query=inputs.other_query[here],
        other_clips=classifier.encode_clips(inputs.other_clips.wavs[here]),
        target_power=inputs.target_power[here],
        residual_power=inputs.residual_power[here],
    )


def logits_of(classifier, encoded, text, gains):
    encoding = classifier.encode_masked(encoded.encoder_power, gains, encoded.wavs.shape[-1])
    return classifier.audio_classifier.paired_logits(encoding.vector, text)


def assert_maps(maps, encoded):
    assert maps.shape == encoded.power.shape and maps.dtype == torch.float32
    assert maps.isfinite().all() and maps.min() >= 0 and not maps.requires_grad


@pytest.mark.parametrize("name", EXPLAINERS)
def test_every_explainer_gives_one_map_a_clip(name, model, encoded, inputs):
    maps = QUICK[name](model, encoded, inputs)
    assert_maps(maps, encoded)
    assert not QUICK[name].is_mask or maps.max() <= 1


@pytest.mark.parametrize("name", EXPLAINERS)
def test_what_an_explainer_says_it_needs_is_all_it_looks_at(name, model, encoded, inputs):
    needed = {field: getattr(inputs, field) for field in QUICK[name].needs}
    less = ExplainerInputs(**{"query": None, "seeds": ()} | needed)
    assert torch.equal(QUICK[name](model, encoded, less), QUICK[name](model, encoded, inputs))


@pytest.mark.parametrize("name", EXPLAINERS)
def test_a_map_does_not_depend_on_the_batch(name, model, encoded, inputs):
    together = normalize_attributions(QUICK[name](model, encoded, inputs))[1]
    alone = normalize_attributions(
        QUICK[name](model, *one_of(model.classifier, encoded, inputs, 1))
    )[0]
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("level", [0.0, 1e-9])
def test_silence_has_finite_maps(name, level, model, wavs, inputs):
    encoded = model.classifier.encode_clips(level * wavs)
    nothing = torch.zeros_like(encoded.power)
    maps = QUICK[name](
        model, encoded, inputs._replace(target_power=nothing, residual_power=nothing)
    )
    assert_maps(maps, encoded)


@pytest.mark.parametrize("name", OF_THE_ENCODER)
def test_nothing_stays_on_the_encoder(name, model, encoded, inputs):
    QUICK[name](model, encoded, inputs)
    for module in model.classifier.modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        assert not any(hooks)
    for weight in model.classifier.parameters():
        assert weight.grad is None and not weight.requires_grad
    assert encoded.encoder_power.grad is None and not encoded.encoder_power.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", OF_THE_ENCODER)
def test_passes_are_as_many_as_declared(name, model, encoded, inputs, monkeypatch):
    """Rows through the encoder; a row that a gradient is taken of goes back as well."""
    clap, counted = model.classifier.audio_classifier, []
    encode = clap.encode

    def counting(mel):
        counted.append(len(mel) * (2 if mel.requires_grad else 1))
        return encode(mel)

    monkeypatch.setattr(clap, "encode", counting)
    QUICK[name](model, encoded, inputs)
    declared = len(encoded.power) * QUICK[name].passes(model.classifier)
    if isinstance(QUICK[name], ScoreCAM):  # channels that say nothing share one pass
        hidden = encoded.encoding.hidden[QUICK[name].layer].flatten(2)
        dead = (hidden.amax(dim=2) == hidden.amin(dim=2)).sum().item()
        assert declared - dead <= sum(counted) <= declared
        assert name == "gscorecam" or sum(counted) == declared - dead + (dead > 0)
    else:
        assert sum(counted) == declared


@pytest.mark.parametrize("name", EXPLAINERS)
def test_variants_are_other_settings_of_the_same_explainer(name, model, encoded, inputs):
    variants = EXPLAINERS[name].variants(model.classifier)
    assert variants[0] == EXPLAINERS[name]
    assert len(set(variants)) == len(variants)
    assert {type(variant) for variant in variants} == {type(EXPLAINERS[name])}


def test_every_layer_and_every_sign_gives_a_map(model, encoded, inputs):
    variants = [*GradCAM().variants(model.classifier), *Saliency().variants(model.classifier)]
    assert len(variants) == 4 + 6
    for variant in variants:
        assert_maps(variant(model, encoded, inputs), encoded)


@pytest.fixture
def exact(classifier, encoded):
    """The classifier and its clips in double precision, where a step may be too small to cross
    the kinks of a network."""
    doubled = copy.deepcopy(classifier).double()
    return doubled, doubled.encode_clips(encoded.wavs.double())


def test_input_x_gradient_is_what_a_little_less_of_a_block_costs(exact, text):
    classifier, encoded = exact
    model, inputs = InterpreterNetwork(classifier, None), ExplainerInputs(text.double(), seeds=())
    positive = InputXGradient(sign="positive")
    signed = positive(model, encoded, inputs) - _negated(positive, model, encoded, inputs)
    block = torch.zeros_like(encoded.power)
    block[:, 20:40, : block.shape[2] // 2] = 1e-7
    up, down = (logits_of(classifier, encoded, inputs.query, 1 + d) for d in (block, -block))
    found = (signed * (block > 0)).sum(dim=(1, 2))
    torch.testing.assert_close(found, (up - down) / 2e-7, atol=1e-5, rtol=1e-4)


def _negated(explainer, model, encoded, inputs):
    """What speaks against a prompt speaks for its opposite."""
    return explainer(model, encoded, inputs._replace(query=-inputs.query))


def test_saliency_is_input_x_gradient_over_magnitude(model, encoded, inputs):
    product = InputXGradient()(model, encoded, inputs)
    slope = Saliency()(model, encoded, inputs)
    torch.testing.assert_close(slope * encoded.power.sqrt(), product, atol=1e-5, rtol=1e-3)


def test_smoothgrad_without_noise_is_saliency(model, encoded, inputs):
    for sign in ("absolute", "positive"):
        expected = Saliency(sign)(model, encoded, inputs)
        found = SmoothGrad(sign, noise=0.0, samples=2)(model, encoded, inputs)
        torch.testing.assert_close(
            normalize_attributions(found), normalize_attributions(expected), atol=1e-4, rtol=0
        )


def test_noise_is_drawn_alike_however_passes_are_grouped(model, encoded, inputs):
    one, many = (
        normalize_attributions(SmoothGrad(samples=5, chunk=chunk)(model, encoded, inputs))
        for chunk in (1, 9)
    )
    torch.testing.assert_close(one, many, atol=1e-2, rtol=0)  # a kink may be crossed
    other = normalize_attributions(
        SmoothGrad(samples=5)(model, encoded, inputs._replace(seeds=(7, 8, 9)))
    )
    assert (other - many).abs().mean() > 1e-3


@MEL
def test_integrated_gradients_sum_to_the_logit_above_silence(model, encoded, inputs):
    explainer, classifier = IntegratedGradients(sign="positive", steps=100), model.classifier
    positive = explainer(model, encoded, inputs)
    negative = _negated(explainer, model, encoded, inputs)
    whole, silence = (
        logits_of(classifier, encoded, inputs.query, gains)
        for gains in (torch.ones_like(positive), torch.zeros_like(positive))
    )
    missed = (positive - negative).sum(dim=(1, 2)) - (whole - silence)
    assert (missed.abs() < 0.03 * (positive + negative).sum(dim=(1, 2))).all()
    assert (missed[:2].abs() < 0.03 * (whole - silence)[:2].abs()).all()  # prompts that are there


@MEL
def test_even_steps_of_loudness_miss_less_than_even_steps_of_gain(model, encoded, inputs):
    even = IntegratedGradients(range_db=1e-2)  # close to linear
    missed, missed_evenly = (
        explainer.convergence_delta(model.classifier, encoded, inputs).abs().mean()
        for explainer in (IntegratedGradients(), even)
    )
    assert missed < missed_evenly / 2


def test_integrated_gradients_equal_captum_on_the_spectrogram(exact, text):
    """Even steps of gain are even steps of magnitude, which captum takes by itself."""
    classifier, encoded = exact
    inputs = ExplainerInputs(text.double(), seeds=())

    def logit(magnitude, text):
        return classifier.audio_classifier.paired_logits(
            classifier.domain.encode(magnitude**2).vector, text
        )

    expected = CaptumIntegratedGradients(logit).attribute(
        encoded.power.sqrt(), additional_forward_args=inputs.query, n_steps=8
    )
    even = IntegratedGradients(range_db=1e-6, steps=8, chunk=5)  # so short a fade is linear
    found = even(InterpreterNetwork(classifier, None), encoded, inputs)
    torch.testing.assert_close(
        normalize_attributions(found), normalize_attributions(expected.abs()), atol=1e-5, rtol=0
    )


def test_blur_keeps_a_constant_and_the_sum_of_what_lies_inside():
    maps = torch.zeros(2, 40, 30)
    maps[0] = 0.7
    maps[1, 20, 15] = 1
    blurred = blur(maps, 2.0)
    torch.testing.assert_close(blurred[0], maps[0])
    assert blurred[1].sum().item() == pytest.approx(1, abs=1e-5)
    place = torch.arange(40.0) - 20
    assert (blurred[1].sum(dim=1) * place.square()).sum().sqrt().item() == pytest.approx(
        2, rel=0.03
    )


class Scores(nn.Module):
    """Names' logits of magnitude ``[batch, 1, frames, bins]``, as torchcam's input."""

    def __init__(self, classifier, text):
        super().__init__()
        self.domain = classifier.domain
        self.classifier = classifier
        self.text = text

    def forward(self, magnitude):
        encoding = self.domain.encode(magnitude.squeeze(1).square())
        return self.classifier.logits(encoding.vector, self.text)


def torchcam_maps(method, model, encoded, text, layer):
    """What torchcam makes of each clip's own prompt, and the extractor, spread over the clips."""
    scores, block = (
        Scores(model.classifier, text),
        model.classifier.audio_classifier.audio_tower.blocks,
    )
    shape = (1, *encoded.power.shape[1:])
    with method(scores, target_layer=block[-1 - layer], input_shape=shape) as extractor:
        magnitude = encoded.power.sqrt().unsqueeze(1).requires_grad_()
        out = scores(magnitude)
        (cams,) = extractor(list(range(len(text))), out, normalized=False)
        hooked = [hook[0] for hook in (extractor.hook_a, extractor.hook_g)]
    grid = model.classifier.grid(encoded)
    return upsample_to_grid(cams.detach().relu(), grid), hooked


@pytest.mark.parametrize("layer", [0, 1])
def test_gradcam_equals_torchcam(model, encoded, inputs, layer):
    expected, _ = torchcam_maps(torchcam.GradCAM, model, encoded, inputs.query, layer)
    ours = GradCAM(layer)(model, encoded, inputs)
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-3)


def eq_19(maps, gradient):
    """torchcam.GradCAM++'s equation 19 and 20 for one clip, written out channel by channel."""
    cam = np.zeros(maps.shape[1:])
    for activation, slope in zip(maps, gradient):
        alpha = slope**2 / (2 * slope**2 + activation.sum() * slope**3)
        cam += np.nansum(alpha * np.maximum(slope, 0)) * activation
    return np.maximum(cam, 0)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("layer", [0, 1])
def test_gradcam_plus_plus_equals_its_equation_on_torchcams_maps_and_gradients(
    model, encoded, inputs, layer
):
    """torchcam hooks maps and gradients; its own weights skip the division of eq. 19."""
    _, hooked = torchcam_maps(torchcam.GradCAMpp, model, encoded, inputs.query, layer)
    clips = zip(*(values.detach().double().numpy() for values in hooked))
    cams = torch.from_numpy(np.stack([eq_19(*clip) for clip in clips])).float()
    expected = normalize_attributions(upsample_to_grid(cams, model.classifier.grid(encoded)))
    ours = normalize_attributions(GradCAMPlusPlus(layer)(model, encoded, inputs))
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=0)


@MEL
@pytest.mark.parametrize("layer", [0, 2])
def test_scorecam_equals_torchcam(model, encoded, inputs, layer):
    """On mel bands, which lie evenly on the encoder's axis, spreading is torchcam's upsampling."""
    expected, _ = torchcam_maps(torchcam.ScoreCAM, model, encoded, inputs.query, layer)
    ours = ScoreCAM(layer, chunk=50)(model, encoded, inputs)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-3)


def test_gscorecam_of_all_channels_is_scorecam(model, encoded, inputs):
    expected = ScoreCAM(layer=2)(model, encoded, inputs)
    found = GScoreCAM(layer=2, fraction=1.0)(model, encoded, inputs)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_gscorecam_of_one_channel_is_that_channel(model, encoded, inputs):
    """The softmax of one is 1, so the map is the channel's own, of the largest mean gradient."""
    maps, gradient = GradCAM().map_and_gradient(model.classifier, encoded, inputs.query)
    best = gradient.mean(dim=(2, 3)).argmax(dim=1)
    channel = maps[torch.arange(len(best)), best]
    expected = upsample_to_grid(channel.relu(), model.classifier.grid(encoded))
    found = GScoreCAM(fraction=1e-6)(model, encoded, inputs)
    torch.testing.assert_close(found, expected)


@MEL
def test_an_optimised_mask_keeps_the_prompt_in_few_cells(model, encoded, inputs):
    """In a tenth of the cells more of the similarity than the loudest tenth has, and less of it
    in what is left."""
    found = OptimizedMask(steps=60)(model, encoded, inputs)
    loud = EnergyMask()(model, encoded, inputs)

    def similarities(maps):
        kept = top_k_mask(rank_bins(maps, inputs.seeds), 0.1)
        return [
            logits_of(model.classifier, encoded, inputs.query, mask).mean()
            for mask in (kept, 1 - kept)
        ]

    (inside, outside), (loud_inside, loud_outside) = similarities(found), similarities(loud)
    assert inside > loud_inside and outside < loud_outside


@MEL
def test_optimised_weighs_kept_and_removed(model, encoded, inputs):
    """The loss is ``-kept log q - removed log(1 - r)``, by softmax over the names."""
    classifier, names = model.classifier, inputs.class_queries
    clip = classifier.encode_clips(encoded.wavs[:1])
    kept = torch.rand(clip.power.shape, generator=torch.Generator().manual_seed(0))
    scores = classifier.masked_similarity(clip, kept, names)
    inside, outside = (logits.log_softmax(dim=1)[0] for logits in scores[1:])
    for place, text in enumerate(names.split(1)):
        weights = OptimizedMask(mask_in=3.0, mask_out=0.5)
        without = torch.cat([outside[:place], outside[place + 1 :]]).logsumexp(dim=0)
        expected = -weights.mask_in * inside[place] - weights.mask_out * without
        found = optimized._Loss(weights, classifier, clip, text, names)(kept)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_random_differs_between_clips_and_not_between_calls(model, encoded, inputs):
    first, again = (EXPLAINERS["random"](model, encoded, inputs) for _ in range(2))
    assert (first == again).all()
    assert (first[0] != first[1]).any()


def test_energy_ranks_as_power(model, encoded, inputs):
    energy = EnergyMask()(model, encoded, inputs)
    assert (energy.flatten(1).argmax(dim=1) == encoded.power.flatten(1).argmax(dim=1)).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Saliency(sign="negative"),
        lambda: Saliency(smoothing=-1),
        lambda: SmoothGrad(samples=0),
        lambda: IntegratedGradients(steps=0),
        lambda: ScoreCAM(chunk=0),
        lambda: GScoreCAM(fraction=0),
        lambda: OptimizedMask(steps=0),
    ],
)
def test_a_wrong_setting_is_named(wrong):
    with pytest.raises(InputError, match=r"must be .*, got "):
        wrong()


def test_a_layer_that_is_not_there_is_named(model, encoded, inputs):
    with pytest.raises(InputError, match="layer must be 0 to 3, got 4"):
        GradCAM(layer=4)(model, encoded, inputs)


FEW = {
    "saliency": {},
    "smoothgrad": {"samples": 1},
    "integrated-gradients": {"steps": 1},
    "gradcam": {},
    "gscorecam": {"fraction": 1e-3},
    "optimized": {"steps": 1},
}


@pytest.mark.parametrize("name", FEW)
def test_every_kind_of_clap_is_explained_on_the_clips_own_frames(name, any_clap):
    """Random weights of the tagger and of HTSAT: plumbing only."""
    generator = torch.Generator().manual_seed(0)
    model = InterpreterNetwork(MaskedClassifier(StftDomain(any_clap)), None)
    seconds = 0.7  # a clip that HTSAT hears 14 times
    wavs = 0.1 * torch.randn(1, round(seconds * any_clap.sample_rate), generator=generator)
    names = normalize(torch.randn(3, any_clap.query_dim, generator=generator), dim=1)
    encoded = model.classifier.encode_clips(wavs)
    maps = replace(EXPLAINERS[name], **FEW[name])(
        model, encoded, ExplainerInputs(names[:1], (5,), names)
    )
    assert_maps(maps, encoded)
    assert maps.max() > 0 or "cam" in name  # what all channels speak against has an empty map
