"""Tables of the classification of a data set: accuracy, classes, confusion."""

import math
from collections.abc import Hashable, Sequence
from typing import Any

import pandas as pd
from scipy.stats import norm

MATRIX_NAMES = 12
"""Largest number of classes whose confusion matrix is printed."""


def accuracies(rows: pd.DataFrame) -> pd.DataFrame:
    """Compute accuracy and top-3 accuracy of each wording in percent, with 95 % intervals.

    The intervals are those of :func:`clustered_wilson_interval` over source recordings.

    Arguments
    ---------
    rows : pandas.DataFrame
        Predictions from :func:`~speechbrain_lmac.evaluation.zero_shot.classify`.

    Returns
    -------
    pandas.DataFrame
        One row per wording.
    """
    lines: dict[Hashable, dict[str, Any]] = {}
    for wording, part in rows.groupby("wording", sort=False):
        right = part["rank"] == 1
        low, high = clustered_wilson_interval(right, part["recording"])
        lines[wording] = {
            "accuracy": 100 * right.mean(),
            "95 %": f"{100 * low:.1f} to {100 * high:.1f}",
            "top-3": 100 * (part["rank"] <= 3).mean(),
            "confidence": 100 * part["confidence"].mean(),
        }
    return pd.DataFrame.from_dict(lines, orient="index")


def clustered_wilson_interval(
    right: pd.Series, recordings: pd.Series, level: float = 0.95
) -> tuple[float, float]:
    """Compute Wilson's interval of a fraction of clips, of which some share a recording.

    The number of clips is divided by the design effect (Rao and Scott 1992, Biometrics 48): the
    variance of the fraction over recordings, relative to that of independent clips. Where all clips
    are right or all are wrong, it is the number of recordings.

    Arguments
    ---------
    right : pandas.Series
        Whether each clip is right, ``[clips]`` of bool.
    recordings : pandas.Series
        Source recording of each clip, ``[clips]``.
    level : float
        Confidence level, inside (0, 1). Default: 0.95.

    Returns
    -------
    float, float
        Bounds in [0, 1].

    Example
    -------
    >>> right = pd.Series([True, True, False, False])
    >>> [round(bound, 3) for bound in clustered_wilson_interval(right, pd.Series([1, 2, 3, 4]))]
    [0.15, 0.85]
    >>> [round(bound, 3) for bound in clustered_wilson_interval(right, pd.Series([1, 1, 2, 2]))]
    [0.095, 0.905]
    """
    mean, z = float(right.mean()), float(norm.ppf((1 + level) / 2))
    variance = mean * (1 - mean)
    if variance:
        residuals = (right - mean).groupby(recordings.to_numpy()).sum()
        effect = float(residuals.pow(2).sum()) / (len(right) * variance)
        count = len(right) / max(1.0, effect)
    else:
        count = recordings.nunique()
    center = (mean + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * math.sqrt(variance / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return max(0.0, center - half), min(1.0, center + half)


def per_class(rows: pd.DataFrame) -> pd.DataFrame:
    """Compute clips, accuracy, top-3 accuracy and confused classes of each label.

    Arguments
    ---------
    rows : pandas.DataFrame
        Predictions from :func:`~speechbrain_lmac.evaluation.zero_shot.classify`. All wordings count
        equally.

    Returns
    -------
    pandas.DataFrame
        One row per label.
    """
    lines: dict[Hashable, dict[str, Any]] = {}
    for label, part in rows.groupby("label"):
        wrong = part[part.predicted != label].predicted.value_counts()
        lines[label] = {
            "clips": part["clip"].nunique(),
            "accuracy": 100 * (part["rank"] == 1).mean(),
            "top-3": 100 * (part["rank"] <= 3).mean(),
            "taken for": ", ".join(
                f"{name} {100 * count / len(part):.0f} %" for name, count in wrong.head(3).items()
            ),
        }
    return pd.DataFrame.from_dict(lines, orient="index")


def confusion(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Count the predictions of each label, ``[labels, classes]``."""
    counts = pd.crosstab(rows.label, rows.predicted)
    return counts.reindex(columns=list(names), fill_value=0)


def report(rows: pd.DataFrame, names: Sequence[str], what: str) -> str:
    """Format all tables as Markdown.

    Arguments
    ---------
    rows : pandas.DataFrame
        Predictions from :func:`~speechbrain_lmac.evaluation.zero_shot.classify`.
    names : sequence of str
        Classes that clips were scored against.
    what : str
        Heading.

    Returns
    -------
    str
    """
    table = accuracies(rows)
    parts = [what, table.to_markdown(floatfmt=".1f")]
    if len(table) > 1:
        parts.append(
            f"Mean of the wordings: accuracy {table.accuracy.mean():.1f} % "
            f"({table.accuracy.min():.1f} to {table.accuracy.max():.1f})"
        )
    together = "" if len(table) == 1 else ", all wordings together"
    parts += [f"Per class{together}", per_class(rows).to_markdown(floatfmt=".1f")]
    if len(names) <= MATRIX_NAMES:
        parts += ["Label (row) taken for (column)", confusion(rows, names).to_markdown()]
    return "\n\n".join(parts) + "\n"
