"""Smallest areas of an explanation in a report: a slider over sounds of prepared areas."""

from typing import Any, NamedTuple

import torch

from speechbrain_lmac.reports.players import ClipRenderer, Player

SHOWN_AREAS = (0.02, 0.1, 0.4)
"""Areas whose sounds a report has in addition to the sufficient area."""
MAX_CLIPS = 10
"""Clips up to which a report has the sounds of further areas."""


class AreaStep(NamedTuple):
    """Sound of the best bins of a mask."""

    area: float
    player: Player
    probability: float
    """Presence of the prompt in this sound, or its probability against another text."""


class AreaSlider(NamedTuple):
    """Sounds of the smallest areas, and of further ones to compare."""

    summary: str
    """Sentence about the smallest areas."""
    steps: tuple[AreaStep, ...]
    """Sounds in ascending order of their areas."""
    first: int
    """Index of the sufficient area, which is shown first."""
    without: AreaStep | None
    """Clip without the necessary area; None if there is none."""
    measure: str
    """Name of the probabilities."""


def shown_areas(num_clips: int) -> tuple[float, ...]:
    """Return the areas, in addition to the smallest ones, whose sounds a report has.

    They add half to its size, so a report on many clips has none.

    Example
    -------
    >>> shown_areas(3), shown_areas(100)
    ((0.02, 0.1, 0.4), ())
    """
    return SHOWN_AREAS if num_clips <= MAX_CLIPS else ()


def area_slider(
    renderer: ClipRenderer, interpretation: Any, i: int, shown: tuple[float, ...] = SHOWN_AREAS
) -> AreaSlider | None:
    """Render the smallest areas of prompt ``i``.

    Arguments
    ---------
    renderer : ClipRenderer
        Renderer that has rendered the clip.
    interpretation : Interpretation
        Explanations of the clip.
    i : int
        Index of the prompt.
    shown : tuple of float
        Areas in addition to the sufficient area. Default: ``SHOWN_AREAS``.

    Returns
    -------
    AreaSlider or None
        None if the prompt does not lead in the clip.
    """
    areas = interpretation.areas[i]
    if areas.sufficient is None:
        return None
    prompt = interpretation.prompts[i]
    listed = sorted({areas.sufficient, *shown})
    labels = [f"Best {_percent(area)} alone" for area in listed]
    sounds = [interpretation.waveform_at(area, i) for area in listed]
    if areas.necessary is not None:
        listed.append(areas.necessary)
        labels.append(f"Clip without the best {_percent(areas.necessary)}")
        sounds.append(interpretation.residual_at(areas.necessary, i))
    names = [f"{label[0].lower()}{label[1:]} for “{prompt}”" for label in labels]
    players = [renderer.player(*each) for each in zip(labels, sounds, names)]
    scores = interpretation.score_sounds(torch.stack(sounds), prompt)
    against = interpretation.against is not None
    values = (scores.probability if against else scores.presence).tolist()
    steps = [AreaStep(*each) for each in zip(listed, players, values)]
    without = None if areas.necessary is None else steps.pop()
    measure = "probability" if against else interpretation.words.presence
    first = listed.index(areas.sufficient)
    return AreaSlider(areas.summary, tuple(steps), first, without, measure)


def _percent(area: float) -> str:
    return f"{100 * area:.0f}\N{NO-BREAK SPACE}%"
