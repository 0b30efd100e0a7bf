"""Precision and recall of regions in recordings with known places of sounds."""

import pandas as pd
import pytest
import torch

from experiments.detection_threshold.measure import AUDIOSET, Place, measure, summarize
from speechbrain_lmac.inference.timeline import Timeline

LABELS = sorted(AUDIOSET)


def make_timeline(places, value):
    """Return a Timeline whose activity has a value at the places of each class."""
    activity = torch.zeros(len(LABELS), 1000)
    for place in places:
        activity[LABELS.index(place.label), 10 * place.start : 10 * place.stop] = value
    bands, ones = torch.ones(len(LABELS), 2, 1000), torch.ones_like(activity)
    return Timeline(tuple(LABELS), activity, ones, bands, 100.0, torch.ones(4, 4), 32000)


def test_scores_have_their_closed_form():
    """Perfect regions score 1 up to their activity; two false ones lower the precision alone."""
    places = [Place(LABELS[i % 10], 5 * i, 5 * i + 5) for i in range(20)]
    scores = summarize(pd.DataFrame(measure(make_timeline(places, 0.2), places, 1)))
    assert (scores.loc[:0.2, ["precision", "recall", "F1", "mean F1"]] == 1).all(axis=None)
    assert (scores.loc[0.25:, ["recall", "F1"]] == 0).all(axis=None)
    wrong = [Place(LABELS[0], 10, 12), Place(LABELS[1], 20, 21)]
    scores = summarize(pd.DataFrame(measure(make_timeline([*places, *wrong], 1.0), places, 1)))
    row = scores.loc[0.1]
    assert (row["regions"], row["right"], row["recall"]) == (22, 20, 1)
    assert row["F1"] == pytest.approx(2 * (20 / 22) / (20 / 22 + 1))
    rows = measure(make_timeline([*places, *wrong], 1.0), places, 1, min_duration=3.0)
    assert summarize(pd.DataFrame(rows)).loc[0.1, "precision"] == 1
