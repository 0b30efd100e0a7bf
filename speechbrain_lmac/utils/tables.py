"""CSV tables: one reader with checks, one atomic writer."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import Writer, atomic_write

Row = TypeVar("Row")


@overload
def read_csv(
    path: str | Path, columns: Iterable[str], *, encoding: str = ...
) -> list[dict[str, str]]: ...


@overload
def read_csv(
    path: str | Path,
    columns: Iterable[str],
    parse: Callable[[dict[str, str]], Row],
    encoding: str = ...,
) -> list[Row]: ...


def read_csv(
    path: str | Path,
    columns: Iterable[str],
    parse: Callable[[dict[str, str]], Any] = dict,
    encoding: str = "utf-8-sig",
) -> list[Any]:
    """Read a CSV file with a header.

    Arguments
    ---------
    path : str or Path
        File to read.
    columns : iterable of str
        Names of the columns that must exist. Other columns may be absent from a row.
    parse : callable
        Function from a row, column name -> text, to the value to return. A TypeError or ValueError
        is reported with the number of the line. Default: the row as a dictionary.
    encoding : str
        Text encoding of the file. Default: UTF-8, with or without a byte order mark.

    Returns
    -------
    list
        One value per row.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or a row is too short, too long or cannot be
        parsed.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_csv(Path(folder) / "a.csv", [["name", "fold"], ["rain", 3]])
    ...     read_csv(Path(folder) / "a.csv", ["fold"], lambda row: int(row["fold"]))
    [3]
    """
    columns = list(columns)
    try:
        with open(path, newline="", encoding=encoding) as file:
            reader = csv.DictReader(file)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{path} has no column {', '.join(missing)}")
            return [_parse(path, reader.line_num, row, columns, parse) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV: {error}") from error


def _parse(
    path: str | Path,
    line: int,
    row: dict[Any, Any],
    columns: Sequence[str],
    parse: Callable[[dict[str, str]], Row],
) -> Row:
    if None in row or any(row[name] is None for name in columns):
        raise InputError(f"{path}, line {line} must have one cell per column, got more or fewer")
    try:
        return parse(row)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}, line {line}: {error}") from error


def write_csv(
    path: str | Path,
    rows: Iterable[Iterable[Any]],
    delimiter: str = ",",
    writer: Writer = atomic_write,
) -> None:
    """Write rows as CSV in UTF-8; undecodable bytes of file names are kept.

    Arguments
    ---------
    path : str or Path
        File to write.
    rows : iterable of iterable
        Cells of each row; the first row is the header.
    delimiter : str
        Character between cells. Default: a comma.
    writer : callable
        Context manager that yields the path to write. Default: atomic write.
    """
    with (
        writer(path) as partial,
        open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        csv.writer(file, delimiter=delimiter).writerows(rows)


def csv_bytes(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as CSV in UTF-8; undecodable bytes of file names are kept."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
