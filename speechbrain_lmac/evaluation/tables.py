"""Tables of an evaluation: means over clips, one row per method."""

import pandas as pd

from speechbrain_lmac.metrics.registry import MASK_METRICS, METRICS, TOP_K_METRICS
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS

MEAN = "mean"
"""Mean over the top-k fractions."""
RAW = "raw"
"""Scores of the explainer's own soft mask."""


def mean_scores(scores: pd.DataFrame, fraction: float | str) -> pd.DataFrame:
    """Average scores over clips.

    Arguments
    ---------
    scores : pandas.DataFrame
        Long-format table from :func:`~speechbrain_lmac.evaluation.evaluate.evaluate`.
    fraction : float or str
        Mask area: a top-k fraction, ``"mean"`` for the mean over all of them, or ``"raw"`` for the
        explainers' own soft masks.

    Returns
    -------
    pandas.DataFrame
        One row per method and one column per metric, both in their original order.
    """
    if fraction == RAW:
        selected, names = scores[scores.fraction.isna()], [*MASK_METRICS, "failed"]
    else:
        wanted = TOP_K_FRACTIONS if fraction == MEAN else [fraction]
        selected, names = scores[scores.fraction.isin(wanted)], [*TOP_K_METRICS]
    means = selected.groupby(["method", "metric"], sort=False).value.mean().unstack("metric")
    return means.reindex(index=scores.method.unique(), columns=names)


def markdown_table(scores: pd.DataFrame, fraction: float | str) -> str:
    """Format the result of :func:`mean_scores` as a Markdown table."""
    means = mean_scores(scores, fraction)
    formats = tuple(f".{METRICS[str(name)].decimals}f" for name in means)
    headings = [METRICS[str(name)].heading for name in means]
    return means.to_markdown(headers=["method", *headings], floatfmt=("", *formats))


def report(scores: pd.DataFrame, method: str, description: str) -> str:
    """Format all tables of an evaluation: the mean over the fractions first, soft masks last.

    Arguments
    ---------
    scores : pandas.DataFrame
        Long-format table from :func:`~speechbrain_lmac.evaluation.evaluate.evaluate`.
    method : str
        Method that is compared with the energy control.
    description : str
        Clips, classes, masking domain and folds of the evaluation.

    Returns
    -------
    str
        Markdown.
    """
    parts = [f"Equal mask area, mean over the top 5, 10, 20 and 40 % of T-F bins ({description})"]
    parts += [markdown_table(scores, MEAN), gap_to_energy(scores, method)]
    for fraction in TOP_K_FRACTIONS:
        parts += [f"Top {fraction:.0%} of T-F bins", markdown_table(scores, fraction)]
    parts += ["Soft masks (not comparable: their means differ)", markdown_table(scores, RAW)]
    return "\n\n".join(part for part in parts if part) + "\n"


def gap_to_energy(scores: pd.DataFrame, method: str) -> str:
    """Describe the difference between a method and the energy control; empty without it."""
    means = mean_scores(scores, MEAN)
    if "energy" not in means.index:
        return ""
    gap = means.loc[method] - means.loc["energy"]
    return (
        f"{method} minus energy: AD {gap['AD']:+.1f} (lower is better), FF {gap['FF']:+.3f}, "
        f"Fid-In {gap['Fid-In']:+.3f}"
    )
