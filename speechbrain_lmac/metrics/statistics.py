"""Means with confidence intervals, paired tests and Holm's correction for clustered clips.

Clips cut from one recording are correlated. All statistics therefore resample or rank whole
recordings (Davison and Hinkley, 1997, section 3.8): means are ratios of per-recording sums, with
BCa bootstrap intervals (Efron, 1987), and p-values are those of Wilcoxon's signed-rank test on
per-recording differences.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import DegenerateDataWarning, bootstrap, t, wilcoxon

from speechbrain_lmac.utils.errors import InputError

RESAMPLES = 5000
LEVEL = 0.05
MIN_RECORDINGS = 2
"""Fewer recordings have no interval: they say nothing about other recordings."""
MIN_BOOTSTRAP = 20
"""With fewer recordings than this, intervals are Student's: bootstrap intervals would be too
narrow (BCa intervals of 8 normal values miss the mean in 12 % of trials instead of 5 %)."""


class Estimate(NamedTuple):
    """A mean with its 95 % confidence interval."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """A mean paired difference with its 95 % confidence interval and two-sided p-value."""

    difference: float
    low: float
    high: float
    p: float


def cluster_bootstrap_mean(
    values: ArrayLike, recordings: ArrayLike, resamples: int = RESAMPLES, seed: int = 0
) -> Estimate:
    """Compute a mean over clips and its 95 % interval over recordings.

    Arguments
    ---------
    values : array-like
        Scores, ``[clips]``. NaN values are ignored.
    recordings : array-like
        Source recording of each clip, ``[clips]``.
    resamples : int
        Number of bootstrap resamples. Default: 5000.
    seed : int
        Seed of the resampling. Default: 0.

    Returns
    -------
    Estimate
        The interval is NaN for fewer than two recordings.

    Raises
    ------
    InputError
        If a value is infinite.

    Example
    -------
    >>> cluster_bootstrap_mean([1.0, 1.0, 1.0], ["a", "a", "b"])
    Estimate(mean=1.0, low=1.0, high=1.0)
    """
    sums, counts = _sum_by_recording(check_finite(values), recordings)
    if not len(sums):
        return Estimate(np.nan, np.nan, np.nan)
    mean = float(_ratio(sums, counts))
    return Estimate(mean, *_interval(sums, counts, mean, resamples, seed))


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    recordings: ArrayLike,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Compare two methods on the clips that both have.

    Arguments
    ---------
    first, second : array-like
        Scores of the two methods, ``[clips]``. A clip is ignored if either score is NaN.
    recordings : array-like
        Source recording of each clip, ``[clips]``.
    resamples : int
        Number of bootstrap resamples. Default: 5000.
    seed : int
        Seed of the resampling. Default: 0.

    Returns
    -------
    Difference
        Mean of ``first - second``. The p-value is at least ``2 ** (1 - recordings)``; it is 1 if
        no recording differs.

    Example
    -------
    >>> paired_difference([3, 4, 5, 6, 7], [1, 1, 1, 1, 1], list("abcde")).p
    0.0625
    """
    gaps = check_finite(first) - check_finite(second)
    estimate = cluster_bootstrap_mean(gaps, recordings, resamples, seed)
    sums, counts = _sum_by_recording(gaps, recordings)
    return Difference(*estimate, _signed_rank_p(sums / counts))


def check_finite(values: ArrayLike, name: str = "a value") -> np.ndarray:
    """Convert values to a float array and raise InputError if one is infinite."""
    array = np.asarray(values, float)
    if np.isinf(array).any():
        raise InputError(f"{name} must be finite or NaN, got inf. Exclude the clip for all methods")
    return array


def holm(p_values: ArrayLike) -> np.ndarray:
    """Apply Holm's step-down correction (1979), which holds under any dependence.

    Example
    -------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, float)
    order = p_values.argsort(kind="stable")
    scaled = p_values[order] * np.arange(len(order), 0, -1)
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return corrected


def _sum_by_recording(values: np.ndarray, recordings: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum and the number of the values of each recording that has any."""
    present = ~np.isnan(values)
    names = np.asarray(recordings).astype(str)[present]
    _, place = np.unique(names, return_inverse=True)
    return np.bincount(place, values[present]), np.bincount(place)


def _ratio(sums: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
    return sums.sum(axis=axis) / counts.sum(axis=axis)


def _interval(
    sums: np.ndarray, counts: np.ndarray, mean: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Return the BCa interval, or Student's for few recordings and degenerate resamples."""
    if len(sums) < MIN_RECORDINGS:
        return np.nan, np.nan
    if len(sums) >= MIN_BOOTSTRAP:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", DegenerateDataWarning)
            result = bootstrap(
                (sums, counts),
                _ratio,
                n_resamples=resamples,
                paired=True,
                vectorized=True,
                method="BCa",
                rng=np.random.default_rng(seed),
            )
        low, high = result.confidence_interval
        if np.isfinite([low, high]).all():
            return float(low), float(high)
    return _student_interval(sums, counts, mean)


def _student_interval(sums: np.ndarray, counts: np.ndarray, mean: float) -> tuple[float, float]:
    """Return Student's interval of a ratio of sums, linearized (Cochran, 1977, section 6.3)."""
    size = len(sums)
    residuals = sums - mean * counts
    error = np.sqrt(size / (size - 1) * np.square(residuals).sum()) / counts.sum()
    half = t.ppf(1 - LEVEL / 2, size - 1) * error
    return float(mean - half), float(mean + half)


def _signed_rank_p(gaps: np.ndarray) -> float:
    """Return Wilcoxon's two-sided p-value of per-recording differences; 1 if all are zero."""
    if not gaps.any():
        return 1.0
    return float(wilcoxon(gaps[gaps != 0]).pvalue)
