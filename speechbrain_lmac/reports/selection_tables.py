"""Regions as selection tables of Raven and as labels of Audacity."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from speechbrain_lmac.reports.annotations import Region, rounded
from speechbrain_lmac.utils.files import Writer, atomic_write, write_text
from speechbrain_lmac.utils.tables import write_csv

RAVEN_COLUMNS = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Annotation",
    "Score",
)
"""Columns of a selection table of Raven (Cornell)."""
RAVEN_FILE_COLUMNS = ("Begin File", "Begin Path", "File Offset (s)")
"""Columns of Raven for selections in several files."""


def write_raven(path: Path, regions: Iterable[Region], writer: Writer = atomic_write) -> None:
    """Write regions as a selection table of Raven: tab-separated, numbered in order of time."""
    rows: list[Iterable[object]] = [RAVEN_COLUMNS]
    for number, region in enumerate(_by_time(regions), start=1):
        rows.append(raven_cells(number, region))
    write_csv(path, rows, "\t", writer)


def write_audacity(path: Path, regions: Iterable[Region], writer: Writer = atomic_write) -> None:
    """Write regions as a label file of Audacity: start, end and prompt, separated by tabs."""
    lines = (
        f"{region.start}\t{region.stop}\t{plain_text(region.prompt)}\n"
        for region in map(rounded, _by_time(regions))
    )
    write_text(path, "".join(lines), writer)


def raven_of_files(regions: str, durations: Mapping[str, float]) -> str:
    """Return the selection table of several files, which Raven opens as a sequence.

    Arguments
    ---------
    regions : str
        CSV table of the regions, as :func:`~speechbrain_lmac.reports.annotations.update_csv`
        writes it.
    durations : dict
        File -> its duration in seconds. Begin and end times count from the first of these files,
        in the order of their paths, also if they have no region.

    Returns
    -------
    str
        Table with the columns ``RAVEN_COLUMNS`` and ``RAVEN_FILE_COLUMNS``.
    """
    by_file: dict[str, list[Region]] = {}
    for row in csv.DictReader(io.StringIO(regions, newline="")):
        numbers = (float(row[name]) for name in Region._fields[1:])
        by_file.setdefault(row["file"], []).append(Region(row["prompt"], *numbers))
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t").writerows(_rows_of_files(by_file, durations))
    return text.getvalue()


def _rows_of_files(
    by_file: Mapping[str, Iterable[Region]], durations: Mapping[str, float]
) -> Iterator[Iterable[object]]:
    """Yield the header and the rows of the selection table of several files."""
    yield (*RAVEN_COLUMNS, *RAVEN_FILE_COLUMNS)
    number, begin = 0, 0.0
    for file in sorted({*durations, *by_file}):
        for region in _by_time(by_file.get(file, ())):
            number += 1
            shifted = region._replace(start=begin + region.start, stop=begin + region.stop)
            yield (*raven_cells(number, shifted), Path(file).name, file, region.start)
        begin += durations.get(file, 0.0)


def raven_cells(number: int, region: Region) -> tuple[object, ...]:
    """Return the cells of a region in a selection table of Raven."""
    prompt, start, stop, low, high, activity = rounded(region)
    text = plain_text(prompt).replace('"', "'")  # Raven does not support quotes
    return (number, "Spectrogram 1", 1, start, stop, low, high, text, activity)


def plain_text(prompt: str) -> str:
    """Return a prompt in one line, without tabs.

    Example
    -------
    >>> plain_text("a dog\\tthat barks")
    'a dog that barks'
    """
    return " ".join(prompt.split())


def _by_time(regions: Iterable[Region]) -> list[Region]:
    return sorted(regions, key=lambda region: (region.start, region.prompt))
