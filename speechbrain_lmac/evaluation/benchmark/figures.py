"""Pictures of the bench."""

import itertools
import re

import numpy as np
import pandas as pd
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from speechbrain_lmac.evaluation.benchmark.assessment import IDEAL
from speechbrain_lmac.evaluation.benchmark.comparison import CONTROLS
from speechbrain_lmac.reports.plots import draw_plane, shorten
from speechbrain_lmac.reports.raster import RANGE_DB
from speechbrain_lmac.utils.errors import InputError

WIDTH = 9.0  # inches, of a page
DPI, DPI_OF_MAPS = 150, 110
PANELS = {"AD@mean": "AD ↓", "FF@mean": "FF ↑", "Fid-In@mean": "Fid-In ↑"}
REFERENCE, EXPLAINER, CONTROL = "#d55e00", "#0072b2", "#767676"
COLORS = (EXPLAINER, "#e69f00", "#009e73", "#cc79a7", "#56b4e9")
"""Told apart by the color-blind (Okabe and Ito, 2008)."""
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
ACROSS = 4  # panels in a row
NAME = 30  # characters of a method's name that are shown


def draw_metrics(held, reference, path):
    """Each method's AD, FF and Fid-In at equal budgets, with 95 % intervals, the best AD on top.

    Arguments
    ---------
    held : pandas.DataFrame
        Of :func:`~speechbrain_lmac.evaluation.benchmark.assessment.assess`, one masking and
        condition: ``method``, ``metric``, ``mean``, ``low``, ``high`` and ``clips``.
    reference : str
        The method that stands out.
    path : str or Path
        Image file to write.
    """
    tables = {name: held[held.metric == name].set_index("method") for name in PANELS}
    order = tables["AD@mean"]["mean"].sort_values(ascending=False, kind="stable").index
    _check(order, path)
    figure = _figure(1.2 + 0.25 * len(order))
    axes = figure.subplots(1, len(PANELS), sharey=True)
    colors = [_colour(name, reference) for name in order]
    for axis, (metric, table) in zip(axes, tables.items()):
        table = table.reindex(order)
        places = np.arange(len(order))
        axis.hlines(places, table.low, table.high, colors=colors, linewidth=2)
        whole = table.clips == table.clips.max()
        faces = [color if all_clips else "white" for color, all_clips in zip(colors, whole)]
        axis.scatter(table["mean"], places, c=faces, edgecolors=colors, s=28, zorder=3)
        axis.locator_params(axis="x", nbins=5)
        axis.set_title(PANELS[metric], fontsize=11)
        axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(order)), [shorten(name, NAME) for name in order])
    axes[0].set_ylim(-0.6, len(order) - 0.4)
    for label, color in zip(axes[0].get_yticklabels(), colors):
        label.set_color(color)
        chosen = label.get_text() == shorten(reference, NAME)
        label.set_fontweight("bold" if chosen else "normal")
    note = "mean over equal budgets, 95 % interval; gray: controls; hollow: on fewer clips"
    figure.supxlabel(note, fontsize=9)
    _save(figure, path)


def curve_points(frame):
    """Insertion and deletion curves, mean over clips, from the columns of the bench.

    Arguments
    ---------
    frame : pandas.DataFrame
        One masking and condition: ``method``, and ``<kind> <fill>@<per cent of cells>``.

    Returns
    -------
    pandas.DataFrame
        ``method``, ``kind``, ``fill``, ``share`` and ``p``, in the order of the frame.
    """
    parts = []
    for name in frame:
        found = re.fullmatch(r"(insertion|deletion) (\w+)@([\d.]+)", name)
        if found:
            kind, fill, percent = found.groups()
            means = frame.groupby("method", sort=False)[name].mean().dropna().reset_index(name="p")
            parts.append(means.assign(kind=kind, fill=fill, share=float(percent) / 100))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def draw_curves(points, reference, path):
    """How the probability comes and goes with a map's best cells, fill by fill.

    Arguments
    ---------
    points : pandas.DataFrame
        Of :func:`curve_points`.
    reference : str
        The method that stands out.
    path : str or Path
        Image file to write.
    """
    _check(points, path)
    fills, methods = points.fill.unique(), points.method.unique()
    figure = _figure(0.6 + 2.3 * len(fills) + _legend_height(methods))
    axes = figure.subplots(len(fills), 2, sharex=True, sharey=True, squeeze=False)
    for row, fill in zip(axes, fills):
        for axis, kind in zip(row, ("insertion", "deletion")):
            part = points[(points.fill == fill) & (points.kind == kind)]
            _draw_lines(axis, part, ("share", "p"), _styles(methods, reference))
            axis.set_title(f"{kind}, {fill.replace('_', ' ')}", fontsize=10)
        row[0].set_ylabel("probability")
    for axis in axes[-1]:
        axis.set_xlabel("share of cells, best first")
        axis.set_xlim(0, 1)
        axis.set_ylim(bottom=0)
    _legend(figure, axes[0, 0])
    _save(figure, path)


def draw_randomisation(curve, reference, path):
    """What is left of each method's maps as the model is made random, part by part.

    Arguments
    ---------
    curve : pandas.DataFrame
        ``method``, ``stage`` in order, ``spearman`` and ``ssim`` to the maps of the model as it
        is: means over clips.
    reference : str
        The method that stands out.
    path : str or Path
        Image file to write.
    """
    _check(curve, path)
    stages, methods = list(curve.stage.unique()), curve.method.unique()
    figure = _figure(4.2 + _legend_height(methods))
    axes = figure.subplots(1, 2, sharey=True)
    placed = curve.assign(place=curve.stage.map({name: i for i, name in enumerate(stages)}))
    titles = {"spearman": "rank correlation (Spearman)", "ssim": "structural similarity (SSIM)"}
    for axis, (measure, title) in zip(axes, titles.items()):
        part = placed.sort_values("place", kind="stable")
        _draw_lines(axis, part, ("place", measure), _styles(methods, reference), marker="o")
        axis.set_title(title, fontsize=10)
        axis.set_xticks(range(len(stages)), stages, rotation=35, ha="right")
        axis.axhline(0, color="#999999", linewidth=0.8, zorder=1)
    axes[0].set_ylabel("likeness to the trained model's map")
    figure.supxlabel("made random", fontsize=10)
    _legend(figure, axes[0])
    _save(figure, path)


def draw_mean_against_similarity(points, path):
    """Does a mask open as the sound resembles the prompt? A panel for each method.

    Arguments
    ---------
    points : pandas.DataFrame
        ``method``, ``present`` (bool: is what the prompt names there?), ``similarity`` of clip and
        prompt, ``mean`` of the mask.
    path : str or Path
        Image file to write.
    """
    _check(points, path)
    methods = points.method.unique()
    axes, figure = _panels(len(methods), 2.1)
    looks = {True: ("o", EXPLAINER, "named sound is there"), False: ("x", REFERENCE, "it is not")}
    for axis, method in zip(axes, methods):
        part = points[points.method == method]
        for present, (marker, color, label) in looks.items():
            these = part[part.present.astype(bool) == present]
            axis.scatter(
                these.similarity,
                these["mean"],
                marker=marker,
                s=14,
                color=color,
                alpha=0.6,
                linewidths=1,
                label=label,
            )
        axis.set_title(shorten(method, NAME), fontsize=10)
    figure.supxlabel("similarity of clip and prompt", fontsize=10)
    figure.supylabel("mean of the mask", fontsize=10)
    _legend(figure, axes[0])
    _save(figure, path)


def draw_side_by_side(pictures, level, extent, path):
    """One clip, and what each method makes of it.

    Arguments
    ---------
    pictures : list of tuple
        Title and map ``[frames, bins]`` in [0, 1], on linear-frequency bins.
    level : array or torch.Tensor
        The clip in dB, ``[frames, bins]``.
    extent : tuple of float
        Its length in seconds, and the highest bin in kHz.
    path : str or Path
        Image file to write.
    """
    _check(pictures, path)
    axes, figure = _panels(1 + len(pictures), 1.75, DPI_OF_MAPS)
    level = torch.as_tensor(level)
    top = float(level.max())
    sound = draw_plane(axes[0], level, extent, "magma", (top - RANGE_DB, top))
    axes[0].set_title("the clip", fontsize=10)
    for axis, (title, values) in zip(axes[1:], pictures):
        image = draw_plane(axis, torch.as_tensor(values), extent, "viridis", (0, 1))
        axis.set_title(shorten(title, NAME), fontsize=10)
    for axis in axes:
        axis.set_ylabel("")
        axis.tick_params(labelsize=8)
    figure.supxlabel("time, s", fontsize=10)
    figure.supylabel("kHz", fontsize=10)
    bars = {"the clip, dB": sound, "map": image}
    for label, shown in bars.items():
        bar = figure.colorbar(shown, ax=axes, fraction=0.015, aspect=40, pad=0.01)
        bar.set_label(label, fontsize=9)
        bar.ax.tick_params(labelsize=8)
    _save(figure, path)


def _check(rows, path):
    if not len(rows):
        raise InputError(f"nothing was measured that {path} could show")


def _figure(height, dpi=DPI):
    figure = Figure(figsize=(WIDTH, height), dpi=dpi, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _panels(count, height, dpi=DPI):
    """So many axes in rows, the last of which may be cut short."""
    across = min(ACROSS, count)
    down = -(-count // across)
    figure = _figure(0.8 + height * max(down, 1.4), dpi)
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).flatten()
    for axis, below in zip(axes[count - across : count], [*axes[count:], *[None] * across]):
        axis.tick_params(labelbottom=True)
        if below is not None:
            below.remove()
    return axes[:count], figure


def _colour(method, reference):
    if method == reference:
        return REFERENCE
    return CONTROL if method in CONTROLS else "black" if method == IDEAL else EXPLAINER


def _styles(methods, reference):
    """Method -> how its line looks; the same in all pictures that show the same methods."""
    explainers = itertools.cycle(itertools.product(DASHES, COLORS))
    controls = itertools.cycle(itertools.product((CONTROL, "#b0b0b0"), DASHES))
    styles = {}
    for method in methods:
        if method == reference:
            looks = {"color": REFERENCE, "linewidth": 2.6, "zorder": 4}
        elif method == IDEAL:
            looks = {"color": "black", "linestyle": DASHES[2], "linewidth": 1.8, "zorder": 3}
        elif method in CONTROLS:
            color, dash = next(controls)
            looks = {"color": color, "linestyle": dash, "linewidth": 1.2, "zorder": 2}
        else:
            dash, color = next(explainers)
            looks = {"color": color, "linestyle": dash, "linewidth": 1.5, "zorder": 3}
        styles[method] = looks
    return styles


def _draw_lines(axis, points, columns, styles, marker=None):
    across, up = columns
    for method, style in styles.items():
        part = points[points.method == method]
        axis.plot(part[across], part[up], marker=marker, markersize=3.5, label=method, **style)
    axis.grid(color="#eeeeee", linewidth=0.8)
    axis.set_axisbelow(True)


def _legend(figure, axis):
    handles, names = axis.get_legend_handles_labels()
    labels = [shorten(name, NAME) for name in names]
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=min(ACROSS, len(labels)),
        fontsize=9,
        frameon=False,
        handlelength=3,
    )


def _legend_height(methods):
    return 0.22 * -(-len(methods) // ACROSS)


def _save(figure, path):
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # names are words, also where they hold dollar signs
    figure.savefig(path, dpi="figure")
