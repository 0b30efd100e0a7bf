"""Smallest areas of maps for classifiers whose decision depends on known bins."""

from types import SimpleNamespace

import pytest
import torch

from speechbrain_lmac.evaluation.area_scores import score_areas
from speechbrain_lmac.evaluation.evaluate import evaluate
from speechbrain_lmac.evaluation.scoring import (
    Attributions,
    ClassPrompts,
    EvaluationBatch,
    explain,
    make_batch,
)
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.smallest_areas import AREA_FRACTIONS, area_mask
from speechbrain_lmac.metrics.top_k import rank_bins
from tests.unit.models.classifiers.test_base import NAMES, MeanBands

FRAMES = 25
FIRST_BAND = torch.zeros(1, FRAMES, 4).index_fill(2, torch.tensor(0), 1.0)
"""Map of the bins that the decision of the first class depends on: 25 of 100."""


class BandPower(MeanBands):
    """Classifier whose logits are the mean power of each band, minus a threshold."""

    def __init__(self, multilabel, threshold):
        super().__init__(multilabel, torch.eye(4), -torch.tensor([threshold, *[-0.1] * 3]))

    def features(self, mel):
        return mel.mean(dim=1), (mel.unsqueeze(1),)


def areas_of(audio_classifier, maps, target=0):
    """Return the two areas of a map, for a clip of power 1 in every bin."""
    classifier = MaskedClassifier(MelDomain(audio_classifier))
    power = torch.ones(1, FRAMES, 4)
    wavs = torch.zeros(1, (FRAMES - 1) * audio_classifier.spectrogram.hop_length)
    encoded = EncodedClips(wavs, power, power, classifier.domain.encode(power))
    prompts = ClassPrompts(NAMES, audio_classifier.queries(NAMES))
    batch = EvaluationBatch(("a",), encoded, torch.tensor([target]), None, prompts)
    attributions = Attributions(maps, maps, rank_bins(maps, [0]), None, None, 0.0, 0.0)
    scores = score_areas(SimpleNamespace(classifier=classifier), batch, attributions)
    assert [*scores] == [("sufficient_area", None), ("necessary_area", None)]
    return tuple(value for values in scores.values() for value in values)


@pytest.mark.parametrize(
    ("threshold", "sufficient", "necessary"),
    [(0.02, 0.01, 0.30), (0.3, 0.10, 0.20), (0.5, 0.15, 0.15), (0.7, 0.20, 0.10)],
)
def test_label_areas_have_their_closed_form(threshold, sufficient, necessary):
    """A label leads if more than a fraction of its band is there: 25 bins of 100."""
    expected = pytest.approx((sufficient, necessary))
    assert areas_of(BandPower(True, threshold), FIRST_BAND) == expected
    assert areas_of(BandPower(True, threshold), 1 - FIRST_BAND) == (1.0, 1.0)


def test_class_areas_have_their_closed_form():
    """Exclusive classes: the first leads another one by a margin, whose bands are not removed."""
    classifier = BandPower(False, -0.6)  # 0.5 above the logits of the other classes
    assert areas_of(classifier, FIRST_BAND) == pytest.approx((0.01, 0.15))
    opposite = areas_of(classifier, 1 - FIRST_BAND)
    assert opposite == (pytest.approx(0.01), 1.0)  # others go first; then it leads in silence


def test_areas_of_classes_that_do_not_lead():
    """A class that does not lead in the clip has no value."""
    values = areas_of(BandPower(True, 1.5), FIRST_BAND)
    assert torch.tensor(values).isnan().all()
    assert torch.tensor(areas_of(BandPower(False, -0.6), FIRST_BAND, target=2)).isnan().all()


def test_areas_of_constant_maps_are_random():
    """A constant map is a seeded draw, with areas between those of the best and the worst map."""
    sufficient, necessary = areas_of(BandPower(True, 0.5), torch.ones(1, FRAMES, 4))
    assert 0.15 < sufficient < 1 and 0.15 < necessary < 1


def test_areas_certify_the_decision(model, wavs, text):
    """The class leads on the sufficient area and not without the necessary one, and on no less."""
    classifier = model.classifier
    prompts = ClassPrompts(("siren", "rain", "dog"), text)
    batch = make_batch(model, ["a", "b", "c"], classifier.encode_clips(wavs), prompts)
    attributions = explain(model, EXPLAINERS["energy"], batch)
    num_bins = int(classifier.grid(batch.encoded).valid.sum())
    tops = {area: area_mask(attributions.ranks, area, num_bins).double() for area in AREA_FRACTIONS}

    def prediction(masks):
        vectors = classifier.encode_masked_vector(batch.encoded, masks.float())
        return classifier.probabilities(vectors, text).argmax(dim=1)

    with torch.no_grad():
        leads = {area: prediction(top) == batch.target for area, top in tops.items()}
        lost = {area: prediction(1 - top) != batch.target for area, top in tops.items()}
    scores = score_areas(model, batch, attributions)
    for name, table in (("sufficient_area", leads), ("necessary_area", lost)):
        for clip, value in enumerate(scores[name, None]):
            expected = next((area for area in AREA_FRACTIONS if table[area][clip]), 1.0)
            assert value == pytest.approx(expected)


def test_evaluate_adds_areas_on_request(model, wavs, text):
    """One value per clip, which needs no fractions and ignores the batch."""
    prompts = ClassPrompts(("siren", "rain", "dog"), text)
    chosen = {name: EXPLAINERS[name] for name in ("energy", "random")}
    ids = ["a", "b", "c"]
    rows = evaluate(model, chosen, [(ids, wavs)], prompts, fractions=[], areas=True)
    parts = [([clip_id], wavs[i : i + 1]) for i, clip_id in enumerate(ids)]
    again = evaluate(model, chosen, parts, prompts, fractions=[], areas=True)
    keys = ["metric", "method", "clip"]
    tables = [
        frame[frame.metric.str.endswith("_area")].set_index(keys).value.sort_index()
        for frame in (rows, again)
    ]
    assert len(tables[0]) == 2 * 2 * 3 and tables[0].between(0.01, 1).all()
    assert tables[0].equals(tables[1])
    without = evaluate(model, chosen, parts, prompts, fractions=[])
    assert not without.metric.str.endswith("_area").any()
