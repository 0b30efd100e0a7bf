"""Shared layout of the benchmark figures: sizes, colors, line styles, legends."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from speechbrain_lmac.evaluation.benchmark.scores import CONTROLS, ORACLE
from speechbrain_lmac.reports.canvas import shorten

WIDTH = 9.0
"""Width of all figures, in inches."""
DPI, DPI_OF_MAPS = 150, 110
REFERENCE, EXPLAINER, CONTROL = "#d55e00", "#0072b2", "#767676"
COLORS = (EXPLAINER, "#e69f00", "#009e73", "#cc79a7", "#56b4e9")
"""Colors that color-blind readers can separate (Okabe and Ito, 2008)."""
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
MAX_COLUMNS = 4
"""Panels per row, and entries per row of a legend."""
MAX_CHARACTERS = 30
"""Characters of a method's name that are shown."""


def short_name(method: str) -> str:
    """Shorten the name of a method to what a figure can show."""
    return shorten(method, MAX_CHARACTERS)


def new_figure(height: float, dpi: int = DPI) -> Figure:
    """Create a figure of the common width."""
    figure = Figure(figsize=(WIDTH, height), dpi=dpi, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def new_panels(count: int, height: float, dpi: int = DPI) -> tuple[list[Axes], Figure]:
    """Create a figure with panels in rows, the last of which may be shorter."""
    across = min(MAX_COLUMNS, count)
    down = -(-count // across)
    figure = new_figure(0.8 + height * max(down, 1.4), dpi)
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).flatten()
    for axis, below in zip(axes[count - across : count], [*axes[count:], *[None] * across]):
        axis.tick_params(labelbottom=True)
        if below is not None:
            below.remove()
    return list(axes[:count]), figure


def color_of(method: str, reference: str) -> str:
    """Return the color of a method where all methods of one kind look alike."""
    if method == reference:
        return REFERENCE
    return CONTROL if method in CONTROLS else "black" if method == ORACLE else EXPLAINER


def line_styles(methods: Iterable[str], reference: str) -> dict[str, dict[str, Any]]:
    """Return a different line style for each method."""
    explainers = itertools.cycle(itertools.product(DASHES, COLORS))
    controls = itertools.cycle(itertools.product((CONTROL, "#b0b0b0"), DASHES))
    styles: dict[str, dict[str, Any]] = {}
    color: str
    dash: object
    for method in methods:
        if method == reference:
            styles[method] = {"color": REFERENCE, "linewidth": 2.6, "zorder": 4}
            continue
        if method == ORACLE:
            color, dash, width, order = "black", DASHES[2], 1.8, 3
        elif method in CONTROLS:
            (color, dash), width, order = next(controls), 1.2, 2
        else:
            (dash, color), width, order = next(explainers), 1.5, 3
        styles[method] = {"color": color, "linestyle": dash, "linewidth": width, "zorder": order}
    return styles


def add_legend(figure: Figure, axis: Axes) -> None:
    """Add the legend of one panel above the figure."""
    handles, names = axis.get_legend_handles_labels()
    figure.legend(
        handles,
        [short_name(name) for name in names],
        loc="outside upper center",
        ncols=min(MAX_COLUMNS, len(names)),
        fontsize=9,
        frameon=False,
        handlelength=3,
    )


def legend_height(methods: Iterable[str]) -> float:
    """Return the height of a legend in inches."""
    return 0.22 * -(-len(list(methods)) // MAX_COLUMNS)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure to a file. Dollar signs in names are not mathematics."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    figure.savefig(path, dpi="figure")
