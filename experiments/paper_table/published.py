"""What was published, and its historic variants: for a reproduction table, never for a claim.

Source: the poster of LMAC-ZS (NeurIPS 2024), ESC-50, Microsoft's CLAP, 80.7 % zero-shot accuracy
with mel masking and 78.9 % with STFT masking. What is inferred is said to be.
"""

import io

import pandas as pd

METRICS = ("AI", "AD", "AG", "FF", "Fid-In", "SPS", "COMP", "MM")
"""The poster's columns, as our tables call them."""

AD_AS_PUBLISHED = "AD (as published)"
"""Our column to set against the poster's AD."""

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

PAPER = pd.read_csv(
    io.StringIO(_TABLE), sep=r"\s+", names=["masking", "method", *METRICS]
).set_index(["masking", "method"])
"""The poster's table: indexed by masking and by method as ``EXPLAINERS`` calls it."""

NOTES = (
    "AD is given as it is defined, and again as published: the poster's cannot exceed 63.2 = "
    "100 (1 - 1/e), which is what a softmax taken of probabilities a second time does (inferred).",
    "FF of the poster's STFT block is saturated, .78 or .79 in six of seven rows: it measures the "
    "classifier, not the methods (inferred), and is not to be reproduced.",
    "COMP is the entropy of a mask over its cells, bounded by the logarithm of their number: it "
    "compares between planes and encoders of the same size only.",
)
"""To be printed under the table."""


def beside_paper(frame):
    """Our means beside the poster's figures, cell by cell.

    Arguments
    ---------
    frame : pandas.DataFrame
        A row per clip, of the raw masks: columns ``masking``, ``method``, some of ``METRICS`` and,
        if it was measured, ``"AD (as published)"``.

    Returns
    -------
    pandas.DataFrame
        A row per masking, method and metric that both have, in the poster's order: ``ours``,
        ``poster`` and ``difference``. AD stands there twice, each against the poster's AD.

    Example
    -------
    >>> ours = {"masking": ["mel"] * 2, "method": ["lmac"] * 2, "Fid-In": [1.0, 0.0]}
    >>> beside_paper(pd.DataFrame(ours))
      masking   method  metric  ours  poster  difference
    0     mel  lmac  Fid-In   0.5    0.68       -0.18
    """
    poster = PAPER.assign(**{AD_AS_PUBLISHED: PAPER["AD"]})
    columns = [name for name in (*METRICS, AD_AS_PUBLISHED) if name in frame.columns]
    columns.sort(key=lambda name: METRICS.index(name.split(" ")[0]))
    means = frame.groupby(["masking", "method"])[columns].mean()
    rows = [
        (*key, name, means.loc[key, name], poster.loc[key, name])
        for key in poster.index
        if key in means.index
        for name in columns
    ]
    table = pd.DataFrame(rows, columns=["masking", "method", "metric", "ours", "poster"])
    return table.assign(difference=table.ours - table.poster)


def markdown(frame):
    """The table of :func:`beside_paper` in Markdown, a line per method, its notes below.

    Each cell is ours, then the poster's in brackets.

    Arguments
    ---------
    frame : pandas.DataFrame
        As for :func:`beside_paper`.

    Returns
    -------
    str
    """
    table = beside_paper(frame)
    cells = [f"{ours:.4g} ({theirs:.4g})" for ours, theirs in zip(table.ours, table.poster)]
    wide = table.assign(cell=cells).pivot(
        index=["masking", "method"], columns="metric", values="cell"
    )
    order = table[["masking", "method"]].drop_duplicates().apply(tuple, axis=1)
    wide = wide.loc[list(order), list(table.metric.drop_duplicates())].reset_index()
    notes = "\n".join(f"- {note}" for note in NOTES)
    return f"{wide.to_markdown(index=False)}\n\nOurs, the poster's in brackets.\n\n{notes}\n"
