"""Bootstrap and corrections on cases so small that every value is known."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from speechbrain_lmac.metrics import statistics
from speechbrain_lmac.utils.errors import InputError


def test_mean_is_of_clips_not_of_recordings():
    """Two clips of one recording and one of another: each clip counts once, in resamples too."""
    mean, low, high = statistics.cluster_bootstrap_mean([1, 2, 6], ["a", "a", "b"], 200)
    assert mean == 3
    assert low == pytest.approx(1.5) and high == pytest.approx(6)


def test_resampled_means_are_the_possible_ones():
    """Of two recordings of 2 and 1 clips: only a, only b or both, in a ratio of 1 : 1 : 2."""
    values = np.array([[1.0], [2.0], [6.0]])
    means, draws, held = statistics.resample(values, ["a", "a", "b"], 4000, seed=3)
    assert means.tolist() == [3] and held.tolist() == [2]
    found, counts = np.unique(draws.round(9), return_counts=True)
    assert draws.shape == (4000, 1) and found.tolist() == [1.5, 3, 6]
    np.testing.assert_allclose(counts / 4000, [0.25, 0.5, 0.25], atol=0.03)


def test_columns_of_same_recordings_share_draws():
    """So differences of columns are paired; a column that lacks a recording is drawn apart."""
    values = np.random.default_rng(0).normal(size=(6, 3))
    values[5, 2] = np.nan
    _, draws, held = statistics.resample(np.c_[values, values[:, :1] + 1], range(6), 100, seed=0)
    assert held.tolist() == [6, 6, 5, 6]
    np.testing.assert_allclose(draws[:, 3] - draws[:, 0], 1)
    _, alone, _ = statistics.resample(values[:5, 2:], range(5), 100, seed=0)
    np.testing.assert_array_equal(draws[:, 2:3], alone)


def test_draws_do_not_depend_on_how_many_at_once(monkeypatch):
    """Chunks bound memory: every resample is made, the last chunk being a short one."""
    values = np.random.default_rng(0).normal(size=(5, 1))
    _, whole, _ = statistics.resample(values, range(5), 25, seed=1)
    monkeypatch.setattr(statistics, "CHUNK", 10)
    _, parts, _ = statistics.resample(values, range(5), 25, seed=1)
    assert whole.shape == parts.shape == (25, 1)
    np.testing.assert_array_equal(whole, parts)


def test_a_column_without_values_is_not_a_number():
    values = np.array([[1.0, np.nan], [3.0, np.nan]])
    means, draws, held = statistics.resample(values, ["a", "b"], 10, seed=0)
    assert means[0] == 2 and np.isnan(means[1]) and held.tolist() == [2, 0]
    assert np.isfinite(draws[:, 0]).all() and np.isnan(draws[:, 1]).all()
    low, high = statistics.interval(draws, held)
    assert np.isfinite([low[0], high[0]]).all() and np.isnan([low[1], high[1]]).all()


def test_recordings_are_told_apart_by_their_text():
    """Numbers and names may be mixed, and the order of clips does not count."""
    one = statistics.cluster_bootstrap_mean([1, 2, 6, 0], [1, 1, "b", "c"], 50)
    other = statistics.cluster_bootstrap_mean([0, 6, 2, 1], ["c", "b", "1", "1"], 50)
    assert one == pytest.approx(other)


def test_interval_is_at_students_levels():
    """Hesterberg's expansion: the levels at which a normal bootstrap is Student's interval."""
    draws = np.linspace(0, 1, 100_001)[:, None].repeat(3, axis=1)
    low, high = statistics.interval(draws, np.array([2, 10, 1]))
    for place, count in enumerate((2, 10)):
        wider = stats.t.ppf(0.025, count - 1) * (count / (count - 1)) ** 0.5
        assert low[place] == pytest.approx(stats.norm.cdf(wider), abs=1e-6)
        assert high[place] == pytest.approx(1 - stats.norm.cdf(wider), abs=1e-6)
    assert np.isnan([low[2], high[2]]).all()


@pytest.mark.parametrize("count", [1, 2, 5, 11])
def test_sign_flips_are_counted_one_by_one(count, monkeypatch):
    """Against a loop over all patterns of signs, in several chunks."""
    monkeypatch.setattr(statistics, "CHUNK", 100)
    gaps = np.random.default_rng(count).integers(-3, 4, (count, 2)).astype(float)
    sums = [abs(np.array(signs) @ gaps) for signs in product((-1, 1), repeat=count)]
    expected = np.mean([found >= abs(gaps.sum(axis=0)) for found in sums], axis=0)
    np.testing.assert_allclose(statistics.sign_flips(gaps, range(count), 2**count), expected)


def test_sign_flips_flip_whole_recordings():
    """Two clips of one recording turn together, so they prove no more than one."""
    gaps = np.array([[1.0], [1.0], [1.0]])
    assert statistics.sign_flips(gaps, ["a", "a", "b"], 100).tolist() == [0.5]
    assert statistics.sign_flips(gaps, ["a", "b", "c"], 100).tolist() == [0.25]


def test_drawn_flips_have_a_least_p():
    """Fewer patterns drawn than there are: ``1 / (patterns + 1)``, or what its recordings allow."""
    gaps = np.ones((12, 2))
    gaps[4:, 1] = np.nan
    found = statistics.sign_flips(gaps, range(12), 10, seed=0)
    assert found.tolist() == [1 / 11, pytest.approx(2 / 11, abs=1 / 11)]
    assert found[1] >= 2.0**-3
    zeros = statistics.sign_flips(0 * gaps, range(12), 10)
    assert zeros.tolist() == [1, 1]


def test_drawn_flips_come_near_all_flips(monkeypatch):
    monkeypatch.setattr(statistics, "CHUNK", 300)
    gaps = np.random.default_rng(1).normal(0.3, 1, (11, 1))
    every = statistics.sign_flips(gaps, range(11), 2**11)
    some = statistics.sign_flips(gaps, range(11), 2**11 - 1, seed=0)
    again = statistics.sign_flips(gaps, range(11), 2**11 - 1, seed=1)
    assert every != some != again
    np.testing.assert_allclose([some, again], [every, every], atol=0.05)


def test_differences_are_the_means_of_gaps():
    first, second = np.array([5.0, 1, np.nan, 4]), np.array([2.0, 3, 1, np.nan])
    found = statistics.paired_difference(first, second, list("abcd"), 100, seed=4)
    gaps = first - second
    assert found[:3] == statistics.cluster_bootstrap_mean(gaps, list("abcd"), 100, seed=4)
    assert found.p == statistics.sign_flips(gaps[:, None], list("abcd"), 100)[0] == 1


def test_seeds_change_the_draws_and_nothing_else():
    values = np.random.default_rng(0).normal(size=30)
    one, same, other = (
        statistics.cluster_bootstrap_mean(values, range(30), 100, seed=seed) for seed in (0, 0, 1)
    )
    assert one == same and one.mean == other.mean and one.low != other.low
    assert one == statistics.cluster_bootstrap_mean(values, range(30), 100)


def test_infinite_values_are_refused_by_name():
    with pytest.raises(InputError, match=r"^AD is infinite and has no mean; leave the clip out"):
        statistics.check_finite([1, np.inf], "AD")
    with pytest.raises(InputError, match=r"^a value is infinite"):
        statistics.check_finite([1, -np.inf])
    assert statistics.check_finite(["1", 2]).tolist() == [1.0, 2.0]


@pytest.mark.parametrize("seed", range(3))
def test_holm_is_the_step_down_rule(seed):
    """Of n comparisons the k-th smallest p is multiplied by n - k + 1, and none falls below."""
    p = np.random.default_rng(seed).uniform(0, 0.5, 7)
    order, worst, expected = sorted(range(7), key=lambda place: p[place]), 0.0, {}
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, (7 - rank) * p[place]))
        expected[place] = worst
    np.testing.assert_allclose(statistics.holm(p), [expected[place] for place in range(7)])


def test_paired_difference_follows_its_seed():
    """Of more recordings than all patterns can be gone through for."""
    gaps = np.random.default_rng(0).normal(0.3, 1, 14)
    default, zero, again, other = (
        statistics.paired_difference(gaps, 0 * gaps, range(14), 10, **seed)
        for seed in ({}, {"seed": 0}, {"seed": 0}, {"seed": 1})
    )
    assert default == zero == again
    assert other.low != zero.low and other.p != zero.p
    hits = zero.p * (statistics.PATTERNS * 10 + 1)
    assert hits == pytest.approx(round(hits), abs=1e-9)


def test_as_many_signs_are_drawn_as_asked(monkeypatch):
    """What is as far from 0 under every pattern has a p of exactly 1."""
    monkeypatch.setattr(statistics, "CHUNK", 4)
    gaps = np.r_[1.0, -1, np.zeros(10)][:, None]
    assert statistics.sign_flips(gaps, range(12), 10).tolist() == [1]


def test_holm_of_whole_numbers_is_of_floats():
    assert statistics.holm([1, 0]).dtype == float


def test_one_recording_is_not_resampled():
    """However many clips it has, there is nothing to say of others."""
    means, draws, held = statistics.resample(np.array([[1.0], [3.0]]), ["a", "a"], 5, seed=0)
    assert means.tolist() == [2] and held.tolist() == [1] and np.isnan(draws).all()


def test_columns_have_means_of_their_own():
    values = np.array([[1.0, np.nan, 5.0], [2.0, np.nan, np.nan]])
    with np.errstate(all="raise"):
        means, _, held = statistics.resample(values, ["a", "b"], 5, seed=0)
    np.testing.assert_array_equal(means, [1.5, np.nan, 5])
    assert held.tolist() == [2, 0, 1]


def test_without_clips_there_is_nothing():
    means, draws, held = statistics.resample(np.zeros((0, 2)), [], 5, seed=0)
    assert np.isnan(means).all() and draws.shape == (5, 2) and held.tolist() == [0, 0]
    assert statistics.sign_flips(np.zeros((0, 2)), [], 5).tolist() == [1, 1]


def test_drawn_p_has_the_least_of_its_recordings():
    """A column of three recordings has 1/4, one of five 1/16, whatever is drawn by chance."""
    gaps = np.ones((12, 2))
    gaps[3:, 0] = gaps[5:, 1] = np.nan
    found = [statistics.sign_flips(gaps, range(12), 300, seed=seed) for seed in range(12)]
    assert np.min(found, axis=0).tolist() == [1 / 4, 1 / 16]
    assert np.max(found, axis=0).tolist() < [0.35, 0.15]


def test_signs_are_drawn_by_their_seed():
    gaps = np.random.default_rng(0).normal(0.3, 1, (12, 1))
    one, same, other, default = (
        statistics.sign_flips(gaps, range(12), 300, **seed)
        for seed in ({"seed": 0}, {"seed": 0}, {"seed": 1}, {})
    )
    assert one == same == default != other
