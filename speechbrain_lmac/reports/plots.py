"""Figures of interpretations and timelines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.reports.activities import draw_activities
from speechbrain_lmac.reports.annotations import DEFAULT_RULE, Region, RegionRule
from speechbrain_lmac.reports.canvas import draw_time_frequency, save_figure, shorten
from speechbrain_lmac.reports.curves import boxes_of
from speechbrain_lmac.reports.fonts import fit_text, text_width
from speechbrain_lmac.reports.panels import TITLE_SIZE, TITLE_WIDTH, PanelGrid
from speechbrain_lmac.reports.raster import RANGE_DB
from speechbrain_lmac.utils.percent import percent

MAX_PROMPTS = 20
"""Maximum number of prompts in a figure: those of highest presence or activity."""
MAX_STEPS = 1000
"""Maximum number of steps of a curve. A longer curve is drawn by the maximum of each part."""


def draw_interpretation(
    interpretation: Any, path: str | Path, rule: RegionRule = DEFAULT_RULE
) -> None:
    """Draw the clip, the activity of the prompts, and the masked-in clip and mask of each one.

    Absent prompts are listed only.

    Arguments
    ---------
    interpretation : Interpretation
        Explanations to draw, at most ``MAX_PROMPTS`` of them. Other prompts are listed only.
    path : str or Path
        Image file to write.
    rule : RegionRule
        Rule that makes the regions. Default: ``DEFAULT_RULE``.
    """
    classifier, rate = interpretation.model.classifier, interpretation.sample_rate
    present = (interpretation.explained & ~interpretation.absent).nonzero().flatten()
    chosen, note = _select(interpretation.detection_probability[present])
    chosen = present[chosen].tolist()
    seconds = len(interpretation.original) / rate
    grid = PanelGrid(1 + len(chosen), seconds, rate / 2)
    sounds = torch.stack([interpretation.original, *interpretation.waveform[chosen]])
    clip, *masked_in = _decibels(classifier.audio_classifier.spectrogram, sounds)
    loudest = float(clip.max())
    level = ("magma", (loudest - RANGE_DB, loudest))
    legend = (f"\N{MINUS SIGN}{RANGE_DB} dB", "0 dB")
    grid.panel(0, 0, clip, *level, "Clip, relative to its loudest bin", legend)
    regions = interpretation.timeline.regions(*rule)
    draw_activities(grid, interpretation, chosen, regions, rule.threshold, note)
    masks = interpretation.mask[chosen].to(classifier.audio_classifier.filterbank.device)
    gains = classifier.domain.gains(masks)
    for row, i in enumerate(chosen, start=1):
        grid.panel(row, 0, masked_in[row - 1], *level, _title(interpretation, i), legend)
        grid.boxes(row, 0, boxes_of(regions, interpretation.prompts[i], rate / 2, seconds))
        grid.panel(row, 1, gains[row - 1], "viridis", (0, 1), "Mask: gain of each bin", ("0", "1"))
    grid.save(path)


def _title(interpretation: Any, i: int) -> str:
    """Return the title of the masked-in clip of prompt ``i``."""
    against, presence = interpretation.against, percent(interpretation.presence[i].item())
    chance = f"{interpretation.words.presence} {presence}"
    if against is not None:
        chance = f"probability {percent(interpretation.probabilities[i].item())}"
    start, end = "Masked-in for “", f"” ({chance})"
    room = TITLE_WIDTH - text_width(start + end, TITLE_SIZE)
    return start + fit_text(interpretation.prompts[i], TITLE_SIZE, room) + end


def _select(values: torch.Tensor) -> tuple[list[int], str]:
    """Return the indices of the prompts to draw, in order, and a note on the others."""
    count = len(values)
    if count <= MAX_PROMPTS:
        return list(range(count)), ""
    best = sorted(values.argsort(descending=True)[:MAX_PROMPTS].tolist())
    return best, f"{MAX_PROMPTS} most likely of {count}"


def _decibels(spectrogram: Any, wavs: torch.Tensor) -> torch.Tensor:
    power = power_of(spectrogram(wavs.to(spectrogram.window.device)))
    return 10 * power.clamp(min=1e-8).log10()


def draw_timeline(timeline: Any, path: str | Path, rule: RegionRule) -> None:
    """Draw a recording and, below it, the activity of each prompt.

    Arguments
    ---------
    timeline : Timeline
        Activity to draw, of at most ``MAX_PROMPTS`` prompts.
    path : str or Path
        Image file to write.
    rule : RegionRule
        Rule that makes the regions, which are shaded.
    """
    chosen, note = _select(timeline.activity.amax(dim=1))
    figure = Figure(figsize=(11, 2.6 + 1.1 * len(chosen)))
    FigureCanvasAgg(figure)
    heights = [2.4, *[1] * len(chosen)]
    top_axis, *axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    inches = figure.get_figheight()
    figure.subplots_adjust(0.06, 0.5 / inches, 0.98, 1 - 0.35 / inches, hspace=0.45)
    level = 10 * timeline.spectrogram.clamp(min=1e-8).log10()
    extent, top = (timeline.duration, timeline.sample_rate / 2000), float(level.max())
    draw_time_frequency(top_axis, level, extent, "magma", (top - RANGE_DB, top))
    top_axis.set_title("Recording" + (f"; {note}" if note else ""), fontsize=10, loc="left")
    regions = timeline.regions(*rule)
    for axis, i in zip(axes, chosen):
        _draw_activity(axis, timeline, i, regions, rule.threshold)
    axes[-1].set_xlabel("Time, s")
    save_figure(figure, path)


def _draw_activity(
    axis: Axes, timeline: Any, i: int, regions: Sequence[Region], threshold: float
) -> None:
    """Draw the activity and the regions of prompt ``i``."""
    prompt = timeline.prompts[i]
    for region in regions:
        if region.prompt == prompt:
            axis.axvspan(region.start, region.stop, color="#f2c14e", alpha=0.45, linewidth=0)
    stride = -(-len(timeline.activity[i]) // MAX_STEPS)
    curve = [part.max().item() for part in timeline.activity[i].split(stride)]
    edges = [*timeline.seconds[::stride].tolist(), timeline.duration]
    axis.stairs(curve, edges, fill=True, color="#4c78a8")
    axis.axhline(threshold, color="#888888", linewidth=0.8, linestyle=":")
    axis.set(ylim=(0, 1), xlim=(0, timeline.duration), yticks=(0, 1))
    absent = " (absent)" if timeline.absent[i] else ""
    axis.set_title(f"Activity of “{shorten(prompt)}”{absent}", fontsize=10, loc="left")
    axis.spines[["top", "right"]].set_visible(False)
