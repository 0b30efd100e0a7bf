import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients as CaptumIntegratedGradients
from torch import nn
from torch.nn.functional import normalize
from torchcam.methods import GradCAM, GradCAMpp, ScoreCAM

from speechbrain_lmac.explainers import EXPLAINERS, optimized
from speechbrain_lmac.explainers.base import Question
from speechbrain_lmac.explainers.cam import GradCam, GradCamPlusPlus
from speechbrain_lmac.explainers.controls import Energy
from speechbrain_lmac.explainers.gradient import (
    InputXGradient,
    IntegratedGradients,
    Saliency,
    SmoothGrad,
    blur,
    prompt_logit,
)
from speechbrain_lmac.explainers.optimized import Optimised
from speechbrain_lmac.explainers.score_cam import GScoreCam, ScoreCam
from speechbrain_lmac.masking.decoder import Evidence
from speechbrain_lmac.masking.domains import StftPlane
from speechbrain_lmac.masking.grid import spread
from speechbrain_lmac.masking.interpreter_network import ListenableMap
from speechbrain_lmac.masking.log_power import level
from speechbrain_lmac.masking.masked_classifier import MaskableClassifier
from speechbrain_lmac.metrics.top_k import as_masks, keep_top, rank_cells
from speechbrain_lmac.utils.errors import InputError

MEL = pytest.mark.parametrize("plane", ["mel"], indirect=True)
"""For what takes long and is the same on both planes."""
SHORT = {
    "smoothgrad": {"samples": 3},
    "integrated-gradients": {"steps": 4},
    "scorecam": {"layer": 3},
    "optimised": {"steps": 5},
}
QUICK = {name: replace(explainer, **SHORT.get(name, {})) for name, explainer in EXPLAINERS.items()}
"""Every explainer, those that take many passes with few."""
OF_THE_ENCODER = [name for name, explainer in QUICK.items() if not explainer.learned]


@pytest.fixture
def analysis(classifier, wavs):
    return classifier.analyse(wavs)


@pytest.fixture
def question(classifier, text, analysis):
    """All that can be asked of the clips; stems are made up, their sum is the clip."""
    share = torch.linspace(0, 1, analysis.power.shape[-1])
    hidden = tuple(maps.mean(dim=0, keepdim=True) for maps in analysis.encoding.hidden)
    average = Evidence(hidden, level(analysis.power).mean(dim=0, keepdim=True))
    other = analyse_rolled(classifier, analysis)
    return Question(
        text=text,
        seeds=(1, 2, 3),
        names=text,
        other_text=text.roll(1, dims=0),
        other=other,
        average=average,
        own=share * analysis.power,
        rest=(1 - share) * analysis.power,
    )


def analyse_rolled(classifier, analysis):
    return classifier.analyse(analysis.wavs.roll(1, dims=0))


def one_of(classifier, analysis, question, clip):
    """The same question of one clip alone."""
    here = slice(clip, clip + 1)
    return classifier.analyse(analysis.wavs[here]), question._replace(
        text=question.text[here],
        seeds=question.seeds[here],
        other_text=question.other_text[here],
        other=classifier.analyse(question.other.wavs[here]),
        own=question.own[here],
        rest=question.rest[here],
    )


def logits_of(classifier, analysis, text, gains):
    encoding = classifier.encode_masked(analysis.heard, gains, analysis.wavs.shape[-1])
    return prompt_logit(classifier, encoding.embedding, text)


def assert_maps(maps, analysis):
    assert maps.shape == analysis.power.shape and maps.dtype == torch.float32
    assert maps.isfinite().all() and maps.min() >= 0 and not maps.requires_grad


@pytest.mark.parametrize("name", EXPLAINERS)
def test_every_explainer_gives_one_map_a_clip(name, model, analysis, question):
    maps = QUICK[name](model, analysis, question)
    assert_maps(maps, analysis)
    assert not QUICK[name].is_mask or maps.max() <= 1


@pytest.mark.parametrize("name", EXPLAINERS)
def test_what_an_explainer_says_it_needs_is_all_it_looks_at(name, model, analysis, question):
    needed = {field: getattr(question, field) for field in QUICK[name].needs}
    less = Question(**{"text": None, "seeds": ()} | needed)
    assert torch.equal(QUICK[name](model, analysis, less), QUICK[name](model, analysis, question))


@pytest.mark.parametrize("name", EXPLAINERS)
def test_a_map_does_not_depend_on_the_batch(name, model, analysis, question):
    together = as_masks(QUICK[name](model, analysis, question))[1]
    alone = as_masks(QUICK[name](model, *one_of(model.classifier, analysis, question, 1)))[0]
    torch.testing.assert_close(together, alone, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", EXPLAINERS)
@pytest.mark.parametrize("level", [0.0, 1e-9])
def test_silence_has_finite_maps(name, level, model, wavs, question):
    analysis = model.classifier.analyse(level * wavs)
    nothing = torch.zeros_like(analysis.power)
    maps = QUICK[name](model, analysis, question._replace(own=nothing, rest=nothing))
    assert_maps(maps, analysis)


@pytest.mark.parametrize("name", OF_THE_ENCODER)
def test_nothing_stays_on_the_encoder(name, model, analysis, question):
    QUICK[name](model, analysis, question)
    for module in model.classifier.modules():
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        assert not any(hooks)
    for weight in model.classifier.parameters():
        assert weight.grad is None and not weight.requires_grad
    assert analysis.heard.grad is None and not analysis.heard.requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", OF_THE_ENCODER)
def test_passes_are_as_many_as_declared(name, model, analysis, question, monkeypatch):
    """Rows through the encoder; a row that a gradient is taken of goes back as well."""
    clap, counted = model.classifier.clap, []
    encode = clap.encode

    def counting(mel):
        counted.append(len(mel) * (2 if mel.requires_grad else 1))
        return encode(mel)

    monkeypatch.setattr(clap, "encode", counting)
    QUICK[name](model, analysis, question)
    declared = len(analysis.power) * QUICK[name].passes(model.classifier)
    if isinstance(QUICK[name], ScoreCam):  # channels that say nothing share one pass
        hidden = analysis.encoding.hidden[QUICK[name].layer].flatten(2)
        dead = (hidden.amax(dim=2) == hidden.amin(dim=2)).sum().item()
        assert declared - dead <= sum(counted) <= declared
        assert name == "gscorecam" or sum(counted) == declared - dead + (dead > 0)
    else:
        assert sum(counted) == declared


@pytest.mark.parametrize("name", EXPLAINERS)
def test_variants_are_other_settings_of_the_same_explainer(name, model, analysis, question):
    variants = EXPLAINERS[name].variants(model.classifier)
    assert variants[0] == EXPLAINERS[name]
    assert len(set(variants)) == len(variants)
    assert {type(variant) for variant in variants} == {type(EXPLAINERS[name])}


def test_every_layer_and_every_sign_gives_a_map(model, analysis, question):
    variants = [*GradCam().variants(model.classifier), *Saliency().variants(model.classifier)]
    assert len(variants) == 4 + 6
    for variant in variants:
        assert_maps(variant(model, analysis, question), analysis)


@pytest.fixture
def exact(classifier, analysis):
    """The classifier and its clips in double precision, where a step may be too small to cross
    the kinks of a network."""
    doubled = copy.deepcopy(classifier).double()
    return doubled, doubled.analyse(analysis.wavs.double())


def test_input_x_gradient_is_what_a_little_less_of_a_block_costs(exact, text):
    classifier, analysis = exact
    model, question = ListenableMap(classifier, None), Question(text.double(), seeds=())
    positive = InputXGradient(sign="positive")
    signed = positive(model, analysis, question) - _negated(positive, model, analysis, question)
    block = torch.zeros_like(analysis.power)
    block[:, 20:40, : block.shape[2] // 2] = 1e-7
    up, down = (logits_of(classifier, analysis, question.text, 1 + d) for d in (block, -block))
    found = (signed * (block > 0)).sum(dim=(1, 2))
    torch.testing.assert_close(found, (up - down) / 2e-7, atol=1e-5, rtol=1e-4)


def _negated(explainer, model, analysis, question):
    """What speaks against a prompt speaks for its opposite."""
    return explainer(model, analysis, question._replace(text=-question.text))


def test_saliency_is_input_x_gradient_over_magnitude(model, analysis, question):
    product = InputXGradient()(model, analysis, question)
    slope = Saliency()(model, analysis, question)
    torch.testing.assert_close(slope * analysis.power.sqrt(), product, atol=1e-5, rtol=1e-3)


def test_smoothgrad_without_noise_is_saliency(model, analysis, question):
    for sign in ("absolute", "positive"):
        expected = Saliency(sign)(model, analysis, question)
        found = SmoothGrad(sign, noise=0.0, samples=2)(model, analysis, question)
        torch.testing.assert_close(as_masks(found), as_masks(expected), atol=1e-4, rtol=0)


def test_noise_is_drawn_alike_however_passes_are_grouped(model, analysis, question):
    one, many = (
        as_masks(SmoothGrad(samples=5, chunk=chunk)(model, analysis, question)) for chunk in (1, 9)
    )
    torch.testing.assert_close(one, many, atol=1e-2, rtol=0)  # a kink may be crossed
    other = as_masks(SmoothGrad(samples=5)(model, analysis, question._replace(seeds=(7, 8, 9))))
    assert (other - many).abs().mean() > 1e-3


@MEL
def test_integrated_gradients_sum_to_the_logit_above_silence(model, analysis, question):
    explainer, classifier = IntegratedGradients(sign="positive", steps=100), model.classifier
    positive = explainer(model, analysis, question)
    negative = _negated(explainer, model, analysis, question)
    whole, silence = (
        logits_of(classifier, analysis, question.text, gains)
        for gains in (torch.ones_like(positive), torch.zeros_like(positive))
    )
    missed = (positive - negative).sum(dim=(1, 2)) - (whole - silence)
    assert (missed.abs() < 0.03 * (positive + negative).sum(dim=(1, 2))).all()
    assert (missed[:2].abs() < 0.03 * (whole - silence)[:2].abs()).all()  # prompts that are there


@MEL
def test_even_steps_of_loudness_miss_less_than_even_steps_of_gain(model, analysis, question):
    even = IntegratedGradients(range_db=1e-2)  # close to linear
    missed, missed_evenly = (
        explainer.convergence_delta(model.classifier, analysis, question).abs().mean()
        for explainer in (IntegratedGradients(), even)
    )
    assert missed < missed_evenly / 2


def test_integrated_gradients_equal_captum_on_the_spectrogram(exact, text):
    """Even steps of gain are even steps of magnitude, which captum takes by itself."""
    classifier, analysis = exact
    question = Question(text.double(), seeds=())

    def logit(magnitude, text):
        return prompt_logit(classifier, classifier.plane.encode(magnitude**2).embedding, text)

    expected = CaptumIntegratedGradients(logit).attribute(
        analysis.power.sqrt(), additional_forward_args=question.text, n_steps=8
    )
    even = IntegratedGradients(range_db=1e-6, steps=8, chunk=5)  # so short a fade is linear
    found = even(ListenableMap(classifier, None), analysis, question)
    torch.testing.assert_close(as_masks(found), as_masks(expected.abs()), atol=1e-5, rtol=0)


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
        self.plane = classifier.plane
        self.classifier = classifier
        self.text = text

    def forward(self, magnitude):
        encoding = self.plane.encode(magnitude.squeeze(1).square())
        return self.classifier.logits(encoding.embedding, self.text)


def torchcam_maps(method, model, analysis, text, layer):
    """What torchcam makes of each clip's own prompt, and the extractor, spread over the clips."""
    scores, block = Scores(model.classifier, text), model.classifier.clap.audio_tower.blocks
    shape = (1, *analysis.power.shape[1:])
    with method(scores, target_layer=block[-1 - layer], input_shape=shape) as extractor:
        magnitude = analysis.power.sqrt().unsqueeze(1).requires_grad_()
        out = scores(magnitude)
        (cams,) = extractor(list(range(len(text))), out, normalized=False)
        hooked = [hook[0] for hook in (extractor.hook_a, extractor.hook_g)]
    grid = model.classifier.grid(analysis)
    return spread(cams.detach().relu(), grid), hooked


@pytest.mark.parametrize("layer", [0, 1])
def test_gradcam_equals_torchcam(model, analysis, question, layer):
    expected, _ = torchcam_maps(GradCAM, model, analysis, question.text, layer)
    ours = GradCam(layer)(model, analysis, question)
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-3)


def eq_19(maps, gradient):
    """GradCAM++'s equation 19 and 20 for one clip, written out channel by channel."""
    cam = np.zeros(maps.shape[1:])
    for activation, slope in zip(maps, gradient):
        alpha = slope**2 / (2 * slope**2 + activation.sum() * slope**3)
        cam += np.nansum(alpha * np.maximum(slope, 0)) * activation
    return np.maximum(cam, 0)


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("layer", [0, 1])
def test_gradcam_plus_plus_equals_its_equation_on_torchcams_maps_and_gradients(
    model, analysis, question, layer
):
    """torchcam hooks maps and gradients; its own weights skip the division of eq. 19."""
    _, hooked = torchcam_maps(GradCAMpp, model, analysis, question.text, layer)
    clips = zip(*(values.detach().double().numpy() for values in hooked))
    cams = torch.from_numpy(np.stack([eq_19(*clip) for clip in clips])).float()
    expected = as_masks(spread(cams, model.classifier.grid(analysis)))
    ours = as_masks(GradCamPlusPlus(layer)(model, analysis, question))
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=0)


@MEL
@pytest.mark.parametrize("layer", [0, 2])
def test_scorecam_equals_torchcam(model, analysis, question, layer):
    """On mel bands, which lie evenly on the encoder's axis, spreading is torchcam's upsampling."""
    expected, _ = torchcam_maps(ScoreCAM, model, analysis, question.text, layer)
    ours = ScoreCam(layer, chunk=50)(model, analysis, question)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-3)


def test_gscorecam_of_all_channels_is_scorecam(model, analysis, question):
    expected = ScoreCam(layer=2)(model, analysis, question)
    found = GScoreCam(layer=2, share=1.0)(model, analysis, question)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_gscorecam_of_one_channel_is_that_channel(model, analysis, question):
    """The softmax of one is 1, so the map is the channel's own, of the largest mean gradient."""
    maps, gradient = GradCam().map_and_gradient(model.classifier, analysis, question.text)
    best = gradient.mean(dim=(2, 3)).argmax(dim=1)
    channel = maps[torch.arange(len(best)), best]
    expected = spread(channel.relu(), model.classifier.grid(analysis))
    found = GScoreCam(share=1e-6)(model, analysis, question)
    torch.testing.assert_close(found, expected)


@MEL
def test_an_optimised_mask_keeps_the_prompt_in_few_cells(model, analysis, question):
    """In a tenth of the cells more of the similarity than the loudest tenth has, and less of it
    in what is left."""
    found = Optimised(steps=60)(model, analysis, question)
    loud = Energy()(model, analysis, question)

    def similarities(maps):
        kept = keep_top(rank_cells(maps, question.seeds), 0.1)
        return [
            logits_of(model.classifier, analysis, question.text, mask).mean()
            for mask in (kept, 1 - kept)
        ]

    (inside, outside), (loud_inside, loud_outside) = similarities(found), similarities(loud)
    assert inside > loud_inside and outside < loud_outside


@MEL
def test_optimised_weighs_kept_and_removed(model, analysis, question):
    """The loss is ``-kept log q - removed log(1 - r)``, by softmax over the names."""
    classifier, names = model.classifier, question.names
    clip = classifier.analyse(analysis.wavs[:1])
    kept = torch.rand(clip.power.shape, generator=torch.Generator().manual_seed(0))
    scores = classifier.masked_similarity(clip, kept, names)
    inside, outside = (logits.log_softmax(dim=1)[0] for logits in scores[1:])
    for place, text in enumerate(names.split(1)):
        weights = Optimised(kept=3.0, removed=0.5)
        without = torch.cat([outside[:place], outside[place + 1 :]]).logsumexp(dim=0)
        expected = -weights.kept * inside[place] - weights.removed * without
        found = optimized._Loss(weights, classifier, clip, text, names)(kept)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_random_differs_between_clips_and_not_between_calls(model, analysis, question):
    first, again = (EXPLAINERS["random"](model, analysis, question) for _ in range(2))
    assert (first == again).all()
    assert (first[0] != first[1]).any()


def test_energy_ranks_as_power(model, analysis, question):
    energy = Energy()(model, analysis, question)
    assert (energy.flatten(1).argmax(dim=1) == analysis.power.flatten(1).argmax(dim=1)).all()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Saliency(sign="negative"),
        lambda: Saliency(smoothing=-1),
        lambda: SmoothGrad(samples=0),
        lambda: IntegratedGradients(steps=0),
        lambda: ScoreCam(chunk=0),
        lambda: GScoreCam(share=0),
        lambda: Optimised(steps=0),
    ],
)
def test_a_wrong_setting_is_named(wrong):
    with pytest.raises(InputError, match="not"):
        wrong()


def test_a_layer_that_is_not_there_is_named(model, analysis, question):
    with pytest.raises(InputError, match="layer is 0 to 3"):
        GradCam(layer=4)(model, analysis, question)


FEW = {
    "saliency": {},
    "smoothgrad": {"samples": 1},
    "integrated-gradients": {"steps": 1},
    "gradcam": {},
    "gscorecam": {"share": 1e-3},
    "optimised": {"steps": 1},
}


@pytest.mark.parametrize("name", FEW)
def test_every_kind_of_clap_is_explained_on_the_clips_own_frames(name, any_clap):
    """Random weights of the tagger and of HTSAT: plumbing only."""
    generator = torch.Generator().manual_seed(0)
    model = ListenableMap(MaskableClassifier(StftPlane(any_clap)), None)
    seconds = 0.7  # a clip that HTSAT hears 14 times
    wavs = 0.1 * torch.randn(1, round(seconds * any_clap.sample_rate), generator=generator)
    names = normalize(torch.randn(3, any_clap.text_dim, generator=generator), dim=1)
    analysis = model.classifier.analyse(wavs)
    maps = replace(EXPLAINERS[name], **FEW[name])(model, analysis, Question(names[:1], (5,), names))
    assert_maps(maps, analysis)
    assert maps.max() > 0 or "cam" in name  # what all channels speak against has an empty map
