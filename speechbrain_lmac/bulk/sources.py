"""Sound files that a job explains: folders, patterns, lists and URLs. No sound file is opened."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from glob import has_magic, iglob
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_lmac.audio.containers import EXTENSIONS
from speechbrain_lmac.audio.files import LinkedFolders, display_name
from speechbrain_lmac.bulk.extras import require
from speechbrain_lmac.bulk.store import filesystem, is_url, remote_errors
from speechbrain_lmac.utils.errors import InputError, first_line

LISTS = (".csv", ".tsv", ".parquet")
"""Extensions of lists of files."""
FILE_COLUMNS = ("file", "path", "filename", "file_name")
"""Names of the column of a list that holds the files; the first that exists is used."""


class SourceFile(NamedTuple):
    """Sound file, or a segment of it, to be explained."""

    file: str
    """Absolute path or URL."""
    size: int | None = None
    """Size in bytes, if it is known without opening the file."""
    start: float | None = None
    """Start of the segment, in seconds; None for the beginning."""
    stop: float | None = None
    """End of the segment, in seconds; None for the end of the file."""
    problem: str | None = None
    """Reason why the file cannot be explained, if it is known already."""


def find_files(sources: Sequence[str], output: str) -> Iterator[SourceFile]:
    """Yield the files that sources stand for.

    Arguments
    ---------
    sources : sequence of str
        Sound files, folders, glob patterns, and CSV or Parquet lists; local or as URLs. A list has
        a column ``file`` and optionally ``start`` and ``stop`` in seconds. Its relative paths start
        at its own folder.
    output : str
        Output folder. Files in it are left out.

    Yields
    ------
    SourceFile

    Raises
    ------
    InputError
        If a source stands for no file.
    """
    real_path = lru_cache(maxsize=1024)(os.path.realpath)  # many files have the same folder
    excluded = os.path.join(real_path(output), "")
    for source in sources:
        count = 0
        for found in _find_remote(source) if is_url(source) else _find_local(source):
            folder = os.path.join(real_path(os.path.dirname(found.file)), "")
            if is_url(found.file) or not folder.startswith(excluded):
                count += 1
                yield found
        if not count:
            raise InputError(f"{display_name(source)} must name sound files, got none")


def _find_local(source: str) -> Iterator[SourceFile]:
    path = os.path.abspath(source)
    if os.path.isdir(path):
        yield from _walk(path)
    elif path.lower().endswith(LISTS) and os.path.isfile(path):
        yield from _listed(path, os.path.dirname(path))
    elif os.path.exists(path):
        yield _local_file(path)
    elif has_magic(source):
        for match in iglob(path, recursive=True):
            if _is_sound(match) and os.path.isfile(match):
                yield _local_file(match)


def _walk(folder: str) -> Iterator[SourceFile]:
    """Yield the sounds in a folder and its subfolders, without hidden ones."""
    links, linked, pending = LinkedFolders(folder), list[str](), [folder]
    while pending or linked:
        if not pending:  # in a fixed order, because each target is searched once
            pending, linked = [path for path in sorted(linked) if links.is_new(path)], []
            continue
        path = pending.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        (linked if entry.is_symlink() else pending).append(entry.path)
                    elif _is_sound(entry.name):
                        yield _named(entry.path, _size_of(entry))
        except OSError as error:
            yield SourceFile(_escaped(path), problem=f"folder: {first_line(error)}")


def _size_of(path: Any) -> int | None:
    try:
        return int(path.stat().st_size)
    except OSError:  # a broken link: reading it states the reason
        return None


def _local_file(path: str) -> SourceFile:
    return _named(path, _size_of(Path(path)))


def _named(
    path: str, size: int | None, start: float | None = None, stop: float | None = None
) -> SourceFile:
    """Return a file, with a problem if no table can hold its name."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        problem = "the file name must be UTF-8, got other bytes. Rename the file"
        return SourceFile(_escaped(path), size, start, stop, problem)
    return SourceFile(path, size, start, stop)


def _escaped(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _is_sound(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)


def _find_remote(source: str) -> Iterator[SourceFile]:
    files, path = filesystem(source)
    if path.lower().endswith(LISTS):
        yield from _listed(source, source.rpartition("/")[0])
        return
    with remote_errors(source):
        search = files.glob if has_magic(path) else files.find
        found = search(path, detail=True)
    for name, info in sorted(found.items()):
        if info["type"] == "file" and _is_sound(name) and "/." not in name[len(path) :]:
            yield _named(str(files.unstrip_protocol(name)), info.get("size"))


def _listed(source: str, folder: str) -> Iterator[SourceFile]:
    """Yield the files of a CSV or Parquet list."""
    for row in _list_rows(source):
        name = next((row[column] for column in FILE_COLUMNS if row.get(column)), None)
        if name is None:
            raise InputError(f"{source} must have a column file without empty cells")
        try:
            start, stop, size = (_number(row.get(column)) for column in ("start", "stop", "size"))
        except ValueError as error:
            raise InputError(
                f"{source} must have numbers in start, stop and size ({first_line(error)})"
            ) from error
        yield _named(_joined(folder, name), None if size is None else int(size), start, stop)


def _joined(folder: str, name: str) -> str:
    if is_url(name):
        return name
    return f"{folder}/{name}" if is_url(folder) else os.path.normpath(os.path.join(folder, name))


def _number(value: Any) -> float | None:
    """Number in a cell; None for an empty one, which some writers of Parquet store as NaN."""
    number = math.nan if value is None or value == "" else float(value)
    if math.isinf(number):
        raise ValueError(f"got {value}")
    return None if math.isnan(number) else number


def _list_rows(source: str) -> Iterable[Mapping[str, Any]]:
    """Rows of a list as mappings with the columns that are used."""
    files, path = filesystem(source)
    used = {*FILE_COLUMNS, "start", "stop", "size"}
    # a thread reads a local list ahead; in a Python file it could abort the process as it ends
    open_list = files.open if is_url(source) else require("pyarrow").OSFile
    with remote_errors(source), open_list(path, "rb") as opened:
        if path.lower().endswith(".parquet"):
            parquet = require("pyarrow.parquet").ParquetFile(opened)
            names = [name for name in parquet.schema_arrow.names if name in used]
            for batch in parquet.iter_batches(columns=names):
                yield from batch.to_pylist()
            return
        csv = require("pyarrow.csv")
        text = csv.ParseOptions(delimiter="\t" if path.lower().endswith(".tsv") else ",")
        as_text = dict.fromkeys(used, require("pyarrow").string())
        kinds = csv.ConvertOptions(column_types=as_text, strings_can_be_null=False)
        reading = csv.ReadOptions(use_threads=False)  # threads read the whole file ahead
        for batch in csv.open_csv(opened, reading, text, kinds):
            yield from batch.select([n for n in batch.schema.names if n in used]).to_pylist()
