"""Samples of the files of a job, read once and in blocks."""

import io
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from speechbrain_lmac.audio.blocks import mono_blocks, resample_blocks
from speechbrain_lmac.audio.decoding import AudioFile
from speechbrain_lmac.bulk.manifest import Entry
from speechbrain_lmac.bulk.store import filesystem, is_url, remote_errors
from speechbrain_lmac.utils.errors import InputError

MAX_DOWNLOAD_BYTES = 1 << 28
"""Largest remote file that is read at once; larger ones are read in pieces."""


def read_blocks(entry: Entry, sample_rate: int) -> Iterator[Tensor]:
    """Read a file, or a segment of it, in blocks of some seconds.

    Arguments
    ---------
    entry : Entry
        Entry of the manifest.
    sample_rate : int
        Sample rate of the blocks, in Hz.

    Yields
    ------
    torch.Tensor
        ``[time]``.

    Raises
    ------
    InputError
        If the file cannot be read, or its samples cannot be used.
    """
    if entry.problem is not None:
        raise InputError(entry.problem)
    source = as_readable(entry.file)
    with AudioFile(source) as file:
        if entry.start and file.announced is not None and entry.start >= file.announced:
            raise InputError(
                f"start must be before the end of {file.name}, {file.announced:g} s, got "
                f"{entry.start:g}. Correct the list"
            )
        span = _span(entry.start, entry.stop, file.rate)
        yield from resample_blocks(mono_blocks(file, *span), file.rate, sample_rate)


def _span(start: float | None, stop: float | None, rate: int) -> tuple[int, int]:
    """First sample of a segment and the sample after the last one, 0 for the end of the file."""
    first, end = round((start or 0) * rate), round((stop or 0) * rate)
    if first < 0 or (stop is not None and end <= first):
        raise InputError(f"start must be at least 0 and before stop, got {start} and {stop}")
    return first, end


def as_readable(file: str) -> Any:
    """Return a local path as it is, and the file of a URL as an open file."""
    return _open_remote(file) if is_url(file) else file


def _open_remote(url: str) -> Any:
    files, path = filesystem(url)
    with remote_errors(url):
        if files.size(path) <= MAX_DOWNLOAD_BYTES:
            return io.BytesIO(files.cat_file(path))
        return files.open(path, "rb")
