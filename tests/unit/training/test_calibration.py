"""Masks that are surer than they should be: the plumbing of two numbers, on random decoders."""

import copy
from itertools import product

import pytest
import torch

from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.evaluation.scoring import ClassPrompts
from speechbrain_lmac.losses.objective import Objective
from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.losses.terms import irm_regression, mask_area_prior, sparsity
from speechbrain_lmac.masking.decoder import logits_to_mask
from speechbrain_lmac.metrics.top_k import rank_bins, top_k_mask
from speechbrain_lmac.training import calibration
from speechbrain_lmac.training.calibration import OFFSETS, TEMPERATURES, calibrate

LABELS = list(KINDS)[:4]


@pytest.fixture(scope="module")
def prompts(clap):
    return ClassPrompts(tuple(KINDS), clap.class_queries(tuple(KINDS), ["this is the sound of {}"]))


@pytest.fixture(scope="module")
def batches():
    wavs = [synthesize(kind, seed=place, seconds=0.3) for place, kind in enumerate(LABELS)]
    return [(LABELS, [""] * len(LABELS), torch.stack(wavs))]


@pytest.fixture
def objective():
    terms = {"irm_regression": irm_regression, "mask_area_prior": mask_area_prior}
    return Objective({}, {}, terms, {"irm_regression": 4.0, "mask_area_prior": 2.0})


def masks_of(model, batches):
    (_, _, wavs), text = batches[0], model.classifier.audio_classifier.queries(LABELS[:2])
    with torch.no_grad():
        return model(model.classifier.encode_clips(wavs), text.unsqueeze(1))


def test_the_grid_holds_the_decoder_as_it_is():
    """From half to 64 by steps of a root of two, and offsets both ways."""
    assert TEMPERATURES[0] == 0.5 and TEMPERATURES[-1] == 64 and len(TEMPERATURES) == 15
    assert (1.0, 0.0) in set(product(TEMPERATURES, OFFSETS))
    assert sorted(OFFSETS) == sorted(-offset for offset in OFFSETS)


@pytest.mark.parametrize(("temperature", "offset"), [(4.0, 0.0), (0.5, -1.0), (2.0, 1.0)])
def test_logits_are_divided_and_shifted(model, batches, temperature, offset):
    encoded = model.classifier.encode_clips(batches[0][2])
    asked = (
        model.features(encoded),
        model.classifier.audio_classifier.queries(LABELS).unsqueeze(1),
    )
    grid = model.classifier.grid(encoded)
    with torch.no_grad():
        before = model.decoder.logits(*asked, grid)
        model.decoder.rescale(temperature, offset)
        after = model.decoder(*asked, grid)
    expected = logits_to_mask(before / temperature + offset, grid)
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)


def test_cells_keep_their_order(model, batches):
    before = masks_of(model, batches)[0]
    model.decoder.rescale(2.0, 0.5)
    after = masks_of(model, batches)[0]
    seeds = range(len(before))
    top = [top_k_mask(rank_bins(masks, seeds), 0.2) for masks in (before, after)]
    assert (top[0] != top[1]).float().mean() < 1e-3 < (before - after).abs().max()


def test_the_best_of_the_grid_is_taken(model, batches, prompts, objective, monkeypatch):
    """Set against decoders that are rescaled to each of the grid and asked as a whole."""
    temperatures, offsets = TEMPERATURES[::6], OFFSETS[::2]
    temperatures = sorted({1.0, *temperatures})
    monkeypatch.setattr(calibration, "TEMPERATURES", temperatures)
    monkeypatch.setattr(calibration, "OFFSETS", offsets)
    untouched = copy.deepcopy(model.decoder.state_dict())
    found = calibrate(model, batches, prompts, objective)
    mended = value(model, batches, prompts, objective)
    losses = []
    for temperature, offset in product(temperatures, offsets):
        model.decoder.load_state_dict(untouched)
        model.decoder.rescale(temperature, offset)
        losses.append(value(model, batches, prompts, objective))
    model.decoder.load_state_dict(untouched)
    assert found.before == pytest.approx(value(model, batches, prompts, objective), abs=1e-5)
    assert found.after == pytest.approx(mended, abs=1e-5) == pytest.approx(min(losses), abs=1e-5)
    assert found.after < found.before


@torch.no_grad()
def value(model, batches, prompts, objective):
    """What the terms of masks say of each clip with the next one over it, in other words."""
    classifier, (labels, _, wavs) = model.classifier, batches[0]
    over = wavs.roll(1, dims=0)
    over = over * (wavs.norm(dim=1) / over.norm(dim=1)).unsqueeze(1)
    encoded = classifier.encode_clips(wavs + over)
    own = torch.tensor([list(KINDS).index(label) for label in labels])
    own = torch.stack([own, own.roll(1), own.roll(2)])
    classes = classifier.competing(prompts.embeddings)
    sources = torch.stack([classifier.domain.power(wavs), classifier.domain.power(over)])
    pairs = PromptPairs(encoded.encoding.vector, prompts.embeddings[own], own, classes, sources)
    return objective.of_masks(model(encoded, pairs.queries), pairs)[0].item()


@pytest.mark.parametrize("labels", [["siren"] * 4, ["siren"]])
def test_without_two_names_in_a_batch_there_is_nothing_to_fit(
    model, batches, prompts, objective, labels
):
    before = masks_of(model, batches)
    held = [(labels, [""] * len(labels), batches[0][2][: len(labels)])]
    assert calibrate(model, held, prompts, objective) is None
    assert torch.equal(masks_of(model, batches), before)


def test_a_mixture_is_asked_for_both_its_sounds(model, batches, prompts, objective):
    untouched = copy.deepcopy(model.decoder.state_dict())
    of_two = calibrate(model, batches, prompts, objective, num_prompts=2)
    model.decoder.load_state_dict(untouched)
    assert calibrate(model, batches, prompts, objective, num_prompts=1) == of_two


def test_an_objective_that_knows_no_sources_is_left_alone(model, batches, prompts):
    poster = Objective({}, {}, {"sparsity": sparsity}, {"sparsity": 1.0})
    assert calibrate(model, batches, prompts, poster) is None
