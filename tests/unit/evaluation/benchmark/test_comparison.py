"""Comparison of methods: verdicts, corrections, silence, and errors."""

import numpy as np
import pandas as pd
import pytest

from speechbrain_lmac.evaluation.benchmark.comparison import assess, compare, estimate
from speechbrain_lmac.evaluation.benchmark.scores import (
    drop_silenced,
    silenced_fractions,
    with_score_names,
)
from speechbrain_lmac.metrics.statistics import cluster_bootstrap_mean, paired_difference
from speechbrain_lmac.utils.errors import InputError

AD, FF = ("AD", "raw"), ("FF", "raw")


def long(rows):
    """Rows of (method, clip, recording, metric, value) as a long table."""
    frame = pd.DataFrame(rows, columns=["method", "clip", "recording", "metric", "value"])
    return frame.assign(fraction="raw")


def make_scores(methods, clips=60, seed=0, spread=1.0):
    """Return AD and FF: method -> (mean AD, mean FF), two clips of each recording."""
    generator = np.random.default_rng(seed)
    common = generator.normal(0, 5, (clips, 2))
    rows = []
    for name, means in methods.items():
        values = np.array(means) + common + generator.normal(0, spread, (clips, 2))
        for i, pair in enumerate(values):
            for metric, value in zip(("AD", "FF"), pair):
                rows.append((name, f"c{i:03}", f"r{i // 2}", metric, value))
    return long(rows)


def verdicts(table, metric):
    return dict(table[table.metric == metric][["method", "verdict"]].to_numpy())


def test_verdicts_follow_the_metric_direction():
    """Lower AD and higher FF are better."""
    frame = make_scores({"ours": (10, 10), "low": (5, 5), "equal": (10, 10), "high": (20, 20)})
    table = compare(frame, "ours", [AD, FF])
    assert verdicts(table, "AD") == {"low": "worse", "equal": "tie", "high": "better"}
    assert verdicts(table, "FF") == {"low": "better", "equal": "tie", "high": "worse"}


def test_tables_equal_single_comparisons():
    """A row contains the statistics of one pair."""
    frame = make_scores({"ours": (10, 10), "theirs": (10.2, 10.3)})
    wide = frame[frame.metric == "AD"].pivot(index="clip", columns="method", values="value")
    recordings = frame.drop_duplicates("clip").recording.to_numpy()
    alone = paired_difference(wide.ours, wide.theirs, recordings, seed=4)
    row = compare(frame, "ours", [AD, FF], seed=4).iloc[0]
    columns = ["difference", "difference_low", "difference_high", "p"]
    assert tuple(row[columns]) == pytest.approx(alone)
    mean = estimate(frame, [AD], seed=4).set_index(["method", "metric"]).loc[("ours", "AD")]
    expected = cluster_bootstrap_mean(wide.ours, recordings, seed=4)
    assert tuple(mean[["mean", "low", "high"]]) == pytest.approx(expected)


def test_intervals_are_for_named_scores_only():
    """Other scores have a mean and no interval."""
    table = estimate(make_scores({"ours": (1, 1)}), [AD]).set_index("metric")
    assert np.isfinite(table.low["AD"]) and np.isnan(table.low["FF"])


def test_p_is_corrected_over_the_family():
    """The smallest of six p-values is multiplied by six."""
    means = {"ours": (10, 0), "a": (10.4, 0.2), "b": (10.1, 0), "c": (10, 0.1)}
    table = compare(make_scores(means), "ours", [AD, FF], 100).sort_values("p")
    assert len(table) == 6 and 0 < table.p.iloc[0] < table.p.iloc[1] < 0.3
    assert table.p_holm.iloc[0] == pytest.approx(6 * table.p.iloc[0])
    second = max(6 * table.p.iloc[0], 5 * table.p.iloc[1])
    assert table.p_holm.iloc[1] == pytest.approx(min(1, second))


def test_order_of_rows_has_no_effect():
    """Shuffled rows give the same tables."""
    frame = make_scores({"ours": (10, 10), "a": (10.5, 9), "b": (9, 10.2)})
    shuffled = frame.sample(frac=1, random_state=0)
    for function in (lambda f: compare(f, "ours", [AD, FF]), lambda f: estimate(f, [AD, FF])):
        one, other = (
            function(f).sort_values(["method", "metric"], ignore_index=True)
            for f in (frame, shuffled)
        )
        pd.testing.assert_frame_equal(one, other)


def test_identical_methods_tie():
    """No difference, p = 1."""
    frame = make_scores({"ours": (10, 10)})
    table = compare(pd.concat([frame, frame.assign(method="twin")]), "ours", [AD, FF])
    columns = ["difference", "difference_low", "difference_high"]
    assert (table[columns] == 0).all(axis=None)
    assert (table.p == 1).all() and (table.verdict == "tie").all()


def test_more_comparisons_need_more_evidence():
    """A small difference ties among 200 methods; a large one remains."""
    methods = {f"method {i}": (10, 10) for i in range(200)}
    frame = make_scores({"ours": (10, 10), "far": (60, 10), "near": (10.6, 10), **methods})
    few = frame[frame.method.isin(["ours", "far", "near"])]
    assert verdicts(compare(few, "ours", [AD], 200), "AD") == {"far": "better", "near": "better"}
    many = verdicts(compare(frame, "ours", [AD, FF], 200), "AD")
    assert (many["far"], many["near"]) == ("better", "tie")


def test_missing_methods_and_clips_are_left_out():
    """A method without values has no row; half the clips are compared on that half."""
    frame = make_scores({"ours": (1, 1), "half": (2, 2), "none": (3, 3)})
    lost = (frame.method == "half") & (frame["clip"] > "c029") | (frame.method == "none")
    frame = frame[~(lost & (frame.metric == "AD"))]
    table = compare(frame, "ours", [AD])
    assert dict(zip(table.method, table.shared)) == {"half": 30}
    means = estimate(frame, [AD])
    means = means[means.metric == "AD"]
    assert dict(zip(means.method, means.clips)) == {"ours": 60, "half": 30}


def test_mean_needs_all_top_k_fractions():
    """The mean over fractions exists where all have values; infinite values count."""
    rows = [("a", "AD", f, 100 * f) for f in (0.05, 0.1, 0.2, 0.4)]
    rows += [("b", "AD", f, 1.0) for f in (0.05, 0.1)]
    rows += [("a", "SI-SDRi", f, -np.inf) for f in (0.05, 0.1, 0.2, 0.4)]
    rows += [("a", "AD", np.nan, 3.0)]
    frame = pd.DataFrame(rows, columns=["clip", "metric", "fraction", "value"])
    values = with_score_names(frame).set_index(["clip", "metric", "fraction"]).value
    means = values[values.index.get_level_values("fraction") == "mean"]
    assert means.to_dict() == {("a", "AD", "mean"): 18.75, ("a", "SI-SDRi", "mean"): -np.inf}
    assert values["a", "AD", "raw"] == 3 and values["b", "AD", "0.05"] == 1


def silencing(silences):
    """SI-SDRi of methods, each 1 dB above the next; ``silences``: method -> silent clips."""
    rows = []
    for place, (name, silent) in enumerate(silences.items()):
        values = np.random.default_rng(1).normal(9 - place, 1, 100)
        for i, value in enumerate(values):
            value = -np.inf if f"c{i:03}" in silent else value
            rows.append((name, f"c{i:03}", f"r{i}", "SI-SDRi", value))
    return long(rows)


def test_silenced_clips_of_both_sources_are_dropped():
    """A silent explanation has no SI-SDR to the other source either."""
    frame = silencing({"ours": clips(0), "gradcam": clips(2)})
    residual = frame.assign(metric="SI-SDRi_residual")
    known = drop_silenced(pd.concat([frame, residual]))
    assert known.groupby(["metric", "method"]).size().unique().tolist() == [98]
    assert np.isfinite(known.value).all()


def clips(count, start=0):
    return [f"c{i:03}" for i in range(start, start + count)]


def test_silenced_clips_are_dropped_for_all():
    """A clip that an explainer silences counts for none; a control loses its own clips."""
    frame = silencing({"ours": clips(2), "gradcam": clips(3, 10), "energy": clips(50, 30)})
    known = drop_silenced(frame)
    assert known.method.value_counts().to_dict() == {"ours": 95, "gradcam": 95, "energy": 45}
    assert np.isfinite(known.value).all()
    assert silenced_fractions(frame).to_dict() == {"energy": 0.5, "gradcam": 0.03, "ours": 0.02}
    assert estimate(frame, []).set_index("method").clips["ours"] == 95


def test_silencing_methods_are_never_better():
    """More than 5 % of silenced clips turn a better verdict into a tie."""
    results = []
    for silent in (5, 6):
        frame = silencing({"ours": clips(silent), "a": clips(silent, 20), "b": []})
        for reference in ("ours", "b"):
            table = compare(frame, reference, [("SI-SDRi", "raw")])
            results.append(verdicts(table, "SI-SDRi"))
    assert results[:2] == [{"a": "better", "b": "better"}, {"ours": "worse", "a": "worse"}]
    assert results[2:] == [{"a": "tie", "b": "tie"}, {"ours": "tie", "a": "tie"}]
    frame = silencing({"a": [], "ours": clips(50)})
    assert compare(frame, "ours", [("SI-SDRi", "raw")]).verdict.tolist() == ["worse"]


def test_invalid_comparisons_are_refused():
    """Each error names the cause."""
    frame = make_scores({"ours": (1, 1), "other": (2, 2)})
    with pytest.raises(InputError, match="once per method, got c000 twice"):
        compare(pd.concat([frame, frame]), "ours", [AD])
    with pytest.raises(InputError, match="reference must be one of other, ours, got us"):
        compare(frame, "us", [AD])
    for metric in ("MM", "beauty"):
        with pytest.raises(InputError, match=f"must have a better direction, got {metric}"):
            compare(frame, "ours", [AD, (metric, "raw")])
    with pytest.raises(InputError, match="one source recording"):
        compare(frame.assign(recording=frame.method), "ours", [AD])
    with pytest.raises(InputError, match="AD must be finite"):
        estimate(frame.assign(value=np.inf), [AD])


def test_assess_covers_domains_and_conditions():
    """The reference comes first, and every domain and condition has its rows."""
    frame = make_scores({"a": (12, 1), "ours": (10, 2)})
    frame = pd.concat(
        frame.assign(domain=d, condition=c, fraction=np.nan)
        for d in ("mel", "stft")
        for c in ("clean", "noise")
    )
    table = assess(frame, "ours", resamples=50)
    assert len(table) == 2 * 2 * 2 * 2
    assert table.method[:2].tolist() == ["ours", "ours"]
    assert set(zip(table.domain, table.condition)) == set(zip(frame.domain, frame.condition))
    with pytest.raises(InputError, match="reference must be one of a, ours, got b"):
        assess(frame, "b")
