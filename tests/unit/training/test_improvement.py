"""Comparison of a decoder before and after training, and its verdict."""

import numpy as np
import pandas as pd
import pytest

from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS
from speechbrain_lmac.training.improvement import PRETRAINED, compare, describe, verdict

BETTER = {"AD": -20.0, "FF": 0.2, "Fid-In": 0.1}


def rows_of(num_clips, **gaps):
    """Scores of a trained method, and of methods that differ from it by gaps and noise."""
    rng, rows = np.random.default_rng(0), []
    base = {"AD": 40.0, "FF": 0.3, "Fid-In": 0.5}
    for clip in range(num_clips):
        for metric, mean in base.items():
            noise = 0.01 * abs(mean) * rng.standard_normal()
            for method, gap in {"ours": 0.0, **gaps}.items():
                value = mean + noise * (method != "ours") - gap * BETTER[metric]
                rows += [(method, f"c{clip}", metric, f, value) for f in TOP_K_FRACTIONS]
    return pd.DataFrame(rows, columns=["method", "clip", "metric", "fraction", "value"])


def recordings_of(num_clips):
    return {f"c{i}": f"r{i}" for i in range(num_clips)}


def test_compare_finds_better_and_worse():
    """Signs follow the direction of each metric, and the pretrained decoder comes first."""
    rows = rows_of(30, energy=1.0, gradcam=-1.0, **{PRETRAINED: 0.0})
    comparisons = compare(rows, "ours", recordings_of(30))
    outcomes = {}
    for each in comparisons:
        outcomes.setdefault(each.method, set()).add(each.outcome)
    assert comparisons[0].method == PRETRAINED
    assert outcomes == {PRETRAINED: {0}, "energy": {1}, "gradcam": {-1}}
    text = verdict(comparisons, 30)
    assert "not distinguishable from the pretrained decoder" in text
    assert "better in AD, FF and Fid-In than energy" in text
    assert "worse in AD, FF and Fid-In than gradcam" in text


def test_compare_counts_recordings_once():
    """Many clips of few recordings are no evidence."""
    rows = rows_of(30, energy=1.0)
    comparisons = compare(rows, "ours", {f"c{i}": f"r{i % 3}" for i in range(30)})
    assert {each.outcome for each in comparisons} == {0}


@pytest.mark.parametrize("num_recordings, enough", [(6, False), (7, True)])
def test_verdict_needs_enough_recordings(num_recordings, enough):
    """With fewer, even equal signs in all of them would not be significant."""
    comparisons = compare(
        rows_of(num_recordings, energy=1.0), "ours", recordings_of(num_recordings)
    )
    text = verdict(comparisons, num_recordings)
    assert ("better in" in text) == enough
    assert ("6 held-out sounds are too few" in text and "7 or more" in text) != enough


def test_describe_shows_means_and_intervals():
    """Two tables and one sentence; significant differences have a star."""
    rows = rows_of(30, energy=1.0, **{PRETRAINED: 0.0})
    text = describe(rows, compare(rows, "ours", recordings_of(30)), "ours", "30 clips", 30)
    assert "| trained decoder (ours) |   40.0 |" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| energy") and "[" in line]
    assert row.count(" *") == 3 and "| -20" in row
    assert text.splitlines()[-1].startswith("Verdict: ")
