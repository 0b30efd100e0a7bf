"""Activity of the prompts of a clip in its figure, with a list of the absent ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from speechbrain_lmac.reports.annotations import Region
from speechbrain_lmac.reports.fonts import fit_text, text_width
from speechbrain_lmac.reports.panels import SMALL_SIZE, TITLE_WIDTH, PanelGrid
from speechbrain_lmac.reports.raster import HEIGHT, WIDTH
from speechbrain_lmac.utils.percent import percent

MAX_CURVES = 5
"""Maximum number of curves: the prompts of highest probability."""
MAX_LINES = 3
"""Maximum number of lines of a list of prompts without a curve."""
TEXT_HEIGHT = 14.0
"""Height of a line of text, in pixels."""


def draw_activities(
    grid: PanelGrid,
    interpretation: Any,
    chosen: Sequence[int],
    regions: Sequence[Region],
    threshold: float,
    note: str,
) -> None:
    """Draw the activity of prompts over time to the right of the clip, and list the other prompts.

    Arguments
    ---------
    grid : PanelGrid
        Figure.
    interpretation : Interpretation
        Explanations of the clip.
    chosen : sequence of int
        Indices of the prompts with panels.
    regions : sequence of Region
        Regions of all prompts.
    threshold : float
        Activity from which a region starts, in [0, 1].
    note : str
        Note on the choice of prompts, empty if there is none.
    """
    left, top = grid.corner(0, 1)
    values = interpretation.detection_probability
    best = sorted(sorted(chosen, key=lambda i: -values[i])[:MAX_CURVES])
    title = "Activity over time, and regions" if chosen else "No prompt is present"
    hidden = len(chosen) - len(best)
    notes = [note, f"{len(best)} most likely of {len(chosen)}" if hidden and not note else ""]
    grid.title(0, 1, "; ".join([title, *filter(None, notes)]))
    lines = [line for text in _listed(interpretation) for line in _wrapped(text)]
    step = (HEIGHT - TEXT_HEIGHT * len(lines)) / max(1, len(best))
    for place, i in enumerate(best):
        y = top + place * step
        _draw_activity(grid, interpretation, i, (left, y), step, regions, threshold)
    first = top + len(best) * step + 0.6 * TEXT_HEIGHT
    for place, line in enumerate(lines):
        grid.text(left, first + place * TEXT_HEIGHT, line, SMALL_SIZE, faint=True)


def _draw_activity(
    grid: PanelGrid,
    interpretation: Any,
    i: int,
    corner: tuple[float, float],
    step: float,
    regions: Sequence[Region],
    threshold: float,
) -> None:
    """Draw the activity of prompt ``i`` below the prompt."""
    (left, y), timeline, prompt = corner, interpretation.timeline, interpretation.prompts[i]
    grid.text(left, y + TEXT_HEIGHT / 2, fit_text(prompt, SMALL_SIZE, WIDTH), SMALL_SIZE)
    activity = timeline.activity[i]
    index = torch.arange(WIDTH) * len(activity) // WIDTH
    spans = [
        (region.start / timeline.duration, region.stop / timeline.duration)
        for region in regions
        if region.prompt == prompt
    ]
    values = np.clip(activity[index].numpy(), 0, 1)
    grid.curve((left, y + TEXT_HEIGHT), step - TEXT_HEIGHT - 3, values, spans, threshold)


def _listed(interpretation: Any) -> list[str]:
    """Return a line on the absent prompts, and one on those that are not explained."""
    absent, explained = interpretation.absent.tolist(), interpretation.explained.tolist()
    groups = {
        "Absent": [i for i, is_absent in enumerate(absent) if is_absent],
        "Not explained": [i for i, each in enumerate(explained) if not each and not absent[i]],
    }
    presence, prompts = interpretation.presence.tolist(), interpretation.prompts
    return [
        f"{name}: " + ", ".join(f"{prompts[i]} {percent(presence[i])}" for i in indices)
        for name, indices in groups.items()
        if indices
    ]


def _wrapped(text: str) -> list[str]:
    """Return a list of prompts in lines; the last line is cut if there are too many."""
    lines, rest = [""], text.split(", ")
    for place, part in enumerate(rest):
        end = "" if place == len(rest) - 1 else ", "
        longer = lines[-1] + part + end
        if lines[-1] and text_width(longer, SMALL_SIZE) > TITLE_WIDTH and len(lines) < MAX_LINES:
            lines.append(part + end)
        else:
            lines[-1] = longer
    return [fit_text(line, SMALL_SIZE, TITLE_WIDTH) for line in lines]
