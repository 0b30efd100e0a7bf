"""Untrusted files, opened once: the bytes that are checked, hashed and loaded are the same.

A path may refer to another file a moment later. Opening a FIFO would block for ever.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from speechbrain_lmac.utils.errors import InputError, first_line

HANDLES = Path("/proc/self/fd")
"""Folder in which Linux lists open files, so that the same file can be opened again."""


class OpenFile(NamedTuple):
    """A file that is open."""

    name: str
    """Path by which a library opens the same file."""
    sha256: str
    """SHA-256 of its content, in hex."""


def read_bounded(path: str | Path, max_bytes: int) -> bytes:
    """Read a file that is opened once.

    Arguments
    ---------
    path : str or Path
        Regular file.
    max_bytes : int
        Size above which the file is not read.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If the path is no regular file, or the file is too large or cannot be read.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(max_bytes + 1)
        if max(size, len(data)) > max_bytes:
            raise InputError(f"{path} must have at most {max_bytes} bytes, got {size}")
        return data


@contextlib.contextmanager
def open_hashed(path: str | Path) -> Iterator[OpenFile]:
    """Hash a file that is too large for memory, and hold it open while it is loaded.

    Arguments
    ---------
    path : str or Path
        Regular file.

    Yields
    ------
    OpenFile

    Raises
    ------
    InputError
        If the path is no regular file, or the file cannot be read or changes meanwhile.
    """
    with _opened(path) as file:
        before = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        handle = HANDLES / str(file.fileno())
        yield OpenFile(str(handle if handle.exists() else path), digest)
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise InputError(f"{path} changed while it was read. Read it again")


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[BufferedReader]:
    """Open a regular file without waiting for a FIFO or device."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from error
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"{path} must be a file, got a device, a pipe or a folder")
        try:
            yield file
        except OSError as error:
            raise InputError(f"{path} cannot be read: {first_line(error)}") from error
