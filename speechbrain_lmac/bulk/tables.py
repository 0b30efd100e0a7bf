"""Hits and regions of a job as tables, for spreadsheets, Raven and Audacity."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_lmac.audio.start_times import time_in
from speechbrain_lmac.bulk.extras import require
from speechbrain_lmac.bulk.job import read_job
from speechbrain_lmac.bulk.rows import Row, done_units, part_name, read_rows
from speechbrain_lmac.bulk.store import Store
from speechbrain_lmac.inference.timeline import MERGE_GAP, MIN_DURATION
from speechbrain_lmac.reports.annotations import BEGIN_TIME, Region
from speechbrain_lmac.reports.selection_tables import (
    RAVEN_COLUMNS,
    RAVEN_FILE_COLUMNS,
    raven_cells,
)
from speechbrain_lmac.utils.errors import InputError

HIT_COLUMNS = ("file", "start", "stop", "prompt", "presence", "activity", "masked_in_fraction")
REGION_COLUMNS = ("file", "prompt", "start", "stop", "low_hz", "high_hz", "activity", "presence")


class FileRegion(NamedTuple):
    """Region of activity in a file; its times are seconds of the file."""

    file: str
    prompt: str
    start: float
    stop: float
    low_hz: float
    high_hz: float
    activity: float
    presence: float
    """Highest presence of the stretches that the region is in."""


def check_prompt(store: Store, prompt: str | None) -> None:
    """Raise InputError unless a prompt, if given, is one of the job's."""
    prompts = read_job(store).prompts
    if prompt is not None and prompt not in prompts:
        raise InputError(f"prompt must be one of the job's ({', '.join(prompts)}), got {prompt}")


def read_hits(store: Store, prompt: str | None, above: float) -> Iterator[tuple[Row, Any]]:
    """Yield the hits of a job in the order of its parts.

    Arguments
    ---------
    store : Store
        Output folder.
    prompt : str or None
        Prompt of the hits. None: all prompts.
    above : float
        Smallest presence of a hit.

    Yields
    ------
    dict, dict
        Row with ``id``, ``file``, ``start`` and ``stop``, and one of its hits.
    """
    compute = require("pyarrow.compute")
    for unit in sorted(done_units(store)):
        columns = ["id", "file", "start", "stop", "hits"]
        table = read_rows(store.read(part_name(unit)), columns)
        count = compute.list_value_length(table.column("hits"))
        for row in table.filter(compute.greater(count, 0)).to_pylist():
            for hit in row.pop("hits"):
                if hit["presence"] >= above and prompt in (None, hit["prompt"]):
                    yield row, hit


def hit_rows(store: Store, prompt: str | None, above: float) -> Iterator[list[Any]]:
    """Yield the header and the rows of the table of hits: one per stretch and prompt."""
    yield list(HIT_COLUMNS)
    for row, hit in read_hits(store, prompt, above):
        values = {**row, **hit}
        yield [_rounded(values[name]) for name in HIT_COLUMNS]


def read_regions(
    store: Store,
    prompt: str | None,
    above: float,
    merge_gap: float = MERGE_GAP,
    min_duration: float = MIN_DURATION,
) -> Iterator[FileRegion]:
    """Yield the regions of hits, joined where a region crosses the end of a stretch or segment.

    Arguments
    ---------
    store, prompt, above
        As for :func:`read_hits`.
    merge_gap : float
        Longest gap between regions that are merged, in seconds, at least that of the job.
        Default: 0.3, that of the job.
    min_duration : float
        Duration below which a region is dropped after merging, in seconds. Default: 0.

    Yields
    ------
    FileRegion
        Regions by file. The band of a joined region is the wider one of its parts.
    """
    for regions in _merged_by_file(store, prompt, above, merge_gap):
        for region in regions:
            if region.stop - region.start >= min_duration - 1e-6:
                yield region


def _merged_by_file(
    store: Store, prompt: str | None, above: float, merge_gap: float
) -> Iterator[list[FileRegion]]:
    """Yield the merged regions of each file."""
    regions: list[FileRegion] = []
    for row, hit in read_hits(store, prompt, above):
        if regions and regions[0].file != row["file"]:
            yield _merged(regions, merge_gap)
            regions = []
        for values in hit["regions"]:
            regions.append(
                FileRegion(
                    file=row["file"], prompt=hit["prompt"], **values, presence=hit["presence"]
                )
            )
    yield _merged(regions, merge_gap)


def _merged(regions: Iterable[FileRegion], merge_gap: float) -> list[FileRegion]:
    """Merge regions of a prompt that overlap or have a short gap; return them in order of time.

    Regions of overlapping segments of a list are merged, too.
    """
    merged: list[FileRegion] = []
    for region in sorted(regions, key=lambda region: (region.prompt, region.start)):
        last = merged[-1] if merged else None
        if last and last.prompt == region.prompt and region.start <= last.stop + merge_gap + 1e-6:
            merged[-1] = _joined(last, region)
        else:
            merged.append(region)
    return sorted(merged, key=lambda region: (region.start, region.prompt))


def _joined(first: FileRegion, second: FileRegion) -> FileRegion:
    return first._replace(
        stop=max(first.stop, second.stop),
        low_hz=min(first.low_hz, second.low_hz),
        high_hz=max(first.high_hz, second.high_hz),
        activity=max(first.activity, second.activity),
        presence=max(first.presence, second.presence),
    )


def region_rows(
    store: Store, prompt: str | None, above: float, *rule: float
) -> Iterator[list[Any]]:
    """Yield the header and the rows of the table of regions.

    Arguments
    ---------
    store, prompt, above, *rule
        As for :func:`read_regions`.

    Yields
    ------
    list
    """
    yield [*REGION_COLUMNS, BEGIN_TIME]
    for region in read_regions(store, prompt, above, *rule):
        values = [_rounded(getattr(region, name)) for name in REGION_COLUMNS]
        yield [*values, time_in(region.file, region.start)]


def raven_rows(store: Store, prompt: str | None, above: float, *rule: float) -> Iterator[list[Any]]:
    """Yield the header and the rows of a selection table of Raven for all files.

    Arguments
    ---------
    store, prompt, above, *rule
        As for :func:`read_regions`.

    Yields
    ------
    list
    """
    yield [*RAVEN_COLUMNS, *RAVEN_FILE_COLUMNS]
    for number, region in enumerate(read_regions(store, prompt, above, *rule), start=1):
        span = Region(*(getattr(region, name) for name in Region._fields))
        file = (Path(region.file).name, region.file, _rounded(region.start))
        yield [*raven_cells(number, span), *file]


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
