"""Activity of a prompt in a report: a curve over time, with its regions, and their boxes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from speechbrain_lmac.reports.annotations import Region
from speechbrain_lmac.reports.raster import height_of

CURVE_POINTS = 480
"""Maximum number of points of a curve."""


class Curve(NamedTuple):
    """Activity of a prompt over time."""

    values: tuple[float, ...]
    """Activity in [0, 1], at equal steps over the sound."""
    spans: tuple[tuple[float, float], ...]
    """Start and end of each region, as fractions of the sound."""
    threshold: float
    """Activity from which a region starts, in [0, 1]."""


class Box(NamedTuple):
    """Region as a box in an image, in fractions of its size from the lower left corner."""

    left: float
    bottom: float
    width: float
    height: float


def activity_curve(timeline: Any, i: int, regions: Sequence[Region], threshold: float) -> Curve:
    """Return the activity of prompt ``i`` by the maximum of each part of the sound.

    Arguments
    ---------
    timeline : Timeline
        Activity of the prompts.
    i : int
        Index of the prompt.
    regions : sequence of Region
        Regions of all prompts.
    threshold : float
        Activity from which a region starts, in [0, 1].

    Returns
    -------
    Curve
    """
    activity, duration = timeline.activity[i], timeline.duration
    count = min(CURVE_POINTS, len(activity))
    pooled = torch.nn.functional.adaptive_max_pool1d(activity.view(1, 1, -1), count)
    spans = tuple(
        (region.start / duration, region.stop / duration)
        for region in regions
        if region.prompt == timeline.prompts[i]
    )
    return Curve(tuple(pooled.flatten().tolist()), spans, threshold)


def boxes_of(regions: Sequence[Region], prompt: str, nyquist: float, seconds: float) -> list[Box]:
    """Return the regions of a prompt as boxes in the spectrogram of a whole sound.

    Arguments
    ---------
    regions : sequence of Region
        Regions of all prompts.
    prompt : str
        Prompt.
    nyquist : float
        Highest frequency of the image, in Hz.
    seconds : float
        Length of the sound, in seconds.

    Returns
    -------
    list of Box
    """
    return [box(each, nyquist, 0.0, seconds) for each in regions if each.prompt == prompt]


def box(region: Region, nyquist: float, start: float, seconds: float) -> Box:
    """Return a region as a box in the spectrogram of a part of the sound.

    Arguments
    ---------
    region : Region
        Region.
    nyquist : float
        Highest frequency of the image, in Hz.
    start, seconds : float
        Start and length of the part, in seconds.

    Returns
    -------
    Box

    Example
    -------
    >>> box(Region("rain", 1.0, 3.0, 0.0, 8000.0, 0.5), 8000.0, start=2.0, seconds=4.0)
    Box(left=0.0, bottom=0.0, width=0.25, height=1.0)
    """
    left, right = (
        min(max((time - start) / seconds, 0.0), 1.0) for time in (region.start, region.stop)
    )
    bottom, top = (min(height_of(hertz, nyquist), 1.0) for hertz in (region.low_hz, region.high_hz))
    return Box(left, bottom, right - left, top - bottom)
