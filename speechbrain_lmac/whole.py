"""Files that are whole or not there: what is killed half-way leaves nothing that looks complete."""

import contextlib
import csv
from pathlib import Path
from tempfile import TemporaryFile

from speechbrain_lmac.errors import InputError, first_line

PARTIAL = ".partial"
"""Ends the name of what is being written."""


@contextlib.contextmanager
def whole(path):
    """Write a file under another name; it gets its own when it is written.

    Arguments
    ---------
    path : str or Path
        The file; its folder is made.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    InputError
        If it cannot be written: a full disk, a folder that may not be written to.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole(Path(folder) / "a.txt") as partial:
    ...         _ = partial.write_text("all of it")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    path = Path(path)
    partial = path.with_name(path.name + PARTIAL)
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {first_line(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def check_writable(path):
    """Raise InputError if a file cannot be written, before the work that would be lost."""
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder, and no file to write")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path.absolute().parent).close()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {first_line(error)}") from error


def write_text(path, text):
    """Write a text file in UTF-8, as :func:`whole`; its path."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def write_table(path, rows, delimiter=","):
    """Write rows as CSV, as :func:`whole`; names of files may be no UTF-8."""
    with (
        whole(path) as partial,
        open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        csv.writer(file, delimiter=delimiter).writerows(rows)
