"""Scores of the benchmark: names of metrics and fractions, families, treatment of silence.

A *score* is a pair (metric, fraction): the fraction is ``raw`` (the explainer's own mask), a mask
area such as ``0.05``, or ``mean`` (the mean over the top-k fractions).
"""

import numpy as np
import pandas as pd

from speechbrain_lmac.metrics.registry import OTHER_FILLS, TOP_K_METRICS, fill_metric
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS

RAW, MEAN = "raw", "mean"
SI_SDRI, SI_SDRI_RESIDUAL = "SI-SDRi", "SI-SDRi_residual"
MAX_SILENT = 0.05
"""A method that silences a larger fraction of the clips is never called better in SI-SDRi."""
ORACLE = "oracle-irm"
"""Mask that knows the sources: neither an explainer nor a control."""
CONTROLS = (
    *("shuffled-clip", "mean-features", "shuffled-prompt", "constant", "sobel-edges", "energy"),
    *("random", "full-mask"),
)
"""Methods that explain nothing: the standard that explainers must exceed."""

Score = tuple[str, str]
HEADLINE: tuple[Score, ...] = (
    *(("AD", MEAN), ("FF", MEAN), ("Fid-In", MEAN)),
    *(("insertion_silence", RAW), ("deletion_silence", RAW)),
)
AREAS: tuple[Score, ...] = (("sufficient_area", RAW), ("necessary_area", RAW))
FILLED: tuple[Score, ...] = tuple(
    (fill_metric(name, fill), MEAN) for fill in OTHER_FILLS for name in TOP_K_METRICS
)
LOCALIZATION: tuple[Score, ...] = (
    *((SI_SDRI, RAW), (SI_SDRI, MEAN), ("target_energy_fraction", RAW)),
    *(("target_energy_fraction", MEAN), ("pointing_game", RAW)),
)
CHECKS: tuple[Score, ...] = tuple(
    (name, RAW)
    for name in (
        *("insertion_noise_floor", "deletion_noise_floor", "insertion_mean", "deletion_mean"),
        *("yamnet_AD", "yamnet_FF", "yamnet_Fid-In", "stability", "written_gap"),
    )
)
FAMILIES = (HEADLINE, FILLED, AREAS, LOCALIZATION, CHECKS)
"""Scores that are compared. p-values are corrected within each family."""
COMPARED = (*HEADLINE, *FILLED, *AREAS, *LOCALIZATION, *CHECKS)
KEYS = ["method", "metric", "fraction"]
COLUMNS = (
    *("domain", "condition", *KEYS, "mean", "low", "high", "clips", "recordings"),
    *("difference", "difference_low", "difference_high", "p", "p_holm", "shared", "verdict"),
)
"""Columns of the summary of all results."""


def with_score_names(frame: pd.DataFrame) -> pd.DataFrame:
    """Name the fractions of a long-format table, and append means over the top-k fractions.

    Arguments
    ---------
    frame : pandas.DataFrame
        Long-format results with ``metric``, ``fraction`` and ``value``.

    Returns
    -------
    pandas.DataFrame
        The table with ``fraction`` as ``raw``, ``0.05`` and so on, and ``mean`` for every clip and
        metric that has all top-k fractions. A mean with an infinite value is infinite.
    """
    top_k = frame[frame.fraction.isin(TOP_K_FRACTIONS)]
    keys = [name for name in frame if name not in ("fraction", "value")]
    groups = top_k.groupby(keys, sort=False, dropna=False).value
    means = groups.mean()[groups.count() == len(TOP_K_FRACTIONS)]
    names = frame.fraction.map("{:g}".format).where(frame.fraction.notna(), RAW)
    named = frame.assign(fraction=names)
    return pd.concat([named, means.reset_index().assign(fraction=MEAN)], ignore_index=True)


def drop_silenced(frame: pd.DataFrame) -> pd.DataFrame:
    """Remove SI-SDRi values of silenced clips, of both sources: they are minus infinity.

    If an explainer silences a clip, the clip is removed for all methods: the mean would otherwise
    favor the silent one. If a control silences it, it is removed for that control only: a decoder
    should be silent for a prompt that is absent.

    Arguments
    ---------
    frame : pandas.DataFrame
        Long-format table of one masking domain and condition.

    Returns
    -------
    pandas.DataFrame
    """
    silent = frame.metric.isin((SI_SDRI, SI_SDRI_RESIDUAL)) & np.isneginf(frame.value)
    by_explainer = frame[silent & ~frame.method.isin(CONTROLS)]
    pair = pd.MultiIndex.from_frame(frame[["clip", "metric", "fraction"]])
    lost = pair.isin(pd.MultiIndex.from_frame(by_explainer[["clip", "metric", "fraction"]]))
    return frame[~(silent | lost)]


def silenced_fractions(frame: pd.DataFrame, fraction: str = RAW) -> pd.Series:
    """Return the fraction of the clips that each method silences, by method."""
    rows = frame[(frame.metric == SI_SDRI) & (frame.fraction == fraction)]
    return rows.value.eq(-np.inf).groupby(rows.method).mean()
