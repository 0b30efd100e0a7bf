"""Means with their uncertainty: a cluster bootstrap, and correction for many comparisons.

Clips cut from one recording are alike, so whole recordings are resampled (Davison and Hinkley,
1997, section 3.8). Of few recordings a percentile interval is too narrow: it is taken at the levels
at which it would be Student's (Hesterberg, The American Statistician 69, 2015, section 3.3). And a
p below 1 in a hundred, which a correction for many comparisons asks for, comes from a test that
is exact for any number of them: the signs of the recordings' differences are flipped.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm, t

from speechbrain_lmac.utils.errors import InputError

RESAMPLES = 10_000
PATTERNS = 100
"""Of signs, for each resample: what a long table asks of p is a few in ten thousand, and a p that
rests on a few hits would be better or a tie as the seed has it."""
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
    """Mean with its 95 % expanded percentile interval under resampling of whole recordings.

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
    means, draws, spread = resample(check_finite(values)[:, None], recordings, resamples, seed)
    low, high = interval(draws, spread)
    return Estimate(float(means[0]), float(low[0]), float(high[0]))


def paired_difference(first, second, recordings, resamples=RESAMPLES, seed=0):
    """Difference of the means of two methods on the clips that both have.

    p is that of :func:`sign_flips`, at least ``2 ** (1 - recordings)``.

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
    low, high = interval(draws, spread)
    p = sign_flips(gaps[:, None], recordings, PATTERNS * resamples, seed)
    return Difference(*(float(a[0]) for a in (means, low, high, p)))


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
    sums, counts = _by_recording(values, recordings)
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


def _by_recording(values, recordings):
    """Sums and counts of ``[clips, columns]``, ``[recordings, columns]`` each."""
    place = np.unique(np.asarray(recordings).astype(str), return_inverse=True)[1]
    held = ~np.isnan(values)
    sums, counts = np.zeros((2, place.max(initial=-1) + 1, values.shape[1]))
    np.add.at(sums, place, np.where(held, values, 0))
    np.add.at(counts, place, held)
    return sums, counts


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


def interval(draws, recordings):
    """95 % expanded percentile interval of ``[resamples, columns]``, of so many recordings
    ``[columns]``: ``[columns]`` twice.
    """
    found = np.full((2, draws.shape[1]), np.nan)
    for count in np.unique(recordings[recordings > 1]):
        same = recordings == count
        share = norm.cdf(t.ppf(LEVEL / 2, count - 1) * np.sqrt(count / (count - 1)))
        found[:, same] = np.quantile(draws[:, same], [share, 1 - share], axis=0)
    return found


def sign_flips(gaps, recordings, patterns=PATTERNS * RESAMPLES, seed=0):
    """Two-sided p of the mean of paired differences: how often it is as far from 0 when the sign of
    each recording's is a coin toss (Fisher's randomization test).

    All sign patterns are gone through where there are no more of them than ``patterns``.

    Arguments
    ---------
    gaps : array
        ``[clips, columns]``; what is not a number is left out.
    recordings : array
        ``[clips]``: the source recording of each.
    patterns : int
        Patterns drawn.
    seed : int
        Of the draws.

    Returns
    -------
    array
        ``[columns]``; 1 where there is nothing to compare.
    """
    sums, _ = _by_recording(gaps, recordings)
    count = len(sums)
    observed = np.abs(sums.sum(axis=0)) * (1 - 1e-12)  # sums of other orders round otherwise
    exhaustive = 2**count <= patterns
    signs = _all_signs(count) if exhaustive else _drawn_signs(count, patterns, seed)
    further = sum((np.abs(some @ sums) >= observed).sum(axis=0) for some in signs)
    if exhaustive:
        return further / 2**count
    held = (sums != 0).sum(axis=0)  # of columns that have fewer recordings
    return np.maximum((further + 1) / (patterns + 1), np.minimum(2.0 ** (1 - held), 1))


def _all_signs(count):
    """All patterns of so many signs, ``[up to CHUNK, count]`` at a time."""
    for start in range(0, 2**count, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, 2**count))
        yield 2.0 * ((numbers[:, None] >> np.arange(count)) & 1) - 1


def _drawn_signs(count, patterns, seed):
    """Patterns at random, ``[up to CHUNK, count]`` at a time."""
    generator = np.random.default_rng(seed)
    for start in range(0, patterns, CHUNK):
        yield generator.choice([-1.0, 1.0], (min(CHUNK, patterns - start), count))


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
