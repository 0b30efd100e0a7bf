"""Published scores of LMAC-ZS and its baselines, and their comparison with ours.

Source: the LMAC-ZS poster (NeurIPS 2024) on ESC-50 with Microsoft's CLAP. The zero-shot accuracy is
80.7 % with mel masking and 78.9 % with STFT masking. Inferred statements are marked as such.
"""

import io

import pandas as pd

METRICS = ("AI", "AD", "AG", "FF", "Fid-In", "SPS", "COMP", "MM")
"""Metrics of the paper, under the names in this package."""

AD_AS_PUBLISHED = "AD_double_softmax"
"""Name of the metric in this package that is comparable with the AD of the paper."""

_TABLE = """
mel  gradcam              2.90  45.85 1.01  0.28  0.19  0.71  9.52  0.15
mel  gradcam++            8.45  35.07 3.19  0.50  0.39  0.41  10.32 0.35
mel  smoothgrad           0.50  52.76 0.12  0.024 0.036 0.301 10.52 0.039
mel  integrated-gradients 0.25  53.47 0.054 0.064 0.022 0.57  10.09 0.037
mel  lmac              23.45 17.12 10.31 0.51  0.68  0.80  9.12  0.17
stft gradcam              20.30 23.75 7.77  0.78  0.58  0.72  11.54 0.14
stft gradcam++            32.50 8.97  7.95  0.79  0.84  0.41  12.41 0.35
stft smoothgrad           6.95  32.75 2.85  0.78  0.47  0.53  11.98 0.0001
stft integrated-gradients 16.10 21.51 6.05  0.79  0.65  0.74  11.58 0.0095
stft scorecam             29.97 12.14 8.82  0.70  0.75  0.32  12.59 0.41
stft gscorecam            29.64 8.56  6.62  0.79  0.84  0.36  12.52 0.39
stft lmac              43.35 4.29  10.57 0.78  0.90  0.65  11.86 0.10
"""

PAPER_TABLE = pd.read_csv(
    io.StringIO(_TABLE), sep=r"\s+", names=["domain", "method", *METRICS]
).set_index(["domain", "method"])
"""Table of the paper, indexed by masking domain and explainer name."""

NOTES = (
    "AD is shown as defined and after a second softmax. The AD of the paper never exceeds 63.2 = "
    "100 (1 - 1/e), the bound of AD after a second softmax (inferred).",
    "FF in the STFT block of the paper is .78 or .79 in six of seven rows. It describes the "
    "classifier rather than the methods (inferred) and cannot be reproduced.",
    "COMP is bounded by the logarithm of the number of T-F bins. It is comparable only between "
    "masks of the same area.",
)
"""Notes under the table."""


def compare_with_paper(scores):
    """Compare means of our scores with the values in the table of the paper.

    Arguments
    ---------
    scores : pandas.DataFrame
        Long-format scores with ``domain``, ``method``, ``clip``, ``metric``, ``fraction`` and
        ``value``. Only soft masks (``fraction`` is NaN) are compared.

    Returns
    -------
    pandas.DataFrame
        ``domain``, ``method``, ``metric``, ``ours``, ``paper`` and ``difference``, in the order of
        the paper. ``AD_double_softmax`` is also compared with the AD of the paper.

    Example
    -------
    >>> keys = {"domain": "mel", "method": "lmac", "metric": "Fid-In", "fraction": float("nan")}
    >>> compare_with_paper(pd.DataFrame([{**keys, "value": 1.0}, {**keys, "value": 0.0}]))
      domain method  metric  ours  paper  difference
    0    mel   lmac  Fid-In   0.5   0.68       -0.18
    """
    paper = PAPER_TABLE.assign(**{AD_AS_PUBLISHED: PAPER_TABLE["AD"]})
    metrics = sorted(
        [*METRICS, AD_AS_PUBLISHED], key=lambda name: METRICS.index(name.split("_")[0])
    )
    soft = scores[scores.fraction.isna()]
    means = soft.groupby(["domain", "method", "metric"]).value.mean()
    rows = [
        (*key, metric, means[(*key, metric)], paper.loc[key, metric])
        for key in paper.index
        for metric in metrics
        if (*key, metric) in means.index
    ]
    table = pd.DataFrame(rows, columns=["domain", "method", "metric", "ours", "paper"])
    return table.assign(difference=table.ours - table.paper)


def format_markdown(scores):
    """Format the result of :func:`compare_with_paper` as Markdown, one row per method.

    Arguments
    ---------
    scores : pandas.DataFrame
        Long-format scores, as for :func:`compare_with_paper`.

    Returns
    -------
    str
        Table with our values, those of the paper in parentheses, and notes.
    """
    table = compare_with_paper(scores)
    cells = [f"{ours:.4g} ({published:.4g})" for ours, published in zip(table.ours, table.paper)]
    wide = table.assign(cell=cells).pivot(
        index=["domain", "method"], columns="metric", values="cell"
    )
    order = table[["domain", "method"]].drop_duplicates().apply(tuple, axis=1)
    wide = wide.loc[list(order), list(table.metric.drop_duplicates())].reset_index()
    notes = "\n".join(f"- {note}" for note in NOTES)
    legend = "Our values, with those of the paper in parentheses."
    return f"{wide.to_markdown(index=False)}\n\n{legend}\n\n{notes}\n"
