"""Pictures of explanations."""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from speechbrain_lmac.budgets import BUDGETS
from speechbrain_lmac.spectrogram import power_of
from speechbrain_lmac.whole import whole

RANGE_DB = 70
"""Below the loudest cell; what is fainter is drawn as silence."""

SCRIPTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "Microsoft YaHei", "Arial")
"""Fonts that have the letters of many scripts, of which a machine may have some."""
TICKS_KHZ = (0.25, 0.5, 1, 2, 4, 8, 16)


def draw_interpretation(interpretation, path):
    """The clip, and for each prompt what its mask keeps and the mask, on a mel axis.

    Arguments
    ---------
    interpretation : Interpretation
        What to draw.
    path : str or Path
        Image file to write.
    """
    classifier = interpretation.model.classifier
    sounds = (interpretation.original, *interpretation.waveform)
    levels = [_decibels(classifier.clap.spectrogram, wav) for wav in sounds]
    top = float(levels[0].max())
    rate = interpretation.sample_rate
    extent = (interpretation.original.shape[-1] / rate, rate / 2000)
    rows = len(sounds)
    figure = Figure(figsize=(11, 2.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 2, squeeze=False)
    _draw_probabilities(axes[0, 1], interpretation)
    for i, level in enumerate(levels):
        image = draw_plane(axes[i, 0], level, extent, "magma", (top - RANGE_DB, top))
        title = f"kept for “{shorten(interpretation.prompts[i - 1])}”" if i else "the clip"
        axes[i, 0].set_title(title, fontsize=10)
    device = classifier.clap.filterbank.device
    for i, mask in enumerate(classifier.plane.gains(interpretation.mask.to(device))):
        gain = draw_plane(axes[i + 1, 1], mask, extent, "viridis", (0, 1))
        axes[i + 1, 1].set_title("its mask", fontsize=10)
    for axis in (axes[-1, 0], axes[-1, 1]):
        axis.set_xlabel("time, s")
    figure.colorbar(image, ax=axes[:, 0], label="dB", fraction=0.04)
    figure.colorbar(gain, ax=axes[1:, 1], label="gain", fraction=0.04)
    _save(figure, path)


def draw_timeline(timeline, path, threshold):
    """The sound, and below it the evidence for each prompt along it.

    Arguments
    ---------
    timeline : Timeline
        What to draw.
    path : str or Path
        Image file to write.
    threshold : float
        Evidence that makes a region; regions are shaded.
    """
    prompts = timeline.prompts
    figure = Figure(figsize=(11, 2.6 + 1.1 * len(prompts)), layout="constrained")
    FigureCanvasAgg(figure)
    heights = [2.4, *[1] * len(prompts)]
    above, *axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    level = 10 * timeline.picture.clamp(min=1e-8).log10()
    extent, top = (timeline.duration, timeline.sample_rate / 2000), float(level.max())
    draw_plane(above, level, extent, "magma", (top - RANGE_DB, top))
    above.set_title("the sound", fontsize=10)
    regions = timeline.regions(threshold)
    for axis, prompt, evidence in zip(axes, prompts, timeline.evidence.tolist()):
        for region in regions:
            if region.prompt == prompt:
                axis.axvspan(region.start, region.stop, color="#f2c14e", alpha=0.45, linewidth=0)
        edges = [*timeline.seconds.tolist(), timeline.duration]
        axis.stairs(evidence, edges, fill=True, color="#4c78a8")
        axis.axhline(threshold, color="#888888", linewidth=0.8, linestyle=":")
        axis.set(ylim=(0, 1), xlim=(0, timeline.duration), yticks=(0, 1))
        axis.set_title(f"evidence for “{shorten(prompt)}”", fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("time, s")
    _save(figure, path)


def _save(figure, path):
    """Write a figure whose texts are people's: as they are, in whatever script."""
    families = ["DejaVu Sans", *(name for name in SCRIPTS if name in _fonts())]
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # prompts are words, also where they hold dollar signs
        text.set_fontfamily(families)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a letter that no font has: a box
        with whole(path) as partial:
            figure.savefig(partial, dpi=110, format=Path(path).suffix.removeprefix(".") or "png")


@cache
def _fonts():
    return set(font_manager.get_font_names())


def draw_budgets(rows, path):
    """How much of the decision's probability each explainer loses, by the share of cells kept.

    Arguments
    ---------
    rows : pandas.DataFrame
        Of an evaluation: ``method``, and ``AD@5`` and so on.
    path : str or Path
        Image file to write.
    """
    shares = [f"{100 * budget:g}" for budget in BUDGETS]
    means = rows.groupby("method", sort=False)[[f"AD@{share}" for share in shares]].mean()
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for place, (method, values) in enumerate(means.iterrows()):
        style = {"color": "#d1495b", "linewidth": 2.5} if place == 0 else {"linewidth": 1.3}
        axis.plot(shares, values, marker="o", label=method, **style)
    axis.set_xlabel("share of cells that is kept, %")
    axis.set_ylabel("average drop (AD), %: lower is better")
    axis.set_ylim(0, 100)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=110)


def _decibels(spectrogram, wav):
    power = power_of(spectrogram(wav.unsqueeze(0).to(spectrogram.window.device)))
    return 10 * power.squeeze(0).clamp(min=1e-8).log10()


def draw_plane(axis, values, extent, colours, limits):
    """Linear-frequency bins as an image whose frequency axis is spaced in mel.

    Arguments
    ---------
    axis : matplotlib.axes.Axes
        Where to draw.
    values : torch.Tensor
        ``[frames, bins]``.
    extent : tuple of float
        Length in seconds, and the highest bin in kHz.
    colours : str
        Colour map.
    limits : tuple of float
        Values of its two ends.

    Returns
    -------
    matplotlib.collections.QuadMesh
    """
    (frames, bins), (seconds, nyquist) = values.shape, extent
    image = axis.pcolormesh(
        np.linspace(0, seconds, frames),
        np.linspace(0, nyquist, bins),
        values.T.cpu().numpy(),
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        shading="nearest",
        rasterized=True,
    )
    axis.set_yscale("function", functions=(_mel, _from_mel))
    axis.set_ylim(0, nyquist)
    axis.set_yticks([tick for tick in TICKS_KHZ if tick <= nyquist])
    axis.set_yticklabels([f"{tick:g}" for tick in TICKS_KHZ if tick <= nyquist])
    axis.set_ylabel("kHz")
    return image


def _draw_probabilities(axis, interpretation):
    """How the classifier shares its belief over the prompts."""
    shares, there = interpretation.probabilities.tolist(), interpretation.presence.tolist()
    for place, (prompt, share) in enumerate(zip(interpretation.prompts, shares)):
        axis.barh(place, share, color="#4c78a8", height=0.4)
        words = f"{shorten(prompt, 40)}: {share:.2f} (among everyday sounds {there[place]:.2f})"
        axis.text(0, place - 0.28, words, va="bottom", fontsize=9)
    axis.set_yticks([])
    axis.set_ylim(len(shares) - 0.5, -0.8)
    axis.set_xlim(0, 1)
    axis.set_title("probability over these prompts", fontsize=10)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _mel(kilohertz):
    return np.log1p(np.asarray(kilohertz) / 0.7)


def _from_mel(mel):
    return 0.7 * np.expm1(mel)


def shorten(prompt, width=60):
    """Text that is at most so many letters wide."""
    return prompt if len(prompt) <= width else prompt[: width - 1] + "…"
