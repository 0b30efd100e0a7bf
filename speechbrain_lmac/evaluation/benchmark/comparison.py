"""Comparison of methods: means with intervals, paired differences, verdicts."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import pandas as pd

from speechbrain_lmac.evaluation.benchmark.scores import (
    COLUMNS,
    COMPARED,
    FAMILIES,
    KEYS,
    MAX_SILENT,
    ORACLE,
    RAW,
    SI_SDRI,
    Score,
    drop_silenced,
    silenced_fractions,
    with_score_names,
)
from speechbrain_lmac.metrics.insertion_deletion import KINDS
from speechbrain_lmac.metrics.registry import METRICS
from speechbrain_lmac.metrics.statistics import (
    LEVEL,
    RESAMPLES,
    check_finite,
    cluster_bootstrap_mean,
    holm,
    paired_difference,
)
from speechbrain_lmac.utils.errors import InputError


def estimate(
    frame: pd.DataFrame,
    interval_scores: Sequence[Score] = COMPARED,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Compute the mean of every method and score.

    Arguments
    ---------
    frame : pandas.DataFrame
        Long-format table of one masking domain and condition, with named fractions.
    interval_scores : sequence of tuple
        Scores that get a 95 % interval. Default: all compared scores.
    resamples : int
        Number of bootstrap resamples. Default: 5000.
    seed : int
        Seed of the resampling. Default: 0.

    Returns
    -------
    pandas.DataFrame
        ``method``, ``metric``, ``fraction``, ``mean`` (of ``seconds``, the median, which the
        first batch does not distort), ``low``, ``high``, ``clips`` and ``recordings``.
    """
    frame = drop_silenced(frame)
    rows = []
    for (method, metric, fraction), part in frame.groupby(KEYS, sort=False):
        check_finite(part.value, str(metric))
        low = high = np.nan
        if (metric, fraction) in interval_scores:
            part = part.sort_values("clip")
            _, low, high = cluster_bootstrap_mean(part.value, part.recording, resamples, seed)
        counts = len(part), part.recording.nunique()
        mean = part.value.median() if metric == "seconds" else part.value.mean()
        rows.append((method, metric, fraction, mean, low, high, *counts))
    columns = [*KEYS, "mean", "low", "high", "clips", "recordings"]
    return pd.DataFrame(rows, columns=columns)


def compare(
    frame: pd.DataFrame,
    reference: str,
    scores: Sequence[Score],
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare one method with every other, clip by clip.

    Arguments
    ---------
    frame : pandas.DataFrame
        Long-format table of one masking domain and condition, with named fractions.
    reference : str
        Method that is compared with all others.
    scores : sequence of tuple
        Scores to compare: one family, over which p-values are corrected.
    resamples : int
        Number of bootstrap resamples. Default: 5000.
    seed : int
        Seed of the resampling. Default: 0.

    Returns
    -------
    pandas.DataFrame
        ``method``, ``metric``, ``fraction``, ``difference`` (reference minus method), its interval
        ``difference_low`` and ``difference_high``, ``p``, ``p_holm``, ``shared`` (clips of both),
        and ``verdict`` on the reference: ``better`` or ``worse`` if the interval excludes 0 and
        ``p_holm`` is below 0.05, else ``tie``.

    Raises
    ------
    InputError
        If the reference has no rows, a clip appears twice, or a metric has no better direction.
    """
    wide, recordings = _by_clip(frame, reference, scores)
    values = dict(zip(cast("pd.MultiIndex", wide.columns), wide.to_numpy().T))  # faster than wide
    rows = []
    for (metric, fraction, method), others in values.items():
        if method == reference:
            continue
        pair = np.stack([values[metric, fraction, reference], others])
        shared = int((~np.isnan(pair).any(axis=0)).sum())
        if shared:
            result = paired_difference(pair[0], pair[1], recordings, resamples, seed)
            rows.append((method, metric, fraction, *result, shared))
    columns = [*KEYS, "difference", "difference_low", "difference_high", "p", "shared"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = holm(table.p)
    table["verdict"] = _verdicts(table, frame, reference)
    return table


def _by_clip(
    frame: pd.DataFrame, reference: str, scores: Sequence[Score]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return values ``[clips, scores x methods]`` and the recording of each clip."""
    for metric, _ in scores:
        if metric not in METRICS or METRICS[metric].higher_is_better is None:
            raise InputError(f"metric must have a better direction, got {metric}")
    if reference not in set(frame.method):
        raise InputError(
            f"reference must be one of {', '.join(sorted(set(frame.method)))}, got {reference}"
        )
    pairs = pd.MultiIndex.from_frame(frame[["metric", "fraction"]])
    selected = drop_silenced(frame[pairs.isin(list(scores))])
    repeated = selected[selected.duplicated([*KEYS, "clip"])]
    if len(repeated):
        raise InputError(
            f"clips must appear once per method, got {repeated['clip'].iloc[0]} twice. Select one "
            "masking domain and condition"
        )
    recordings = selected.groupby("clip").recording.agg(["nunique", "first"])
    if (recordings["nunique"] != 1).any():
        clip = recordings.index[recordings["nunique"] != 1][0]
        raise InputError(f"clips must have one source recording, got another number for {clip}")
    for name, part in selected.groupby("metric"):
        check_finite(part.value, str(name))
    wide = selected.pivot(index="clip", columns=["metric", "fraction", "method"], values="value")
    with_reference = {key[:2] for key in wide.columns if key[2] == reference}
    wide = wide[[key for key in wide.columns if key[:2] in with_reference]]
    return wide, recordings["first"].loc[wide.index].to_numpy()


def _verdicts(table: pd.DataFrame, frame: pd.DataFrame, reference: str) -> np.ndarray:
    """Return better, worse or tie for each row. A method that silences clips is never better."""
    sign = table.metric.map(lambda name: 1 if METRICS[name].higher_is_better else -1)
    clear = (table.difference_low > 0) | (table.difference_high < 0)
    clear &= table.p_holm < LEVEL
    verdicts = np.where(table.difference * sign > 0, "better", "worse").astype(object)
    verdicts[~clear] = "tie"
    for fraction in table.fraction[table.metric == SI_SDRI].unique():
        silenced = silenced_fractions(frame, fraction)
        winner = np.where(verdicts == "better", reference, table.method)
        silent = np.array([silenced.get(name, 0) > MAX_SILENT for name in winner], dtype=bool)
        rows = (table.metric == SI_SDRI) & (table.fraction == fraction)
        verdicts[silent & rows.to_numpy()] = "tie"
    return verdicts


def assess(
    frame: pd.DataFrame, reference: str, resamples: int = RESAMPLES, seed: int = 0
) -> pd.DataFrame:
    """Summarize all masking domains and conditions.

    Arguments
    ---------
    frame : pandas.DataFrame
        Long-format results: one row per domain, condition, method, clip, metric and fraction.
    reference : str
        Method that is compared with all others.
    resamples : int
        Number of bootstrap resamples. Default: 5000.
    seed : int
        Seed of the resampling. Default: 0.

    Returns
    -------
    pandas.DataFrame
        One row per domain, condition, method, metric and fraction, with the columns of
        :func:`estimate` and of :func:`compare`. The reference comes first; other methods keep
        their order.
    """
    if reference not in set(frame.method):
        raise InputError(
            f"reference must be one of {', '.join(sorted(set(frame.method)))}, got {reference}"
        )
    needed = ["domain", "condition", "method", "clip", "recording", "metric", "fraction", "value"]
    curve_points = frame.metric.str.startswith(KINDS) & frame.fraction.notna()
    frame = with_score_names(frame.loc[~curve_points, needed])
    parts = [
        _assess_part(part, reference, resamples, seed).assign(
            domain=str(domain), condition=str(condition)
        )
        for (domain, condition), part in frame.groupby(["domain", "condition"], sort=False)
    ]
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)


def _assess_part(part: pd.DataFrame, reference: str, resamples: int, seed: int) -> pd.DataFrame:
    """Summarize one masking domain and condition."""
    table = estimate(part, resamples=resamples, seed=seed)
    pairs = set(zip(part.metric, part.fraction))
    families = [[score for score in family if score in pairs] for family in FAMILIES]
    compared = [
        compare(part, reference, family, resamples, seed)
        for family in families
        if family and reference in set(part.method)
    ]
    if compared:
        table = table.merge(pd.concat(compared), "left", KEYS)
    silenced = silenced_fractions(part).rename("mean").reset_index()
    table = pd.concat(
        [table, silenced.assign(metric="silenced", fraction=RAW), _of_oracle(part)],
        ignore_index=True,
    )
    order = sorted(part.method.unique(), key=lambda name: name != reference)
    place = {name: i for i, name in enumerate(order)}
    return table.sort_values("method", key=lambda names: names.map(place), kind="stable")


def _of_oracle(part: pd.DataFrame) -> pd.DataFrame | None:
    """Return SI-SDRi as a fraction of that of the oracle mask, on the clips that both have."""
    rows = drop_silenced(part[(part.metric == SI_SDRI) & (part.fraction == RAW)])
    if ORACLE not in set(rows.method):
        return None
    wide = rows.pivot(index="clip", columns="method", values="value")
    both = wide.mask(wide[ORACLE].isna())
    oracle = both.notna().mul(wide[ORACLE].fillna(0), axis=0).sum()
    fractions = (both.sum() / oracle.where(oracle > 0)).dropna()
    table = fractions.rename("mean").rename_axis("method").reset_index()
    return table.assign(metric="fraction_of_oracle", fraction=RAW)
