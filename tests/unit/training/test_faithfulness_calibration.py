"""Calibration for faithfulness, on decoders with random weights."""

import pytest
import torch

from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.metrics.top_k import rank_bins, top_k_mask
from speechbrain_lmac.training import faithfulness_calibration
from speechbrain_lmac.training.calibration import check_calibrate
from speechbrain_lmac.training.faithfulness_calibration import (
    AREAS,
    MAX_AREA,
    TEMPERATURES,
    calibrate_faithfulness,
)
from speechbrain_lmac.utils.errors import InputError

LABELS = list(KINDS)[:4]


@pytest.fixture(scope="module")
def batches():
    """Return two batches of two short clips."""
    wavs = [synthesize(kind, seed=place, seconds=0.3) for place, kind in enumerate(LABELS)]
    return [(LABELS[at : at + 2], ["", ""], torch.stack(wavs[at : at + 2])) for at in (0, 2)]


@torch.no_grad()
def masks_and_margin(model, batches, prompts):
    """Return the masks of all predicted classes and their mean in-out margin, by definition."""
    every, margins = [], []
    for *_, wavs in batches:
        encoded = model.classifier.encode_clips(wavs)
        target = model.classifier.logits(encoded.encoding.vector, prompts.embeddings).argmax(dim=1)
        for index, best in enumerate(target):
            query = prompts.embeddings[best].view(1, 1, -1)
            mask = model(encoded, query.expand(1, len(wavs), -1))[0]
            inside, outside = (
                model.classifier.probabilities(
                    model.classifier.encode_masked_vector(encoded, gains), prompts.embeddings
                )
                for gains in (mask, 1 - mask)
            )
            margins.append(inside[index, best] - outside[index, best])
            every.append(mask[index])
    return torch.stack(every), torch.stack(margins).mean().item()


def test_calibration_takes_the_best_margin(model, batches, prompts, monkeypatch):
    """Each candidate is also evaluated by rescaling the decoder; the largest margin wins."""
    monkeypatch.setattr(faithfulness_calibration, "TEMPERATURES", (0.5, 0.02))
    monkeypatch.setattr(faithfulness_calibration, "AREAS", (0.02, 0.1))
    predicted = [
        faithfulness_calibration._predicted_logits(model, wavs, prompts) for *_, wavs in batches
    ]
    candidates = faithfulness_calibration._candidates(predicted)
    weights = {name: tensor.clone() for name, tensor in model.decoder.state_dict().items()}
    before = masks_and_margin(model, batches, prompts)[1]
    margins = {}
    for candidate in candidates:
        with torch.no_grad():
            model.decoder.rescale(*candidate)
            masks, margin = masks_and_margin(model, batches, prompts)
        if masks.mean() <= MAX_AREA:
            margins[candidate] = margin
        model.decoder.load_state_dict(weights)
    result = calibrate_faithfulness(model, batches, prompts)
    assert len(margins) >= 2 and len(set(margins.values())) == len(margins)
    assert (result.temperature, result.offset) == max(margins, key=margins.get)
    assert result.before == pytest.approx(before, abs=1e-4)
    assert result.after == pytest.approx(max(margins.values()), abs=1e-4)
    masks, margin = masks_and_margin(model, batches, prompts)
    assert margin == pytest.approx(result.after, abs=1e-4)
    assert masks.mean() <= MAX_AREA


def test_candidate_opens_its_area(model, batches, prompts):
    """With the sharpest temperature, an offset gives its fraction of the bins a mask above 0.5."""
    predicted = [
        faithfulness_calibration._predicted_logits(model, wavs, prompts) for *_, wavs in batches
    ]
    temperature, offset = faithfulness_calibration._candidates(predicted)[-1]
    logits = torch.cat([each.logits for each in predicted])
    valid = (predicted[0].grid.valid > 0).expand_as(logits)
    opened = (logits / temperature + offset > 0)[valid].float().mean()
    assert temperature == TEMPERATURES[-1] and opened == pytest.approx(AREAS[-1], abs=1e-3)


def test_sharp_masks_keep_the_order_of_bins(model, batches, prompts):
    """The best 10 % of the bins stay the same: sharp masks have no ties of consequence."""
    before = masks_and_margin(model, batches, prompts)[0]
    calibrate_faithfulness(model, batches, prompts)
    after = masks_and_margin(model, batches, prompts)[0]
    top = [top_k_mask(rank_bins(masks, range(4)), 0.1) for masks in (before, after)]
    assert (top[0] != top[1]).float().mean() < 2e-3 < (before - after).abs().max()


def test_decoder_is_unchanged_if_no_candidate_is_small_enough(model, batches, prompts, monkeypatch):
    """A mean of the masks above the limit is never taken."""
    monkeypatch.setattr(faithfulness_calibration, "AREAS", (0.5,))
    before = masks_and_margin(model, batches, prompts)[0]
    assert calibrate_faithfulness(model, batches, prompts) is None
    assert torch.equal(masks_and_margin(model, batches, prompts)[0], before)


@pytest.mark.parametrize("setting", [True, False, "null", "faithful", 1.0])
def test_calibrate_must_be_known(setting):
    """Any other value is refused before training."""
    with pytest.raises(InputError, match="calibrate must be separation, faithfulness or null"):
        check_calibrate(setting)
