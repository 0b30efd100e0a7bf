"""Tables of a zero-shot classification: accuracy, classes, confusion."""

import pandas as pd
from scipy.stats import binomtest

MATRIX_NAMES = 12
"""Up to so many names the confusion matrix is printed, not only written."""


def accuracies(rows):
    """Accuracy and top-3 of each wording, in per cent, with a 95 % Wilson interval.

    Arguments
    ---------
    rows : pandas.DataFrame
        Of :func:`~speechbrain_lmac.evaluation.zero_shot.classify`.

    Returns
    -------
    pandas.DataFrame
        Indexed by wording.
    """
    lines = {}
    for wording, held in rows.groupby("wording", sort=False):
        right = int((held["rank"] == 1).sum())
        low, high = binomtest(right, len(held)).proportion_ci(method="wilson")
        lines[wording] = {
            "accuracy": 100 * right / len(held),
            "95 %": f"{100 * low:.1f} to {100 * high:.1f}",
            "top-3": 100 * (held["rank"] <= 3).mean(),
            "confidence": 100 * held["confidence"].mean(),
        }
    return pd.DataFrame.from_dict(lines, orient="index")


def per_class(rows):
    """Of each class that is present: clips, accuracy, top-3, and what it is taken for instead.

    Arguments
    ---------
    rows : pandas.DataFrame
        Of :func:`~speechbrain_lmac.evaluation.zero_shot.classify`; wordings count alike.

    Returns
    -------
    pandas.DataFrame
        Indexed by label.
    """
    lines = {}
    for label, held in rows.groupby("label"):
        wrong = held[held.predicted != label].predicted.value_counts()
        lines[label] = {
            "clips": held["clip"].nunique(),
            "accuracy": 100 * (held["rank"] == 1).mean(),
            "top-3": 100 * (held["rank"] <= 3).mean(),
            "taken for": ", ".join(
                f"{name} {100 * count / len(held):.0f} %" for name, count in wrong.head(3).items()
            ),
        }
    return pd.DataFrame.from_dict(lines, orient="index")


def confusion(rows, names):
    """How often each label was taken for each name: ``[labels present, names]``, counts."""
    counts = pd.crosstab(rows.label, rows.predicted)
    return counts.reindex(columns=list(names), fill_value=0)


def report(rows, names, what):
    """Everything as Markdown.

    Arguments
    ---------
    rows : pandas.DataFrame
        Of :func:`~speechbrain_lmac.evaluation.zero_shot.classify`.
    names : sequence of str
        What clips were scored against.
    what : str
        The heading.

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
