"""Published scores of L-MAC on mixtures, and their comparison with ours.

Sources: the tables of the paper (ICML 2024) and of the README of SpeechBrain's recipe. AD went
through a second softmax (inferred: a published AD cannot exceed 63.2).
"""

import io

import pandas as pd

METRICS = ("AI", "AD", "AG", "FF", "Fid-In", "SPS", "COMP")
BASELINES = (
    *("saliency", "smoothgrad", "integrated-gradients", "gradcam"),
    *("guided-backprop", "guided-gradcam", "gradient-shap"),
)
"""Baselines of the paper that explain a classifier without training. SpeechBrain's CNN14 has
functional ReLUs, so its guided rows are plain gradients, here and in the paper."""

_TABLE = """
paper  60.63 4.82 35.85 0.39 0.81 0.94 9.61
recipe 61.62 3.83 33.48 0.40 0.82 0.93 9.77
"""

PUBLISHED = pd.read_csv(io.StringIO(_TABLE), sep=r"\s+", names=["source", *METRICS]).set_index(
    "source"
)
"""L-MAC on mixtures of ESC-50."""


def compare(scores):
    """Compare our scores of L-MAC on mixtures with the published values, cell by cell.

    Arguments
    ---------
    scores : pandas.DataFrame
        Table of the benchmark in long format.

    Returns
    -------
    str
        Markdown: means of all methods and conditions, then the comparison.
    """
    soft = scores[scores.fraction.isna()]
    names = [*METRICS, "AD_double_softmax"]
    soft = soft[soft.metric.isin(names)]
    means = soft.groupby(["condition", "method", "metric"], sort=False).value.mean().unstack()
    rows = []
    for metric in names:
        ours = means.loc[("mixture", "L-MAC"), metric]
        column = "AD" if metric == "AD_double_softmax" else metric
        rows.append({"metric": metric, "ours": ours, **PUBLISHED[column].to_dict()})
    table = pd.DataFrame(rows).round(3).to_markdown(index=False)
    return f"{means[names].round(3).to_markdown()}\n\nL-MAC on mixtures:\n\n{table}"
