"""Pictures of explanations."""

import warnings
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.reports.raster import AXIS_HZ, HEIGHT, RANGE_DB, WIDTH, height_of, pixels
from speechbrain_lmac.utils.files import whole

SCRIPTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "Hiragino Sans", "Microsoft YaHei", "Arial")
"""Fonts that have the letters of many scripts, of which a machine may have some."""
TICKS_KHZ = (0.25, 0.5, 1, 2, 4, 8, 16)
MAX_DRAWN = 20
"""Prompts that are drawn: those of greatest presence or activity."""
MAX_STEPS = 1000
"""Steps of a curve; a longer one is drawn by the greatest value of each stretch."""
MAX_BARS = 6
"""Prompts whose probabilities are drawn: the likeliest."""
DPI = 110
MARGIN, GAP, TITLE, FOOT = 60, 90, 26, 34
"""Pixels left of a panel, between two, above each for its title, and below the last."""


def draw_interpretation(interpretation, path):
    """The clip, and for each prompt the masked clip and its mask, on a mel axis.

    Arguments
    ---------
    interpretation : Interpretation
        What to draw; of more than ``MAX_DRAWN`` prompts those of greatest presence.
    path : str or Path
        Image file to write.
    """
    classifier, rate = interpretation.model.classifier, interpretation.sample_rate
    chosen, note = _chosen(interpretation.likely)
    page = _Page(1 + len(chosen), len(interpretation.original) / rate, rate / 2)
    clip = _decibels(classifier.audio_classifier.spectrogram, interpretation.original)
    limits = (float(clip.max()) - RANGE_DB, float(clip.max()))
    page.panel(0, 0, clip, "magma", limits, f"the clip ({RANGE_DB} dB)")
    _draw_probabilities(page, interpretation, chosen, note)
    device = classifier.audio_classifier.filterbank.device
    for row, i in enumerate(chosen, start=1):
        kept = _decibels(classifier.audio_classifier.spectrogram, interpretation.waveform[i])
        mark = " (absent: faded out)" if interpretation.absent[i] else ""
        title = f"kept for “{shorten(interpretation.prompts[i])}”{mark}"
        page.panel(row, 0, kept, "magma", limits, title)
        gains = classifier.domain.gains(interpretation.mask[i : i + 1].to(device))[0]
        page.panel(row, 1, gains, "viridis", (0, 1), "its mask, 0 to 1")
    _save(page.figure, path)


def _chosen(values):
    """Indices of the prompts to draw, in their order, and a note on the others."""
    count = len(values)
    if count <= MAX_DRAWN:
        return list(range(count)), ""
    best = sorted(values.argsort(descending=True)[:MAX_DRAWN].tolist())
    return best, f"{MAX_DRAWN} of {count} prompts, the likeliest"


class _Page:
    """Rows of two panels of pixels, with titles and frequencies: no axes, which take seconds."""

    def __init__(self, rows, seconds, nyquist):
        self.rows, self.seconds, self.nyquist = rows, seconds, nyquist
        self.width = MARGIN + 2 * WIDTH + GAP + 20
        self.height = rows * (TITLE + HEIGHT + 8) + FOOT
        self.figure = Figure(figsize=(self.width / DPI, self.height / DPI), dpi=DPI)
        FigureCanvasAgg(self.figure)

    def corner(self, row, column):
        """Left foot of a panel, in pixels."""
        left = MARGIN + column * (WIDTH + GAP)
        return left, self.height - (row + 1) * (TITLE + HEIGHT + 8) + 8

    def text(self, left, foot, words, **style):
        """Words at a place in pixels."""
        style = {"fontsize": 8, "va": "center", **style}
        self.figure.text(left / self.width, foot / self.height, words, **style)

    def panel(self, row, column, values, colors, limits, title):
        """Draw ``[frames, bins]``."""
        left, foot = self.corner(row, column)
        self.figure.figimage(pixels(values, self.nyquist, colors, limits), left, foot)
        self.text(left, foot + HEIGHT + TITLE / 2 - 2, title, fontsize=9)
        for hertz in AXIS_HZ:
            if hertz < self.nyquist:
                place = foot + HEIGHT * height_of(hertz, self.nyquist)
                self.text(left - 5, place, f"{hertz / 1000:g}", ha="right")
        self.text(left - 40, foot + HEIGHT / 2, "kHz", rotation=90, ha="center")
        if row == self.rows - 1:
            for place in range(5):
                when = f"{place / 4 * self.seconds:.3g}" + " s" * (place == 4)
                self.text(left + WIDTH * place / 4, foot - 14, when, ha="center")


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
    chosen, note = _chosen(timeline.evidence.amax(dim=1))
    figure = Figure(figsize=(11, 2.6 + 1.1 * len(chosen)))
    FigureCanvasAgg(figure)
    heights = [2.4, *[1] * len(chosen)]
    above, *axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    inches = figure.get_figheight()
    figure.subplots_adjust(0.06, 0.5 / inches, 0.98, 1 - 0.35 / inches, hspace=0.45)
    level = 10 * timeline.picture.clamp(min=1e-8).log10()
    extent, top = (timeline.duration, timeline.sample_rate / 2000), float(level.max())
    draw_plane(above, level, extent, "magma", (top - RANGE_DB, top))
    above.set_title("the sound" + (f"; {note}" if note else ""), fontsize=10)
    regions = timeline.regions(threshold)
    for axis, i in zip(axes, chosen):
        prompt = timeline.prompts[i]
        for region in regions:
            if region.prompt == prompt:
                axis.axvspan(region.start, region.stop, color="#f2c14e", alpha=0.45, linewidth=0)
        curve, edges = _pooled(timeline.evidence[i], timeline.seconds, timeline.duration)
        axis.stairs(curve, edges, fill=True, color="#4c78a8")
        axis.axhline(threshold, color="#888888", linewidth=0.8, linestyle=":")
        axis.set(ylim=(0, 1), xlim=(0, timeline.duration), yticks=(0, 1))
        mark = " (absent)" if timeline.absent[i] else ""
        axis.set_title(f"evidence for “{shorten(prompt)}”{mark}", fontsize=10, loc="left")
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("time, s")
    _save(figure, path)


def _pooled(evidence, seconds, duration):
    """A curve of at most ``MAX_STEPS`` steps, by their greatest values, and its edges."""
    stride = -(-len(evidence) // MAX_STEPS)
    values = [part.max().item() for part in evidence.split(stride)]
    return values, [*seconds[::stride].tolist(), duration]


def _save(figure, path):
    """Write a figure whose texts are people's: as they are, in whatever script."""
    families = ["DejaVu Sans", *(name for name in SCRIPTS if name in _fonts())]
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # prompts are words, also where they hold dollar signs
        text.set_fontfamily(families)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # a letter that no font has: a box
        with whole(path) as partial:
            figure.savefig(partial, dpi=DPI, format=Path(path).suffix.removeprefix(".") or "png")


@cache
def _fonts():
    return set(font_manager.get_font_names())


def draw_top_k(scores, path):
    """Draw the average drop (AD) of each explainer over the mask area.

    Arguments
    ---------
    scores : pandas.DataFrame
        Long-format scores of an evaluation: ``method``, ``metric``, ``fraction``, ``value``.
    path : str or Path
        Image file to write.
    """
    rows = scores[(scores.metric == "AD") & scores.fraction.notna()]
    means = rows.groupby(["method", "fraction"], sort=False).value.mean().unstack("fraction")
    means = means.reindex(index=rows.method.unique(), columns=sorted(means))
    percent = [f"{100 * fraction:g}" for fraction in means]
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for place, (method, values) in enumerate(means.iterrows()):
        style = {"color": "#d1495b", "linewidth": 2.5} if place == 0 else {"linewidth": 1.3}
        axis.plot(percent, values, marker="o", label=method, **style)
    axis.set_xlabel("mask area, % of T-F bins")
    axis.set_ylabel("average drop (AD), %: lower is better")
    axis.set_ylim(0, 100)
    axis.grid(alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    figure.savefig(path, dpi=DPI)


def _decibels(spectrogram, wav):
    power = power_of(spectrogram(wav.unsqueeze(0).to(spectrogram.window.device)))
    return 10 * power.squeeze(0).clamp(min=1e-8).log10()


def draw_plane(axis, values, extent, colors, limits):
    """Linear-frequency bins as an image whose frequency axis is spaced in mel.

    Arguments
    ---------
    axis : matplotlib.axes.Axes
        Where to draw.
    values : torch.Tensor
        ``[frames, bins]``.
    extent : tuple of float
        Length in seconds, and the highest bin in kHz.
    colors : str
        Color map.
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
        cmap=colors,
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


def _draw_probabilities(page, interpretation, chosen, note):
    """The classifier's probabilities over the prompts, as bars beside the clip."""
    left, foot = page.corner(0, 1)
    title = "probability over these prompts" + (f"; {note}" if note else "")
    page.text(left, foot + HEIGHT + TITLE / 2 - 2, title, fontsize=9)
    shares, there = interpretation.probabilities.tolist(), interpretation.presence.tolist()
    best = sorted(chosen, key=lambda i: -shares[i])[:MAX_BARS]
    step = min(32, HEIGHT / len(best))
    for place, i in enumerate(sorted(best)):
        low = foot + HEIGHT - (place + 1) * step
        box = (left / page.width, low / page.height)
        wide, high = WIDTH * shares[i] / page.width, 0.35 * step / page.height
        page.figure.add_artist(Rectangle(box, wide, high, color="#4c78a8", linewidth=0))
        words = f"{shorten(interpretation.prompts[i], 40)}: {shares[i]:.2f} "
        words += f"(among everyday sounds {there[i]:.2f})"
        page.text(left, low + 0.68 * step, words, fontsize=7)


def _mel(kilohertz):
    return np.log1p(np.asarray(kilohertz) / 0.7)


def _from_mel(mel):
    return 0.7 * np.expm1(mel)


def shorten(prompt, width=60):
    """Text that is at most so many letters wide."""
    return prompt if len(prompt) <= width else prompt[: width - 1] + "…"
