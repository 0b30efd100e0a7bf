"""CSV tables with rows of many files, which several processes update."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from speechbrain_lmac.utils.files import temporary_path
from speechbrain_lmac.utils.ownership import Ledger, folder_lock
from speechbrain_lmac.utils.tables import csv_bytes


def update_table(
    path: Path, columns: Sequence[str], rows_by_file: Mapping[str | None, Iterable[Iterable[Any]]]
) -> None:
    """Replace the rows of some files in a CSV table of many files.

    The table is read, changed and replaced under a lock, so several processes can update it.

    Arguments
    ---------
    path : Path
        Table with a column ``file`` before the others. It is created if it does not exist. Columns
        that an existing table lacks are empty in its rows.
    columns : sequence of str
        Names of the other columns.
    rows_by_file : dict
        File, as identified by :func:`~speechbrain_lmac.audio.locations.canonical_path`, -> cells of
        the other columns, one row each.

    Raises
    ------
    InputError
        If the table was not written by this package, or has changed since.
    """
    rows = [(file, *cells) for file, part in rows_by_file.items() for cells in part]
    with folder_lock(path.parent), temporary_path(path.parent) as partial:
        ledger = Ledger(path.parent)
        ledger.check([path.name])
        content = path.read_bytes() if path.exists() else csv_bytes([("file", *columns)])
        if not content.startswith(csv_bytes([("file", *columns)])):
            content = _with_columns(content, ("file", *columns))
        if any(_may_contain(content, file) for file in rows_by_file):
            content = csv_bytes(row for row in _decode(content) if row[0] not in rows_by_file)
        partial.write_bytes(content + csv_bytes(rows))
        ledger.add(path.name, partial)
        ledger.save()
        partial.replace(path)


def derive_file(path: Path, sources: Sequence[Path], make: Callable[..., str]) -> None:
    """Write a file that is made from tables of the same folder.

    The tables are read and the file is replaced under one lock, so the file is never of older
    tables than another process has used.

    Arguments
    ---------
    path : Path
        File to write.
    sources : sequence of Path
        Tables in the folder of the file. Nothing is written if one does not exist.
    make : callable
        Function from the texts of the tables to that of the file.

    Raises
    ------
    InputError
        If the file was not written by this package, or has changed since.
    """
    with folder_lock(path.parent), temporary_path(path.parent) as partial:
        if not all(source.exists() for source in sources):
            return
        ledger = Ledger(path.parent)
        ledger.check([path.name])
        texts = [source.read_bytes().decode("utf-8", "surrogateescape") for source in sources]
        partial.write_bytes(make(*texts).encode("utf-8", "surrogateescape"))
        ledger.add(path.name, partial)
        ledger.save()
        partial.replace(path)


def _decode(content: bytes) -> Iterable[list[str]]:
    text = content.decode("utf-8", "surrogateescape")
    return csv.reader(io.StringIO(text, newline=""))


def _with_columns(content: bytes, columns: Sequence[str]) -> bytes:
    """Return a table with other columns, by their names."""
    text = content.decode("utf-8", "surrogateescape")
    rows = csv.DictReader(io.StringIO(text, newline=""))
    cells = ([row.get(column, "") for column in columns] for row in rows)
    return csv_bytes([columns, *cells])


def _may_contain(content: bytes, file: str | None) -> bool:
    """Return whether a table may have rows of a file, without parsing it."""
    return csv_bytes([(file, "")])[:-2] in content
