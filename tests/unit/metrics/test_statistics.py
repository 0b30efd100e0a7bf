"""Statistics: closed forms, other packages' tests, and coverage in simulated experiments."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from speechbrain_lmac.metrics import statistics
from speechbrain_lmac.metrics.statistics import (
    MIN_BOOTSTRAP,
    cluster_bootstrap_mean,
    holm,
    paired_difference,
)
from speechbrain_lmac.utils.errors import InputError


def clustered(generator, recordings=40, largest=5):
    """Draw clips whose recordings differ more than the clips of one recording; true mean 0."""
    sizes = generator.integers(1, largest + 1, recordings)
    names = np.repeat(np.arange(recordings), sizes)
    shared = generator.normal(0, 1, recordings)
    return shared[names] + generator.normal(0, 0.3, len(names)), names


def test_mean_of_few_is_student_interval():
    """Fewer than 20 recordings: the textbook interval of the mean, one clip per recording."""
    values = np.random.default_rng(0).normal(3, 2, MIN_BOOTSTRAP - 1)
    expected = stats.t.interval(0.95, len(values) - 1, loc=values.mean(), scale=stats.sem(values))
    assert cluster_bootstrap_mean(values, range(len(values))) == pytest.approx(
        (values.mean(), *expected)
    )


def test_mean_of_few_clusters_is_linearized():
    """Two clips of one recording and one of another: mean 2, residuals -1 and 1, df 1."""
    half = stats.t.ppf(0.975, 1) * np.sqrt(2 * 2) / 3
    result = cluster_bootstrap_mean([1.0, 2.0, 3.0], ["a", "a", "b"])
    assert result == pytest.approx((2, 2 - half, 2 + half))


def test_mean_of_many_is_normal_interval():
    """400 independent values: mean plus and minus 1.96 standard errors."""
    values = np.random.default_rng(0).normal(3, 2, 400)
    mean, low, high = cluster_bootstrap_mean(values, np.arange(400))
    half = 1.96 * values.std() / 20
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.02)


def test_mean_interval_follows_skewed_data():
    """The interval of exponential values reaches further on the side of the long tail."""
    values = np.random.default_rng(0).exponential(1, 40)
    mean, low, high = cluster_bootstrap_mean(values, range(40))
    assert high - mean > 1.1 * (mean - low)


@pytest.mark.parametrize("recordings", [8, 40])
def test_mean_interval_covers_the_truth(recordings):
    """200 experiments of few and of many recordings: about 95 % of the intervals cover 0."""
    generator = np.random.default_rng(1)
    covered, naive = 0, 0
    for trial in range(200):
        values, names = clustered(generator, recordings)
        _, low, high = cluster_bootstrap_mean(values, names, resamples=500, seed=trial)
        covered += low <= 0 <= high
        _, low, high = cluster_bootstrap_mean(values, range(len(values)), resamples=500)
        naive += low <= 0 <= high
    assert 178 <= covered <= 198
    assert naive < 170  # if clips are treated as independent


@pytest.mark.parametrize("recordings", [8, 40])
def test_difference_keeps_its_error_rate(recordings):
    """200 experiments without a difference: 5 % have p < 0.05."""
    generator = np.random.default_rng(2)
    rejected = 0
    for trial in range(200):
        values, names = clustered(generator, recordings)
        rejected += paired_difference(values, 0 * values, names, 50, trial).p < 0.05
    assert rejected <= 18


def test_holm_keeps_the_familywise_error():
    """Forty tables of forty comparisons without a difference: 5 % have a verdict."""
    generator = np.random.default_rng(5)
    tables = 0
    for _ in range(40):
        gaps = generator.normal(0, 1, (40, 20))
        p_values = [statistics._signed_rank_p(row) for row in gaps]
        tables += holm(p_values).min() < 0.05
    assert tables <= 5


def test_copies_of_clips_change_nothing():
    """Seven copies of each clip carry no information about other recordings."""
    values, names = clustered(np.random.default_rng(3))
    once = cluster_bootstrap_mean(values, names)
    assert cluster_bootstrap_mean(np.tile(values, 7), np.tile(names, 7)) == pytest.approx(once)


def test_single_recording_has_no_interval():
    """One recording has a mean, no interval and p = 1."""
    mean, low, high = cluster_bootstrap_mean([1, 2, 3], ["a"] * 3)
    assert mean == 2 and np.isnan(low) and np.isnan(high)
    assert paired_difference([1, 2, 3], [0, 0, 0], ["a"] * 3).p == 1


def test_mean_of_no_values_is_nan():
    """All values missing: everything is NaN."""
    assert np.isnan(cluster_bootstrap_mean([np.nan], ["a"])).all()
    assert np.isnan(paired_difference([np.nan], [1.0], ["a"])[:3]).all()


@pytest.mark.parametrize("count", [2, 10, 60])
def test_constant_values_have_a_point_interval(count):
    """Equal values give finite intervals of zero width, and p = 1 for a zero difference."""
    assert cluster_bootstrap_mean(np.full(count, 3.0), range(count)) == (3, 3, 3)
    result = paired_difference(np.ones(count), np.ones(count), range(count))
    assert result == (0, 0, 0, 1)


def test_binary_values_have_finite_intervals():
    """One success among 40 recordings: the interval is finite and contains the mean."""
    mean, low, high = cluster_bootstrap_mean(np.arange(40) == 7, range(40))
    assert 0 <= low <= mean == 1 / 40 < high < 0.3


def test_missing_values_are_ignored():
    """The difference uses the clips that both methods have."""
    first, second = [5, 1, np.nan, 2], [2, np.nan, 100, 1]
    assert paired_difference(first, second, list("abcd")).difference == 2


def test_p_of_unanimous_recordings_is_exact():
    """All n recordings agree by chance in 2 of 2 ** n cases, whatever the size of the gaps."""
    for count in (2, 5, 12):
        gaps = np.linspace(1, 2, count)
        assert paired_difference(gaps, 0 * gaps, range(count)).p == pytest.approx(
            2.0 ** (1 - count)
        )


@pytest.mark.parametrize("count", [3, 7, 11])
def test_p_equals_enumerated_rank_sums(count):
    """All sign patterns enumerated: the p-value is the fraction as far from the expected sum."""
    gaps = np.random.default_rng(count).normal(0.4, 1, count)
    ranks = stats.rankdata(abs(gaps))
    sums = np.array([ranks @ signs for signs in product((-1, 1), repeat=count)])
    expected = np.mean(abs(sums) >= abs(ranks @ np.sign(gaps)) - 1e-9)
    result = paired_difference(gaps, 0 * gaps, range(count))
    assert result.p == pytest.approx(expected)
    assert result.difference == pytest.approx(gaps.mean())


def test_p_ranks_means_of_recordings():
    """Two clips of one recording are one observation."""
    first = paired_difference([1, 1, 2, 3.5], [0] * 4, ["a", "a", "b", "c"]).p
    assert first == paired_difference([1, 2, 3.5], [0] * 3, ["a", "b", "c"]).p == 0.25


def test_p_is_near_the_permutation_test():
    """Normal differences: ranks lose little against the means (scipy's permutation test)."""
    gaps = np.random.default_rng(6).normal(0.6, 1, 30)
    expected = stats.permutation_test(
        (gaps,), np.mean, permutation_type="samples", n_resamples=9999, rng=1
    ).pvalue
    assert paired_difference(gaps, 0 * gaps, range(30)).p == pytest.approx(expected, abs=0.01)


def test_difference_is_the_mean_of_gaps():
    """The interval of a difference is that of the mean of the gaps, with the same seed."""
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 40))
    result = paired_difference(first, second, range(40), 100, seed=4)
    assert result[:3] == cluster_bootstrap_mean(first - second, range(40), 100, seed=4)


def test_seed_changes_the_interval_only():
    """Intervals depend on the seed; means and p-values do not."""
    gaps = np.random.default_rng(0).normal(size=30)
    one, same, other = (
        paired_difference(gaps, 0 * gaps, range(30), 100, seed=seed) for seed in (0, 0, 1)
    )
    assert one == same and one.difference == other.difference and one.p == other.p
    assert one.low != other.low


def test_recordings_are_compared_as_text():
    """Numbers and names may be mixed, and the order of the clips has no effect."""
    one = cluster_bootstrap_mean([1, 2, 6, 0], [1, 1, "b", "c"])
    other = cluster_bootstrap_mean([0, 6, 2, 1], ["c", "b", "1", "1"])
    assert one == pytest.approx(other)


def test_infinite_values_are_refused():
    """The error names the metric."""
    with pytest.raises(InputError, match=r"^AD must be finite or NaN, got inf"):
        statistics.check_finite([1, np.inf], "AD")
    with pytest.raises(InputError, match="a value must be finite"):
        cluster_bootstrap_mean([1, -np.inf], ["a", "b"])
    with pytest.raises(InputError, match="must be finite"):
        paired_difference([1, np.inf], [1, np.inf], ["a", "b"])
    assert statistics.check_finite(["1", 2]).tolist() == [1.0, 2.0]


def test_holm_matches_the_textbook():
    """Wikipedia's example: the smallest p is multiplied by 4, the next by 3, and so on."""
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1, 1])
    assert holm([]).size == 0 and holm([1, 0]).dtype == float


@pytest.mark.parametrize("seed", range(3))
def test_holm_is_the_step_down_rule(seed):
    """The k-th smallest of n p-values is multiplied by n - k + 1, and none falls below."""
    p = np.random.default_rng(seed).uniform(0, 0.5, 7)
    order, worst, expected = sorted(range(7), key=lambda place: p[place]), 0.0, {}
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, (7 - rank) * p[place]))
        expected[place] = worst
    np.testing.assert_allclose(holm(p), [expected[place] for place in range(7)])
