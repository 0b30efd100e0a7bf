import numpy as np
import pandas as pd
import pytest
from scipy.stats import permutation_test

from speechbrain_lmac.evaluation.benchmark.comparison import (
    compare,
    direction,
    estimate,
    heard_by_all,
    silent_shares,
    with_means,
)
from speechbrain_lmac.metrics.statistics import (
    cluster_bootstrap_mean,
    holm,
    paired_difference,
    sign_flips,
)
from speechbrain_lmac.utils.errors import InputError


def clustered(generator, recordings=40, largest=5):
    """Recordings that differ more among each other than their own clips do; true mean 0."""
    sizes = generator.integers(1, largest + 1, recordings)
    names = np.repeat(np.arange(recordings), sizes)
    shared = generator.normal(0, 1, recordings)
    return shared[names] + generator.normal(0, 0.3, len(names)), names


def scores(methods, clips=60, seed=0, spread=1.0):
    """A frame of AD and FF: method -> (mean AD, mean FF), clips two to a recording."""
    generator = np.random.default_rng(seed)
    common = generator.normal(0, 5, (clips, 2))
    rows = []
    for name, means in methods.items():
        values = np.array(means) + common + generator.normal(0, spread, (clips, 2))
        for i, (ad, ff) in enumerate(values):
            row = {"method": name, "clip": f"c{i:03}", "recording": f"r{i // 2}"}
            rows.append({**row, "AD": ad, "FF": ff})
    return pd.DataFrame(rows)


def test_bootstrap_of_two_recordings_is_known():
    """Of two recordings a resample holds both or one of them twice: the mean is 0, 1/2 or 1."""
    found = cluster_bootstrap_mean([0, 1], ["a", "b"])
    assert found == (0.5, 0, 1)


def test_the_interval_is_the_normal_one_where_every_clip_is_a_recording():
    values = np.random.default_rng(0).normal(3, 2, 400)
    mean, low, high = cluster_bootstrap_mean(values, np.arange(400))
    half = 1.96 * values.std() / 20
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.01)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """200 worlds: 95 % would be 190; binomial noise and the few recordings leave 178 to 198."""
    generator = np.random.default_rng(1)
    covered, naive = 0, 0
    for world in range(200):
        values, names = clustered(generator)
        _, low, high = cluster_bootstrap_mean(values, names, resamples=500, seed=world)
        covered += low <= 0 <= high
        _, low, high = cluster_bootstrap_mean(values, range(len(values)), resamples=500)
        naive += low <= 0 <= high
    assert 178 <= covered <= 198
    assert naive < 170  # what clips taken for independent would have claimed


def test_chance_is_called_a_difference_as_rarely_as_it_says():
    generator = np.random.default_rng(2)
    found = []
    for world in range(200):
        values, names = clustered(generator)
        found.append(paired_difference(values, 0 * values, names, 500, world).p < 0.05)
    assert np.mean(found) < 0.08


def test_the_interval_of_few_recordings_covers_the_truth_too():
    """Eight of them; the plain percentile interval misses it in 12 % of worlds."""
    generator = np.random.default_rng(4)
    missed = 0
    for world in range(200):
        _, low, high = cluster_bootstrap_mean(generator.normal(0, 1, 8), range(8), 1000, world)
        missed += not low <= 0 <= high
    assert missed <= 16


def test_a_table_of_chance_holds_a_verdict_as_rarely_as_it_says():
    """Forty tables of forty comparisons on twenty recordings: two have one, if 5 % is 5 %."""
    generator = np.random.default_rng(5)
    tables = [
        holm(sign_flips(generator.normal(0, 1, (20, 40)), range(20), 10_000, world)).min() < 0.05
        for world in range(40)
    ]
    assert sum(tables) <= 5


def test_copies_of_clips_do_not_narrow_the_interval():
    values, names = clustered(np.random.default_rng(3))
    once = cluster_bootstrap_mean(values, names)
    assert cluster_bootstrap_mean(np.tile(values, 7), np.tile(names, 7)) == pytest.approx(once)


def test_one_recording_has_no_interval_and_nothing_to_say():
    mean, low, high = cluster_bootstrap_mean([1, 2, 3], ["a"] * 3)
    assert mean == 2 and np.isnan(low) and np.isnan(high)
    assert paired_difference([1, 2, 3], [0, 0, 0], ["a"] * 3).p == 1


def test_few_recordings_that_agree_are_no_proof():
    """Five of one sign happen by chance in 1 of 16 worlds."""
    assert paired_difference(np.ones(5), np.zeros(5), np.arange(5)).p == 1 / 16


def test_no_values_have_no_mean():
    assert np.isnan(cluster_bootstrap_mean([np.nan], ["a"])).all()


def test_difference_is_taken_on_the_clips_that_both_have():
    first, second = [5, 1, np.nan, 2], [2, np.nan, 100, 1]
    assert paired_difference(first, second, list("abcd")).difference == 2


def test_p_is_the_share_of_sign_patterns_that_are_as_far_from_0():
    """Of +3, +2 and -1: 4 or more in size are +++, ++-, and both turned round; 4 of 8."""
    gap = paired_difference([3, 2, -1], [0, 0, 0], list("abc"))
    assert gap.difference == pytest.approx(4 / 3) and gap.p == 0.5
    assert paired_difference([3, -1], [0, 0], ["a", "b"])[:3] == (1, -1, 3)


def test_p_is_scipys():
    """Of 10 recordings by all patterns, of 30 by some; wilcoxon's cousin, permutation_test."""
    for count, tolerance in ((10, 1e-12), (30, 0.01)):
        gaps = np.random.default_rng(count).normal(0.3, 1, count)
        expected = permutation_test(
            (gaps,), np.mean, permutation_type="samples", n_resamples=9999, rng=1
        ).pvalue
        found = paired_difference(gaps, 0 * gaps, range(count)).p
        assert found == pytest.approx(expected, abs=tolerance)


def test_a_small_p_is_not_as_the_seed_has_it():
    """After Holm's correction of a hundred comparisons, p of this size decide."""
    gaps = np.random.default_rng(6).normal(0.62, 1, 30)
    found = [paired_difference(gaps, 0 * gaps, range(30), seed=seed).p for seed in range(4)]
    assert 1e-4 < min(found) < 1e-3
    assert max(found) < 1.2 * min(found)


def test_infinite_values_are_refused():
    with pytest.raises(InputError, match="infinite"):
        cluster_bootstrap_mean([1, -np.inf], ["a", "b"])
    with pytest.raises(InputError, match="infinite"):
        paired_difference([1, np.inf], [1, np.inf], ["a", "b"])


def test_holm_of_the_textbook():
    """Wikipedia's example: 0.01, 0.04, 0.03, 0.005 -> times 4 for the smallest, and so on."""
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1, 1])
    assert holm([]).size == 0


def test_verdicts_follow_the_direction_of_the_metric():
    frame = scores({"ours": (10, 10), "low": (5, 5), "alike": (10, 10), "high": (20, 20)})
    table = compare(frame, "ours", ["AD", "FF"]).set_index(["metric", "method"]).verdict
    assert table["AD"].to_dict() == {"low": "worse", "alike": "tie", "high": "better"}
    assert table["FF"].to_dict() == {"low": "better", "alike": "tie", "high": "worse"}


def test_a_table_holds_what_the_pairs_say_one_by_one():
    frame = scores({"ours": (10, 10), "theirs": (10.2, 10.3)})
    wide = frame.pivot(index="clip", columns="method", values="AD")
    recordings = frame.drop_duplicates("clip").recording.to_numpy()
    alone = paired_difference(wide.ours, wide.theirs, recordings, seed=4)
    row = compare(frame, "ours", ["AD", "FF"], seed=4).iloc[0]
    assert tuple(row[["difference", "low", "high", "p"]]) == pytest.approx(alone)
    mean = estimate(frame, ["AD"], seed=4).set_index("method").loc["ours"]
    expected = cluster_bootstrap_mean(wide.ours, recordings, seed=4)
    assert tuple(mean[["mean", "low", "high"]]) == pytest.approx(expected)


def test_p_is_corrected_over_all_metrics_at_once():
    """The least of six is multiplied by six, not by the three of its own metric."""
    means = {"ours": (10, 0), "a": (10.4, 0.2), "b": (10.1, 0), "c": (10, 0.1)}
    table = compare(scores(means), "ours", ["AD", "FF"], 500).sort_values("p")
    assert len(table) == 6 and 0 < table.p.iloc[0] < table.p.iloc[1] < 0.2
    assert table.p_holm.iloc[0] == pytest.approx(6 * table.p.iloc[0])
    assert table.p_holm.iloc[1] == pytest.approx(max(6 * table.p.iloc[0], 5 * table.p.iloc[1]))


def test_the_order_of_rows_changes_nothing():
    frame = scores({"ours": (10, 10), "a": (10.5, 9), "b": (9, 10.2)})
    shuffled = frame.sample(frac=1, random_state=0)
    for table in (lambda f: compare(f, "ours", ["AD", "FF"]), lambda f: estimate(f, ["AD", "FF"])):
        pd.testing.assert_frame_equal(table(frame), table(shuffled), check_exact=True)


def test_a_method_against_itself_is_a_tie_of_nothing():
    frame = scores({"ours": (10, 10)})
    twin = frame.assign(method="twin")
    table = compare(pd.concat([frame, twin]), "ours", ["AD", "FF"])
    assert (table[["difference", "low", "high"]] == 0).all(axis=None)
    assert (table.p == 1).all() and (table.verdict == "tie").all()


def test_more_comparisons_need_more_proof_but_proof_stays_possible():
    methods = {f"method {i}": (10, 10) for i in range(200)}
    frame = scores({"ours": (10, 10), "far": (60, 10), "near": (10.6, 10), **methods})
    few = compare(frame[frame.method.isin(["ours", "far", "near"])], "ours", ["AD"])
    many = compare(frame, "ours", ["AD", "FF"]).query("metric == 'AD'")
    assert dict(zip(few.method, few.verdict)) == {"far": "better", "near": "better"}
    assert many.set_index("method").verdict[["far", "near"]].tolist() == ["better", "tie"]


def test_methods_without_a_value_are_left_out():
    frame = scores({"ours": (1, 1), "half": (2, 2), "none": (3, 3)})
    frame.loc[(frame.method == "half") & (frame["clip"] > "c029"), "AD"] = np.nan
    frame.loc[frame.method == "none", "AD"] = np.nan
    table = compare(frame, "ours", ["AD"])
    assert dict(zip(table.method, table.shared)) == {"half": 30}
    assert dict(zip(*estimate(frame, ["AD"])[["method", "clips"]].T.to_numpy())) == {
        "half": 30,
        "ours": 60,
    }


def test_means_over_the_equal_budgets():
    frame = pd.DataFrame({f"AD@{b}": [b, np.nan] for b in (5, 10, 20, 40)} | {"FF@5": 1, "AI": 1})
    frame.loc[1, ["AD@5", "AD@10", "AD@20"]] = -np.inf, 1, 1
    found = with_means(frame)
    assert found["AD@mean"][0] == 18.75 and np.isnan(found["AD@mean"][1])
    assert set(found) - set(frame) == {"AD@mean"}
    silent = pd.DataFrame({f"SI-SDRi@{b}": [1.0, -np.inf] for b in (5, 10, 20, 40)})
    assert with_means(silent)["SI-SDRi@mean"].tolist() == [1, -np.inf]


def dissected(silences):
    """SI-SDR of methods, each 1 dB above the next; ``silences``: method -> silent clips."""
    frame = pd.concat(
        pd.DataFrame(
            {
                "method": name,
                "clip": [f"c{i:03}" for i in range(100)],
                "recording": [f"r{i}" for i in range(100)],
                "SI-SDRi": np.random.default_rng(1).normal(9 - place, 1, 100),
            }
        )
        for place, name in enumerate(silences)
    ).reset_index(drop=True)
    for name, clips in silences.items():
        frame.loc[(frame.method == name) & frame["clip"].isin(clips), "SI-SDRi"] = -np.inf
    return frame


def clips(count, start=0):
    return [f"c{i:03}" for i in range(start, start + count)]


def test_a_clip_that_an_explainer_silences_counts_for_none():
    frame = dissected({"ours": clips(2), "gradcam": clips(3, 10), "energy": clips(50, 30)})
    heard = heard_by_all(frame).set_index(["method", "clip"])["SI-SDRi"]
    known = heard.notna().groupby("method").sum()
    assert known.to_dict() == {"ours": 95, "gradcam": 95, "energy": 45}  # a control loses its own
    assert np.isfinite(heard.dropna()).all()
    assert silent_shares(frame) == {"ours": 0.02, "gradcam": 0.03, "energy": 0.5}
    assert estimate(frame, ["SI-SDRi"]).set_index("method").clips["ours"] == 95


def test_what_falls_silent_is_not_called_better():
    verdicts = []
    for silent in (5, 6):
        frame = dissected({"ours": clips(silent), "a": clips(silent, 20), "b": []})
        table = compare(frame, "ours", ["SI-SDRi"]).set_index("method")
        verdicts.append(table.verdict.to_dict())
        other = compare(frame, "b", ["SI-SDRi"]).set_index("method")
        verdicts.append(other.verdict.to_dict())
    assert verdicts[:2] == [{"a": "better", "b": "better"}, {"ours": "worse", "a": "worse"}]
    assert verdicts[2:] == [{"a": "tie", "b": "tie"}, {"ours": "tie", "a": "tie"}]
    frame = dissected({"a": [], "ours": clips(50)})
    assert compare(frame, "ours", ["SI-SDRi"]).verdict.tolist() == ["worse"]


@pytest.mark.parametrize(
    ("metric", "way"),
    [
        ("AD", -1),
        ("AD (as published)", -1),
        ("Fid-In@20", 1),
        ("deletion noise_floor", -1),
        ("insertion mean", 1),
        ("judge FF", 1),
        ("judge AD", -1),
        ("energy share@mean", 1),
        ("SI-SDRi@5", 1),
        ("COMP/ln", -1),
        ("written gap", -1),
        ("MM", 0),
    ],
)
def test_direction(metric, way):
    assert direction(metric) == way


def test_what_cannot_be_compared_is_said():
    frame = scores({"ours": (1, 1), "other": (2, 2)})
    with pytest.raises(InputError, match="twice"):
        compare(pd.concat([frame, frame]), "ours", ["AD"])
    with pytest.raises(InputError, match="no method us; there are"):
        compare(frame, "us", ["AD"])
    with pytest.raises(InputError, match="no column 'Fid-In'"):
        compare(frame, "ours", ["Fid-In"])
    with pytest.raises(InputError, match="no value of MM"):
        compare(frame.assign(MM=0.5), "ours", ["AD", "MM"])
    with pytest.raises(InputError, match="beauty is no metric"):
        compare(frame, "ours", ["beauty"])
    with pytest.raises(InputError, match="one source recording"):
        compare(frame.assign(recording=frame.method), "ours", ["AD"])
    with pytest.raises(InputError, match="AD is infinite"):
        estimate(frame.assign(AD=np.inf), ["AD"])
