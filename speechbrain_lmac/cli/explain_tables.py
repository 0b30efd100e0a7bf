"""Tables of all files that ``speechbrain-lmac explain`` writes to its output folder."""

import csv
import io
import time
from pathlib import Path

from speechbrain_lmac.cli.explain_text import Record

AREA_FIELDS = ("sufficient_area", "necessary_area")
"""Fields of the smallest areas of a prompt."""
SCORE_FIELDS = (
    *("presence", "probability", "similarity"),
    *("absent", "explained", "mask_mean", "seconds"),
)
"""Fields of a prompt in the table of scores, as in ``scores.json``; empty if not measured.

``seconds`` is the duration of the file."""
BATCHES = 16
"""Number of earlier files per file that is waiting, from which the tables are written."""
INTERVAL = 1.0
"""Time between two updates of the tables, in seconds."""


class FileTables:
    """Regions, smallest areas and scores of all files, one table each, and a table for Raven.

    Every update replaces a table atomically, so a table is whole at any time. An update takes time
    for all earlier rows. It is therefore made at most once a second, and for one of 16 files after
    the first 16. Use the object as a context manager: it writes the last rows and the selection
    table of Raven at the end, also after an error.

    Arguments
    ---------
    root : Path
        Folder of the tables.
    """

    def __init__(self, root: Path):
        self.root = root
        self.waiting: dict[str | None, list[Record]] = {}
        self.written = 0
        self.next_time = 0.0

    def __enter__(self) -> "FileTables":
        return self

    def __exit__(self, *_: object) -> None:
        self.write()
        if self.written:
            write_selections(self.root)

    def add(self, record: Record) -> None:
        """Add the prompts of a record of :func:`~speechbrain_lmac.cli.explain_file.explain`.

        Raises
        ------
        InputError
            If a table was not written by this package, or has changed since.
        """
        from speechbrain_lmac.audio.locations import canonical_path

        rows = [{**row, "seconds": record["seconds"]} for row in record["prompts"]]
        self.waiting[canonical_path(record["file"])] = rows
        is_due = time.monotonic() >= self.next_time
        if is_due and len(self.waiting) * BATCHES >= self.written:
            self.write()

    def write(self) -> None:
        """Write the rows that are waiting. They are dropped if that fails."""
        if not self.waiting:
            return
        rows, self.waiting = self.waiting, {}
        self.written += len(rows)
        update_tables(self.root, rows)
        self.next_time = time.monotonic() + INTERVAL


def update_tables(root: Path, rows_by_file: dict[str | None, list[Record]]) -> None:
    """Replace the rows of some files in the three tables.

    Arguments
    ---------
    root : Path
        Folder of the tables.
    rows_by_file : dict
        Canonical path of a file -> JSON objects of its prompts.
    """
    from speechbrain_lmac.inference.outputs import ALL_SCORES, AREAS, REGIONS
    from speechbrain_lmac.reports.annotations import Region, update_csv
    from speechbrain_lmac.utils.shared_tables import update_table

    regions = {
        file: [Region(row["prompt"], **region) for row in rows for region in row["regions"]]
        for file, rows in rows_by_file.items()
    }
    update_csv(root / REGIONS, regions)
    with_areas = {
        file: [row for row in rows if row["sufficient_area"] is not None]
        for file, rows in rows_by_file.items()
    }
    tables = ((AREAS, AREA_FIELDS, with_areas), (ALL_SCORES, SCORE_FIELDS, rows_by_file))
    for name, fields, selected in tables:
        columns = ("prompt", *fields)
        cells = {
            file: [[row[c] for c in columns] for row in rows] for file, rows in selected.items()
        }
        update_table(root / name, columns, cells)


def write_selections(root: Path) -> None:
    """Write the selection table of Raven for all files, from the tables of regions and scores."""
    from speechbrain_lmac.inference.outputs import ALL_SCORES, REGIONS, SELECTIONS
    from speechbrain_lmac.reports.selection_tables import raven_of_files
    from speechbrain_lmac.utils.shared_tables import derive_file

    def make(regions: str, scores: str) -> str:
        rows = csv.DictReader(io.StringIO(scores, newline=""))
        return raven_of_files(regions, {row["file"]: float(row["seconds"] or 0) for row in rows})

    derive_file(root / SELECTIONS, [root / REGIONS, root / ALL_SCORES], make)
