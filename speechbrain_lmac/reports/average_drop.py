"""Figure of the average drop of explainers over the mask area."""

from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from speechbrain_lmac.reports.canvas import DPI


def draw_average_drop(scores: pd.DataFrame, path: str | Path) -> None:
    """Draw the average drop of each explainer over the mask area.

    Arguments
    ---------
    scores : pandas.DataFrame
        Long-format results of an evaluation: ``method``, ``metric``, ``fraction``, ``value``.
    path : str or Path
        Image file to write.
    """
    rows = scores[(scores.metric == "AD") & scores.fraction.notna()]
    means = rows.groupby(["method", "fraction"], sort=False).value.mean().unstack("fraction")
    means = means.reindex(index=rows.method.unique(), columns=sorted(means))
    percents = [f"{100 * float(fraction):g}" for fraction in means.columns.tolist()]
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for place, (method, values) in enumerate(means.iterrows()):
        style = {"color": "#d1495b", "linewidth": 2.5} if place == 0 else {"linewidth": 1.3}
        axis.plot(percents, values, marker="o", label=method, **style)
    axis.set_xlabel("Mask area (top-k T-F bins), %")
    axis.set_ylabel("Average drop (AD), %, lower is better")
    axis.set_ylim(0, 100)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=DPI)
