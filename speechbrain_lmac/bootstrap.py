"""Means with their uncertainty: a cluster bootstrap, and correction for many comparisons.

Clips cut from one recording are alike, so whole recordings are resampled (Davison and Hinkley,
1997, section 3.8).
"""

from typing import NamedTuple

import numpy as np

from speechbrain_lmac.errors import InputError

RESAMPLES = 10_000
LEVEL = 0.05
CHUNK = 1000  # resamples drawn at once, so that memory does not grow with their number


class Estimate(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """A difference of means with its 95 % interval and two-sided p."""

    difference: float
    low: float
    high: float
    p: float


def cluster_bootstrap_mean(values, recordings, resamples=RESAMPLES, seed=0):
    """Mean with its 95 % percentile interval under resampling of whole recordings.

    Arguments
    ---------
    values : array
        ``[clips]``; what is not a number is left out.
    recordings : array
        ``[clips]``: the source recording of each.
    resamples : int
        Bootstrap draws.
    seed : int
        Of the draws.

    Returns
    -------
    Estimate
        Without an interval (not a number) where there are fewer than two recordings.
    """
    means, draws, _ = resample(check_finite(values)[:, None], recordings, resamples, seed)
    low, high = interval(draws)
    return Estimate(float(means[0]), float(low[0]), float(high[0]))


def paired_difference(first, second, recordings, resamples=RESAMPLES, seed=0):
    """Difference of the means of two methods on the clips that both have.

    p is twice the smaller share of resamples on either side of 0, with the add-one correction
    (Davison and Hinkley, 1997, equation 4.11), and at least ``2 ** (1 - recordings)``: no two-sided
    test of so few that agree in sign can say more.

    Arguments
    ---------
    first, second : array
        ``[clips]``; a clip is left out where either is not a number.
    recordings : array
        ``[clips]``: the source recording of each.
    resamples : int
        Bootstrap draws.
    seed : int
        Of the draws.

    Returns
    -------
    Difference
        Of ``first`` less ``second``.
    """
    gaps = check_finite(first) - check_finite(second)
    means, draws, spread = resample(gaps[:, None], recordings, resamples, seed)
    low, high = interval(draws)
    return Difference(*(float(a[0]) for a in (means, low, high, p_values(draws, spread))))


def check_finite(values, name="a value"):
    """Values as an array of float; an infinite one has no mean."""
    values = np.asarray(values, float)
    if np.isinf(values).any():
        raise InputError(f"{name} is infinite and has no mean; leave the clip out for all methods")
    return values


def resample(values, recordings, resamples, seed):
    """Means of columns, also under resampling of recordings, drawn once for all columns that are
    of the same ones: ``[clips, columns]`` -> ``[columns]``, ``[resamples, columns]``, and how many
    recordings each column has.
    """
    place = np.unique(np.asarray(recordings).astype(str), return_inverse=True)[1]
    held = ~np.isnan(values)
    sums, counts = np.zeros((2, place.max(initial=-1) + 1, values.shape[1]))
    np.add.at(sums, place, np.where(held, values, 0))
    np.add.at(counts, place, held)
    present = counts > 0
    draws = np.full((resamples, values.shape[1]), np.nan)
    for those in np.unique(present, axis=1).T:
        same = (present == those[:, None]).all(axis=0)
        if those.sum() > 1:  # one recording says nothing of others
            cells = np.ix_(those, same)
            draws[:, same] = _resampled_means(sums[cells], counts[cells], resamples, seed)
    total = counts.sum(axis=0)
    means = np.divide(sums.sum(axis=0), total, out=np.full(len(total), np.nan), where=total > 0)
    return means, draws, present.sum(axis=0)


def _resampled_means(sums, counts, resamples, seed):
    """``[recordings, columns]`` twice -> ``[resamples, columns]``."""
    generator = np.random.default_rng(seed)
    recordings = len(sums)
    even = np.full(recordings, 1 / recordings)
    means = []
    for start in range(0, resamples, CHUNK):
        size = min(CHUNK, resamples - start)
        drawn = generator.multinomial(recordings, even, size=size).astype(float)
        means.append((drawn @ sums) / (drawn @ counts))
    return np.concatenate(means)


def interval(draws):
    """95 % percentile interval of ``[resamples, columns]``: ``[columns]`` twice."""
    return np.percentile(draws, [50 * LEVEL, 100 - 50 * LEVEL], axis=0)


def p_values(draws, recordings):
    """``[resamples, columns]`` and ``[columns]`` -> ``[columns]``."""
    tails = [1 + (draws <= 0).sum(axis=0), 1 + (draws >= 0).sum(axis=0)]
    p = 2 * np.minimum(*tails) / (len(draws) + 1)
    return np.clip(p, np.minimum(2.0 ** (1 - recordings), 1), 1)


def holm(p_values):
    """Holm's step-down correction (1979), which holds under any dependence.

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
