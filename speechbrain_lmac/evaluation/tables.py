"""Tables of an evaluation: means over clips, method by method."""

import pandas as pd

from speechbrain_lmac.evaluation.scoring import EQUAL, column
from speechbrain_lmac.metrics.faithfulness import METRICS
from speechbrain_lmac.metrics.top_k import BUDGETS

MEAN = "mean"
"""The average over the equal budgets."""
RAW = "raw"
"""The explainer's own soft mask."""


def summarize(rows, budget):
    """Means over clips, one line per method.

    Arguments
    ---------
    rows : list of dict
        Of :func:`~speechbrain_lmac.evaluation.scoring.evaluate`.
    budget : float or str
        One of the budgets; ``"raw"``, the explainers' own soft masks; or ``"mean"``, the
        average over the equal budgets.

    Returns
    -------
    pandas.DataFrame
        Indexed by method, in the order of the rows; a column per metric.
    """
    frame = pd.DataFrame(rows)
    if budget == RAW:
        named = {name: [name] for name in [*METRICS, "failed"]}
    else:
        shares = BUDGETS if budget == MEAN else [budget]
        named = {name: [column(name, share) for share in shares] for name in EQUAL}
    means = {name: frame[held].mean(axis=1) for name, held in named.items()}
    return pd.DataFrame(means).groupby(frame.method, sort=False).mean()


ARROWS = {
    "AD (as published)": "↓",
    "AI": "↑",
    "AD": "↓",
    "AG": "↑",
    "FF": "↑",
    "Fid-In": "↑",
    "SPS": "↑",
    "COMP": "↓",
}
"""Which way is better."""

DECIMALS = {"AI": 1, "AD": 1, "AD (as published)": 1, "AG": 1, "COMP": 2}
"""Of a column, 3 unless it stands here."""


def markdown_table(rows, budget):
    """The table of one budget, in Markdown.

    Arguments
    ---------
    rows : list of dict
        Of :func:`~speechbrain_lmac.evaluation.scoring.evaluate`.
    budget : float or str
        As for :func:`summarize`.

    Returns
    -------
    str
    """
    means = summarize(rows, budget)
    formats = tuple(f".{DECIMALS.get(name, 3)}f" for name in means)
    heads = [f"{name} {ARROWS.get(name, '')}".strip() for name in means]
    return means.to_markdown(headers=["method", *heads], floatfmt=("", *formats))


def report(rows, method, what):
    """All tables of an evaluation: the equal budgets, their mean first, then the raw masks.

    Arguments
    ---------
    rows : list of dict
        Of :func:`~speechbrain_lmac.evaluation.scoring.evaluate`.
    method : str
        The row that is set against energy.
    what : str
        Which clips, names, plane and folds these are.

    Returns
    -------
    str
        Markdown.
    """
    parts = [f"At equal budgets, mean over the top 5, 10, 20 and 40 % of cells ({what})"]
    parts += [markdown_table(rows, MEAN), gap_to_energy(rows, method)]
    for budget in BUDGETS:
        parts += [f"The top {budget:.0%} of cells", markdown_table(rows, budget)]
    parts += ["Raw masks; their means differ, so they do not compare", markdown_table(rows, RAW)]
    return "\n\n".join(part for part in parts if part) + "\n"


def gap_to_energy(rows, method):
    """What the method has over the loudness control, in words; empty without the control."""
    means = summarize(rows, MEAN)
    if "energy" not in means.index:
        return ""
    gap = means.loc[method] - means.loc["energy"]
    return (
        f"{method} less energy: AD {gap['AD']:+.1f} (lower is better), FF {gap['FF']:+.3f}, "
        f"Fid-In {gap['Fid-In']:+.3f}"
    )
