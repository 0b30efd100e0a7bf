"""Calibration of mask logits, on decoders with random weights."""

import copy
from itertools import product

import pytest
import torch

from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.losses.objective import Objective
from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.losses.terms import irm_regression, mask_area_prior, sparsity
from speechbrain_lmac.masking.mask_logits import logits_to_mask
from speechbrain_lmac.metrics.top_k import rank_bins, top_k_mask
from speechbrain_lmac.training import separation_calibration
from speechbrain_lmac.training.separation_calibration import (
    OFFSETS,
    TEMPERATURES,
    calibrate_separation,
)

LABELS = list(KINDS)[:4]


@pytest.fixture(scope="module")
def batches():
    """Return one batch of four short clips."""
    wavs = [synthesize(kind, seed=place, seconds=0.3) for place, kind in enumerate(LABELS)]
    return [(LABELS, [""] * len(LABELS), torch.stack(wavs))]


@pytest.fixture
def objective():
    terms = {"irm_regression": irm_regression, "mask_area_prior": mask_area_prior}
    return Objective({}, {}, terms, {"irm_regression": 4.0, "mask_area_prior": 2.0})


def predict_masks(model, batches):
    """Return the masks of all clips for two prompts."""
    (_, _, wavs), text = batches[0], model.classifier.audio_classifier.queries(LABELS[:2])
    with torch.no_grad():
        return model(model.classifier.encode_clips(wavs), text.unsqueeze(1))


def test_candidates_contain_the_decoder_itself():
    """Temperatures of 0.5 to 64 in steps of a root of two, and offsets of both signs."""
    assert TEMPERATURES[0] == 0.5 and TEMPERATURES[-1] == 64 and len(TEMPERATURES) == 15
    assert (1.0, 0.0) in set(product(TEMPERATURES, OFFSETS))
    assert sorted(OFFSETS) == sorted(-offset for offset in OFFSETS)


@pytest.mark.parametrize(("temperature", "offset"), [(4.0, 0.0), (0.5, -1.0), (2.0, 1.0)])
def test_rescale_divides_and_shifts_logits(model, batches, temperature, offset):
    """The masks are those of the rescaled logits."""
    encoded = model.classifier.encode_clips(batches[0][2])
    features = model.features(encoded)
    queries = model.classifier.audio_classifier.queries(LABELS).unsqueeze(1)
    grid = model.classifier.grid(encoded)
    with torch.no_grad():
        before = model.decoder.logits(features, queries, grid)
        model.decoder.rescale(temperature, offset)
        after = model.decoder(features, queries, grid)
    expected = logits_to_mask(before / temperature + offset, grid)
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)


def test_rescale_keeps_the_order_of_bins(model, batches):
    """The best 20 % of the bins are the same, though the masks change."""
    before = predict_masks(model, batches)[0]
    model.decoder.rescale(2.0, 0.5)
    after = predict_masks(model, batches)[0]
    seeds = range(len(before))
    top = [top_k_mask(rank_bins(masks, seeds), 0.2) for masks in (before, after)]
    assert (top[0] != top[1]).float().mean() < 1e-3 < (before - after).abs().max()


def test_calibrate_takes_the_best_candidate(model, batches, prompts, objective, monkeypatch):
    """Each candidate is also evaluated by rescaling the decoder."""
    temperatures, offsets = TEMPERATURES[::6], OFFSETS[::2]
    temperatures = sorted({1.0, *temperatures})
    monkeypatch.setattr(separation_calibration, "TEMPERATURES", temperatures)
    monkeypatch.setattr(separation_calibration, "OFFSETS", offsets)
    original = copy.deepcopy(model.decoder.state_dict())
    result = calibrate_separation(model, batches, prompts, objective)
    calibrated_loss = mask_loss(model, batches, prompts, objective)
    losses = []
    for temperature, offset in product(temperatures, offsets):
        model.decoder.load_state_dict(original)
        model.decoder.rescale(temperature, offset)
        losses.append(mask_loss(model, batches, prompts, objective))
    model.decoder.load_state_dict(original)
    original_loss = mask_loss(model, batches, prompts, objective)
    assert result.before == pytest.approx(original_loss, abs=1e-5)
    assert result.after == pytest.approx(calibrated_loss, abs=1e-5)
    assert calibrated_loss == pytest.approx(min(losses), abs=1e-5)
    assert result.after < result.before


@torch.no_grad()
def mask_loss(model, batches, prompts, objective):
    """Return the mask terms of each clip mixed with the next one, computed step by step."""
    classifier, (labels, _, wavs) = model.classifier, batches[0]
    other = wavs.roll(1, dims=0)
    other = other * (wavs.norm(dim=1) / other.norm(dim=1)).unsqueeze(1)
    encoded = classifier.encode_clips(wavs + other)
    target = torch.tensor([list(KINDS).index(label) for label in labels])
    targets = torch.stack([target, target.roll(1), target.roll(2)])
    classes = classifier.competing(prompts.embeddings)
    sources = torch.stack([classifier.domain.power(wavs), classifier.domain.power(other)])
    queries = prompts.embeddings[targets]
    pairs = PromptPairs(encoded.encoding.vector, queries, targets, classes, sources)
    return objective.of_masks(model(encoded, pairs.queries), pairs)[0].item()


@pytest.mark.parametrize("labels", [["siren"] * 4, ["siren"]])
def test_calibrate_needs_two_classes(model, batches, prompts, objective, labels):
    """Without them the decoder is unchanged."""
    before = predict_masks(model, batches)
    one_class = [(labels, [""] * len(labels), batches[0][2][: len(labels)])]
    assert calibrate_separation(model, one_class, prompts, objective) is None
    assert torch.equal(predict_masks(model, batches), before)


def test_calibrate_uses_two_prompts_at_least(model, batches, prompts, objective):
    """A mixture needs a prompt for each source."""
    original = copy.deepcopy(model.decoder.state_dict())
    with_two = calibrate_separation(model, batches, prompts, objective, num_prompts=2)
    model.decoder.load_state_dict(original)
    assert calibrate_separation(model, batches, prompts, objective, num_prompts=1) == with_two


def test_calibrate_needs_irm_regression(model, batches, prompts):
    """The objective of the paper does not use the sources."""
    paper = Objective({}, {}, {"sparsity": sparsity}, {"sparsity": 1.0})
    assert calibrate_separation(model, batches, prompts, paper) is None
