"""Files of others, opened once: what is checked, hashed and loaded are the same bytes.

A path may name another file a moment later, or no file at all: opening a FIFO waits for ever.
"""

import contextlib
import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

from speechbrain_lmac.utils.errors import InputError, first_line

HANDLES = Path("/proc/self/fd")
"""Where Linux lets an open file be opened again, whatever has its path by then."""


class OpenFile(NamedTuple):
    """A file that is open."""

    name: str
    """By which a library opens the same file."""
    sha256: str
    """Of its contents, in hex."""


def read_bounded(path, max_bytes):
    """Contents of a file, opened once.

    Arguments
    ---------
    path : str or Path
        A regular file.
    max_bytes : int
        Bytes; a larger file is refused unread.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If it is no regular file, is too large or cannot be read.
    """
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(max_bytes + 1)
        if max(size, len(data)) > max_bytes:
            raise InputError(f"{path} is too large ({size} bytes); at most {max_bytes} are read")
        return data


@contextlib.contextmanager
def open_hashed(path):
    """Hash a file that is too large for memory, and hold it open while it is loaded.

    Arguments
    ---------
    path : str or Path
        A regular file.

    Yields
    ------
    Held

    Raises
    ------
    InputError
        If it is no regular file, cannot be read, or changes meanwhile.
    """
    with _opened(path) as file:
        before = os.fstat(file.fileno())
        found = hashlib.file_digest(file, "sha256").hexdigest()
        handle = HANDLES / str(file.fileno())
        yield OpenFile(str(handle if handle.exists() else path), found)
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise InputError(f"{path} changed while it was read. Read it again")


@contextlib.contextmanager
def _opened(path):
    """A regular file, open; a FIFO or device is not waited for."""
    try:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        number = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from error
    with open(number, "rb") as file:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise InputError(f"{path} must be a file, but is a device, a pipe or a folder")
        try:
            yield file
        except OSError as error:
            raise InputError(f"{path} cannot be read: {first_line(error)}") from error
