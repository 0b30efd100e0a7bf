"""Figures of the benchmark."""

from collections.abc import Mapping, Sized
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from speechbrain_lmac.evaluation.benchmark.conditions import ABSENT, CLEAN, TWO_SOURCE
from speechbrain_lmac.evaluation.benchmark.figure_styles import (
    EXPLAINER,
    REFERENCE,
    add_legend,
    color_of,
    legend_height,
    line_styles,
    new_figure,
    new_panels,
    save_figure,
    short_name,
)
from speechbrain_lmac.evaluation.benchmark.scores import CONTROLS, MEAN
from speechbrain_lmac.evaluation.benchmark.systems import DEFAULT
from speechbrain_lmac.evaluation.benchmark.tables import Report
from speechbrain_lmac.metrics.insertion_deletion import KINDS
from speechbrain_lmac.metrics.registry import METRICS, TOP_K_METRICS
from speechbrain_lmac.utils.errors import InputError


def draw_all(folder: Path, frame: pd.DataFrame, report: Report) -> None:
    """Draw all figures that the results allow, one set for each masking domain."""
    folder.mkdir(exist_ok=True)
    reference = report.reference
    for (domain, condition), part in report.summary.groupby(["domain", "condition"], sort=False):
        if ((part.metric == "AD") & (part.fraction == MEAN)).any():
            draw_metrics(part, reference, folder / f"{domain!s}_{condition!s}_metrics.png")
    frame = frame[~frame.method.str.endswith(DEFAULT)]
    for domain, part in frame.groupby("domain", sort=False):
        points = curve_points(part[part.condition == CLEAN])
        if len(points):
            draw_curves(points, reference, folder / f"{domain!s}_curves.png")
        points = presence_points(part)
        if points.present.nunique() == 2:
            draw_presence(points, folder / f"{domain!s}_presence.png")
    randomized = report.diagnostics["Randomized models"]
    for domain, part in randomized.groupby("domain", sort=False) if len(randomized) else ():
        draw_randomization(part, reference, folder / f"{domain!s}_randomized.png")


def draw_metrics(summary: pd.DataFrame, reference: str, path: str | Path) -> None:
    """Draw AD, FF and Fid-In of each method with 95 % intervals, the lowest AD on top."""
    means = summary[summary.fraction == MEAN]
    tables = {name: means[means.metric == name].set_index("method") for name in TOP_K_METRICS}
    order = tables["AD"]["mean"].sort_values(ascending=False, kind="stable").index
    _check(order, path)
    figure = new_figure(1.2 + 0.25 * len(order))
    axes = figure.subplots(1, len(tables), sharey=True)
    colors = [color_of(name, reference) for name in order]
    places = np.arange(len(order))
    for axis, (metric, table) in zip(axes, tables.items()):
        table = table.reindex(order)
        axis.hlines(places, table.low, table.high, colors=colors, linewidth=2)
        on_all_clips = table.clips == table.clips.max()
        faces = [color if all_clips else "white" for color, all_clips in zip(colors, on_all_clips)]
        axis.scatter(table["mean"], places, c=faces, edgecolors=colors, s=28, zorder=3)
        axis.locator_params(axis="x", nbins=5)
        axis.set_title(METRICS[metric].heading, fontsize=11)
        axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(places, [short_name(name) for name in order])
    axes[0].set_ylim(-0.6, len(order) - 0.4)
    for label, color, name in zip(axes[0].get_yticklabels(), colors, order):
        label.set_color(color)
        label.set_fontweight("bold" if name == reference else "normal")
    note = "equal mask area, mean and 95 % interval; gray: controls; hollow: on fewer clips"
    figure.supxlabel(note, fontsize=9)
    save_figure(figure, path)


def curve_points(frame: pd.DataFrame) -> pd.DataFrame:
    """Average insertion and deletion curves over clips."""
    rows = frame[frame.metric.str.startswith(KINDS) & frame.fraction.notna()]
    means = rows.groupby(["method", "metric", "fraction"], sort=False).value.mean()
    points = means.rename("p").reset_index()
    names = points.metric.str.split("_", n=1)
    return points.assign(kind=names.str[0], fill=names.str[-1]).drop(columns="metric")


def draw_curves(points: pd.DataFrame, reference: str, path: str | Path) -> None:
    """Draw insertion and deletion curves, one row per fill."""
    _check(points, path)
    fills, methods = points.fill.unique(), points.method.unique()
    figure = new_figure(0.6 + 2.3 * len(fills) + legend_height(methods))
    axes = figure.subplots(len(fills), 2, sharex=True, sharey=True, squeeze=False)
    for row, fill in zip(axes, fills):
        for axis, kind in zip(row, KINDS):
            part = points[(points.fill == fill) & (points.kind == kind)]
            _draw_lines(axis, part, ("fraction", "p"), line_styles(methods, reference))
            axis.set_title(f"{kind}, {fill.replace('_', ' ')}", fontsize=10)
        row[0].set_ylabel("probability")
    for axis in axes[-1]:
        axis.set_xlabel("fraction of T-F bins, best first")
        axis.set_xlim(0, 1)
        axis.set_ylim(bottom=0)
    add_legend(figure, axes[0, 0])
    save_figure(figure, path)


def draw_randomization(table: pd.DataFrame, reference: str, path: str | Path) -> None:
    """Draw the similarity to the original maps for each randomization stage."""
    _check(table, path)
    stages, methods = list(table.stage.unique()), table.method.unique()
    figure = new_figure(4.2 + legend_height(methods))
    axes = figure.subplots(1, 2, sharey=True)
    placed = table.assign(place=table.stage.map({name: i for i, name in enumerate(stages)}))
    placed = placed.sort_values("place", kind="stable")
    titles = {"spearman": "rank correlation (Spearman)", "ssim": "structural similarity (SSIM)"}
    for axis, (measure, title) in zip(axes, titles.items()):
        styles = line_styles(methods, reference)
        _draw_lines(axis, placed, ("place", measure), styles, marker="o")
        axis.set_title(title, fontsize=10)
        axis.set_xticks(range(len(stages)), stages, rotation=35, ha="right")
        axis.axhline(0, color="#999999", linewidth=0.8, zorder=1)
    axes[0].set_ylabel("similarity to the original map")
    figure.supxlabel("randomized part", fontsize=10)
    add_legend(figure, axes[0])
    save_figure(figure, path)


def presence_points(frame: pd.DataFrame) -> pd.DataFrame:
    """Select similarity and mask mean of present and absent prompts, without controls."""
    rows = frame[frame.condition.isin([TWO_SOURCE, ABSENT]) & ~frame.method.isin(CONTROLS)]
    rows = rows[rows.metric.isin(["clap_similarity", "mask_mean"])]
    keys = ["method", "condition", "clip"]
    wide = rows.set_index([*keys, "metric"]).value.unstack("metric").reset_index()
    wide = wide.reindex(columns=[*keys, "clap_similarity", "mask_mean"])
    return wide.assign(present=wide.condition == TWO_SOURCE)


def draw_presence(points: pd.DataFrame, path: str | Path) -> None:
    """Draw the mean of the mask over the similarity of clip and prompt, one panel per method."""
    _check(points, path)
    methods = points.method.unique()
    axes, figure = new_panels(len(methods), 2.1)
    looks = {True: ("o", EXPLAINER, "sound is present"), False: ("x", REFERENCE, "absent")}
    for axis, method in zip(axes, methods):
        for present, (marker, color, label) in looks.items():
            rows = points[(points.method == method) & (points.present == present)]
            axis.scatter(
                rows.clap_similarity,
                rows.mask_mean,
                s=14,
                marker=marker,
                color=color,
                alpha=0.6,
                linewidths=1,
                label=label,
            )
        axis.set_title(short_name(method), fontsize=10)
    figure.supxlabel("similarity of clip and prompt", fontsize=10)
    figure.supylabel("mean of the mask", fontsize=10)
    add_legend(figure, axes[0])
    save_figure(figure, path)


def _check(rows: Sized, path: str | Path) -> None:
    if not len(rows):
        raise InputError(f"{path} needs results to show, got none")


def _draw_lines(
    axis: Axes,
    points: pd.DataFrame,
    columns: tuple[str, str],
    styles: Mapping[str, Mapping[str, Any]],
    marker: str | None = None,
) -> None:
    across, up = columns
    for method, style in styles.items():
        part = points[points.method == method]
        axis.plot(part[across], part[up], marker=marker, markersize=3.5, label=method, **style)
    axis.grid(color="#eeeeee", linewidth=0.8)
    axis.set_axisbelow(True)
