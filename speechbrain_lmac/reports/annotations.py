"""Regions of activity in a recording, and their tables."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from speechbrain_lmac.audio.start_times import time_in
from speechbrain_lmac.utils.files import Writer, atomic_write
from speechbrain_lmac.utils.shared_tables import update_table
from speechbrain_lmac.utils.tables import write_csv


class RegionRule(NamedTuple):
    """Rule that makes regions of an activity."""

    threshold: float = 0.1
    """Activity from which a region starts, above 0 and at most 1."""
    merge_gap: float = 0.3
    """Longest gap between regions that are merged, in seconds."""
    min_duration: float = 0.0
    """Duration below which a region is dropped after merging, in seconds."""


DEFAULT_RULE = RegionRule()
BEGIN_TIME = "begin_time"
"""Column of the date and time at which a region begins, empty if the file's name states none."""


class Region(NamedTuple):
    """A time span in which a prompt is active, with its frequency band."""

    prompt: str
    start: float
    """Start, in seconds."""
    stop: float
    """End, in seconds."""
    low_hz: float
    high_hz: float
    activity: float
    """Maximum activity in the region."""


def find_regions(
    prompt: str,
    activity: torch.Tensor,
    bands: torch.Tensor,
    step_seconds: float,
    threshold: float,
    merge_gap: float,
) -> list[Region]:
    """Find the regions in which the activity of a prompt reaches a threshold.

    Arguments
    ---------
    prompt : str
        Prompt.
    activity : torch.Tensor
        Activity in [0, 1], ``[steps]``.
    bands : torch.Tensor
        Lowest and highest masked-in frequency, in Hz, ``[2, steps]``.
    step_seconds : float
        Length of a step, in seconds.
    threshold : float
        Activity from which a region starts.
    merge_gap : float
        Maximum gap inside a region, in seconds.

    Returns
    -------
    list of Region
        Regions in order of time.

    Example
    -------
    >>> activity = torch.tensor([0.0, 0.6, 0.0, 0.9, 0.0, 0.0, 0.0, 0.5])
    >>> bands = torch.tensor([[200.0], [900.0]]).expand(2, 8)
    >>> for region in find_regions("dog", activity, bands, 0.5, threshold=0.5, merge_gap=0.5):
    ...     print(region.start, region.stop, round(region.activity, 1))
    0.5 2.0 0.9
    3.5 4.0 0.5
    """
    active = (activity >= threshold).nonzero().flatten().tolist()
    spans: list[list[int]] = []
    for step in active:
        if spans and (step - spans[-1][1] - 1) * step_seconds <= merge_gap + 1e-9:
            spans[-1][1] = step
        else:
            spans.append([step, step])
    return [
        Region(
            prompt,
            round(first * step_seconds, 6),
            round((last + 1) * step_seconds, 6),
            *_band(bands[:, first : last + 1], activity[first : last + 1] >= threshold),
            activity[first : last + 1].max().item(),
        )
        for first, last in spans
    ]


def _band(bands: torch.Tensor, active: torch.Tensor) -> tuple[float, float]:
    """Return the median band of the active steps."""
    low, high = bands[:, active]
    return low.median().item(), high.median().item()


def write_regions(path: Path, regions: Iterable[Region], writer: Writer = atomic_write) -> None:
    """Write regions as CSV, with the fields of :class:`Region` as columns."""
    rows = [Region._fields, *(rounded(region) for region in regions)]
    write_csv(path, rows, writer=writer)


def update_csv(path: Path, regions_by_file: Mapping[str | None, Iterable[Region]]) -> None:
    """Replace the regions of some files in a CSV table of many files.

    Arguments
    ---------
    path : Path
        Table with a column ``file`` before those of :class:`Region` and ``begin_time`` after them,
        as for :func:`~speechbrain_lmac.utils.shared_tables.update_table`.
    regions_by_file : dict
        File, as identified by :func:`~speechbrain_lmac.audio.locations.canonical_path`, -> its
        regions.

    Raises
    ------
    InputError
        If the table was not written by this package, or has changed since.
    """
    rows = {
        file: [(*rounded(region), time_in(file, region.start)) for region in regions]
        for file, regions in regions_by_file.items()
    }
    update_table(path, (*Region._fields, BEGIN_TIME), rows)


def rounded(region: Region) -> Region:
    """Return a region with the decimals that tables have."""
    return region._replace(
        start=round(region.start, 3),
        stop=round(region.stop, 3),
        low_hz=round(region.low_hz, 1),
        high_hz=round(region.high_hz, 1),
        activity=round(region.activity, 4),
    )
