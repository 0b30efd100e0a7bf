"""Explainers set side by side: their means, and which differences are more than chance."""

import re

import numpy as np
import pandas as pd

from speechbrain_lmac.metrics.statistics import (
    LEVEL,
    PATTERNS,
    RESAMPLES,
    check_finite,
    holm,
    interval,
    resample,
    sign_flips,
)
from speechbrain_lmac.metrics.top_k import BUDGETS
from speechbrain_lmac.utils.errors import InputError

MAX_SILENT = 0.05
"""A method that silences a larger share of clips is not called better in SI-SDR."""
CONTROLS = (
    "shuffled-clip",
    "mean-features",
    "shuffled-prompt",
    "constant",
    "sobel-edges",
    "energy",
    "random",
    "full-mask",
)
"""Methods that explain nothing: what explainers are measured by."""
HIGHER, NEITHER, LOWER = 1, 0, -1
DIRECTIONS = {
    **dict.fromkeys(("AI", "AG", "FF", "Fid-In", "SPS", "stability", "insertion"), HIGHER),
    **dict.fromkeys(("SI-SDRi", "energy share", "pointing", "judge FF", "judge Fid-In"), HIGHER),
    **dict.fromkeys(("AD", "COMP", "COMP/ln", "deletion", "judge AD", "written gap"), LOWER),
    **dict.fromkeys(("passes", "seconds"), LOWER),
    **dict.fromkeys(("MM", "silent", "failed"), NEITHER),
}
"""Stem of a column -> which way is better."""


def direction(metric):
    """Which way a column is better: 1 higher, -1 lower, 0 neither.

    Example
    -------
    >>> direction("AD@mean"), direction("insertion silence"), direction("MM")
    (-1, 1, 0)
    """
    stem = metric.split("@")[0]
    for name in (stem, stem.split(" ")[0]):
        if name in DIRECTIONS:
            return DIRECTIONS[name]
    raise InputError(f"{metric} is no metric; there are {', '.join(DIRECTIONS)}")


def with_means(frame):
    """The frame with a column ``<metric>@mean``, the mean over the equal budgets, for each metric
    that has them all; not a number where one budget has none, and infinite where one is.
    """
    budgets = [f"@{100 * share:g}" for share in BUDGETS]
    stems = [name[: -len(budgets[0])] for name in frame if name.endswith(budgets[0])]
    whole = [stem for stem in stems if {stem + budget for budget in budgets} <= set(frame)]
    means = {
        f"{stem}@mean": frame[[stem + budget for budget in budgets]]
        .astype(float)
        .mean(axis=1, skipna=False)
        for stem in whole
    }
    return frame.assign(**means)


def heard_by_all(frame, metric="SI-SDRi"):
    """The frame without SI-SDR (not a number instead) wherever a clip is silenced.

    A silent explanation has minus infinity there. Where any explainer has, the clip is left out
    for all methods, or the mean would flatter the silent one. A control loses the clip for itself
    alone: asked for a sound that is not there, a decoder is right to fall silent.

    Arguments
    ---------
    frame : pandas.DataFrame
        With ``method``, ``clip`` and the metric.
    metric : str
        A column in dB.

    Returns
    -------
    pandas.DataFrame
    """
    silent = np.isneginf(frame[metric].astype(float))
    by_explainer = silent & ~frame.method.isin(CONTROLS)
    lost = silent | frame["clip"].isin(frame["clip"][by_explainer])
    return frame.assign(**{metric: frame[metric].astype(float).mask(lost)})


def silent_shares(frame, metric="SI-SDRi"):
    """Method -> share of its clips that it silences; not a number where it has none."""
    values = frame[metric].astype(float)
    known = values.notna()
    return np.isneginf(values[known]).groupby(frame.method[known]).mean().to_dict()


def estimate(frame, metrics, resamples=RESAMPLES, seed=0):
    """Means of every method with 95 % intervals.

    Arguments
    ---------
    frame : pandas.DataFrame
        A row per method and clip, of one masking and condition.
    metrics : sequence of str
        Columns. SI-SDR is taken over the clips of :func:`heard_by_all`.
    resamples : int
        Bootstrap draws.
    seed : int
        Of the draws.

    Returns
    -------
    pandas.DataFrame
        A row per method and metric: ``method``, ``metric``, ``mean``, ``low``, ``high``, ``clips``
        and ``recordings``.
    """
    wide, recordings = _by_clip(frame, metrics)
    means, draws, spread = resample(wide.to_numpy(), recordings, resamples, seed)
    low, high = interval(draws, spread)
    columns = {"mean": means, "low": low, "high": high, "clips": wide.notna().sum().to_numpy()}
    table = wide.columns.to_frame(index=False)[["method", "metric"]]
    table = table.assign(**columns, recordings=spread)
    return table[table.clips > 0].reset_index(drop=True)


def compare(frame, method, metrics, resamples=RESAMPLES, seed=0):
    """Set one method against every other.

    Arguments
    ---------
    frame : pandas.DataFrame
        A row per method and clip, of one masking and condition.
    method : str
        From whose side the verdicts are.
    metrics : sequence of str
        Columns for which better has a meaning; the family that p is corrected over.
    resamples : int
        Bootstrap draws; of signs, ``PATTERNS`` times as many.
    seed : int
        Of the draws.

    Returns
    -------
    pandas.DataFrame
        A row per other method and metric that share clips: ``method``, ``metric``, ``difference``
        (of ``method`` less the other), ``low``, ``high``, ``p``, ``p_holm``, ``shared`` (clips) and
        ``verdict``: better or worse where the interval excludes 0 and ``p_holm`` is under 0.05,
        else tie.
    """
    ways = {metric: direction(metric) for metric in metrics}
    if NEITHER in ways.values():
        raise InputError(f"no value of {min(ways, key=lambda m: abs(ways[m]))} is the better one")
    wide, recordings = _by_clip(frame, metrics)
    if method not in frame.method.to_numpy():
        raise InputError(f"there is no method {method}; there are {sorted(set(frame.method))}")
    pairs = [pair for pair in wide.columns if pair[1] != method]
    own = wide[[(metric, method) for metric, _ in pairs]].to_numpy()
    gaps = own - wide[pairs].to_numpy()
    shared = (~np.isnan(gaps)).sum(axis=0)
    means, draws, spread = resample(gaps, recordings, resamples, seed)
    low, high = interval(draws, spread)
    p = sign_flips(gaps, recordings, PATTERNS * resamples, seed)
    table = pd.DataFrame(pairs, columns=["metric", "method"])[["method", "metric"]]
    columns = {"difference": means, "low": low, "high": high, "p": p}
    table = table.assign(**columns, shared=shared)[shared > 0].reset_index(drop=True)
    table["p_holm"] = holm(table.p)
    table["verdict"] = _verdicts(table, frame, method)
    return table


def _verdicts(table, frame, method):
    ways = table.metric.map(direction)
    clear = ((table.low > 0) | (table.high < 0)) & (table.p_holm < LEVEL)
    verdicts = np.where(table.difference * ways > 0, "better", "worse")
    verdicts[~clear] = "tie"
    for metric in filter(_is_si_sdr, table.metric.unique()):
        shares = silent_shares(frame, metric)
        winner = np.where(verdicts == "better", method, table.method)
        silent = np.array([shares.get(name, 0) > MAX_SILENT for name in winner])
        verdicts[silent & (table.metric == metric).to_numpy()] = "tie"
    return verdicts


def _is_si_sdr(metric):
    return re.match(r"SI-SDRi(@|$)", metric) is not None


def _by_clip(frame, metrics):
    """One row per clip, whatever the order of rows: ``[clips, metrics x methods]`` of float, and
    ``[clips]`` of recordings.
    """
    metrics = list(dict.fromkeys(metrics))
    missing = [name for name in ["method", "clip", "recording", *metrics] if name not in frame]
    if missing:
        raise InputError(f"the table has no column {missing[0]!r}")
    twice = frame[frame.duplicated(["method", "clip"])]
    if len(twice):
        raise InputError(
            f"{twice.method.iloc[0]} has clip {twice['clip'].iloc[0]} twice; give one masking and "
            "condition at a time"
        )
    sources = frame.groupby("clip").recording.unique()
    unclear = sources[sources.map(lambda found: len(found) != 1 or pd.isna(found[0]))]
    if len(unclear):
        raise InputError(f"clip {unclear.index[0]} does not have one source recording")
    for metric in filter(_is_si_sdr, metrics):
        frame = heard_by_all(frame, metric)
    for metric in metrics:
        check_finite(frame[metric], metric)
    table = frame.astype(dict.fromkeys(metrics, float))
    wide = table.pivot(index="clip", columns="method", values=metrics)
    wide.columns.names = ["metric", "method"]
    return wide, sources.loc[wide.index].str[0].to_numpy()
