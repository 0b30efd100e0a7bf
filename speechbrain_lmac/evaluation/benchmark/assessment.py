"""What a bench measured, put together: means of all methods, and how one does against each."""

import numpy as np
import pandas as pd

from speechbrain_lmac.evaluation.benchmark.comparison import (
    compare,
    estimate,
    heard_by_all,
    with_means,
)
from speechbrain_lmac.metrics.statistics import RESAMPLES
from speechbrain_lmac.utils.errors import InputError

IDEAL = "oracle-irm"
"""The mask that knows the stems; neither an explainer nor a control."""
HEADLINE = ("AD@mean", "FF@mean", "Fid-In@mean", "insertion silence", "deletion silence")
TRUTH = ("SI-SDRi", "SI-SDRi@mean", "energy share", "energy share@mean", "pointing")
CHECKS = (
    *(f"{kind} {fill}" for fill in ("noise_floor", "mean") for kind in ("insertion", "deletion")),
    *("judge AD", "judge FF", "judge Fid-In", "stability", "written gap"),
)
FAMILIES = (HEADLINE, TRUTH, CHECKS)
"""Metrics that are compared, table by table; p is corrected within each."""
COMPARED = (*HEADLINE, *TRUTH, *CHECKS)
UNCLAIMED = ("AI@mean", "AG@mean")
"""Close to a coin toss for a mask that keeps the probability as it is; never compared."""
RAW = ("AD", "AD (as published)", "FF", "Fid-In", "AI", "AG", "SPS", "COMP", "COMP/ln", "MM")
COUNTS = ("silent", "failed")
SILENCED, OF_IDEAL, MEDIAN_SECONDS = "silenced", "% of ideal", "median seconds"
BUDGETED = tuple(f"{m}@{b}" for m in ("AD", "FF", "Fid-In", "AI", "AG") for b in (5, 10, 20, 40))
COLUMNS = (
    *("masking", "condition", "method", "metric", "mean", "low", "high", "clips", "recordings"),
    *("difference", "difference_low", "difference_high", "p", "p_holm", "shared", "verdict"),
)


def assess(frame, reference, resamples=RESAMPLES, seed=0):
    """Means of all methods under all conditions, and how the reference does against each.

    Arguments
    ---------
    frame : pandas.DataFrame
        Of the bench: a row per masking, condition, method and clip.
    reference : str
        The method that others are set against.
    resamples : int
        Bootstrap draws.
    seed : int
        Of the draws.

    Returns
    -------
    pandas.DataFrame
        A row per masking, condition, method and metric, in the order in which they came:
        ``mean``, ``low``, ``high``, ``clips`` and ``recordings`` of :func:`comparison.estimate`
        and, where the metric is compared, ``difference`` (reference less method),
        ``difference_low``, ``difference_high``, ``p``, ``p_holm``, ``shared`` and ``verdict`` (on
        the reference) of :func:`comparison.compare`.
    """
    if reference not in frame.method.to_numpy():
        raise InputError(f"there is no method {reference}; there are {sorted(set(frame.method))}")
    frame = with_means(frame)
    parts = [
        _assess_part(part, reference, resamples, seed).assign(masking=masking, condition=condition)
        for (masking, condition), part in frame.groupby(["masking", "condition"], sort=False)
    ]
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)


def _assess_part(part, reference, resamples, seed):
    """One masking and condition, the reference first and methods in the order in which they came:
    an interpreter that joins in later comes last.
    """
    for metric in (name for name in TRUTH[:2] if name in part):
        level = part[metric].astype(float)
        lost = np.isneginf(level).astype(float).mask(level.isna())
        part = part.assign(**{silenced(metric): lost})
    silence = [silenced(metric) for metric in TRUTH[:2]]
    alone = (*UNCLAIMED, *RAW, *COUNTS, *silence, *BUDGETED, "passes", "seconds")
    table = estimate(part, _measured(part, (*COMPARED, *alone)), resamples, seed)
    families = [held for family in FAMILIES if (held := _measured(part, family))]
    if reference in part.method.to_numpy() and families:
        found = [compare(part, reference, family, resamples, seed) for family in families]
        names = {"low": "difference_low", "high": "difference_high"}
        table = table.merge(pd.concat(found).rename(columns=names), "left", ["method", "metric"])
    table = pd.concat([table, _of_ideal(part), _median_seconds(part)], ignore_index=True)
    names = sorted(part.method.unique(), key=lambda name: name != reference)
    place = {name: i for i, name in enumerate(names)}
    return table.sort_values("method", key=lambda names: names.map(place), kind="stable")


def silenced(metric):
    """The column that counts the clips of which a method leaves nothing to measure."""
    return metric.replace("SI-SDRi", SILENCED)


def _measured(part, metrics):
    return [name for name in metrics if name in part and part[name].notna().any()]


def _of_ideal(part):
    """SI-SDR improvement in per cent of the ideal mask's, on the clips that both have."""
    if "SI-SDRi" not in part or IDEAL not in part.method.to_numpy():
        return None
    wide = heard_by_all(part).pivot(index="clip", columns="method", values="SI-SDRi")
    both = wide.mask(wide[IDEAL].isna())
    ideal = both.notna().mul(wide[IDEAL].fillna(0), axis=0).sum()
    shares = (100 * both.sum() / ideal.where(ideal > 0)).dropna()
    return shares.reset_index(name="mean").assign(metric=OF_IDEAL)


def _median_seconds(part):
    """The median, which a first batch with all that it has to load does not move."""
    if "seconds" not in part:
        return None
    seconds = part.groupby("method").seconds.median().reset_index(name="mean")
    return seconds.assign(metric=MEDIAN_SECONDS)
