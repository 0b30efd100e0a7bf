"""Manifest of a job: the files to explain, sorted and divided into units. It only grows.

``manifest/{first}-{last}.parquet`` holds the units ``first`` to ``last``, one row group each, with
the columns ``id``, ``file``, ``size``, ``start``, ``stop``, ``unit`` and ``problem``.
"""

import functools
import hashlib
import io
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from speechbrain_lmac.bulk.extras import require
from speechbrain_lmac.bulk.rows import read_rows
from speechbrain_lmac.bulk.sources import SourceFile, find_files
from speechbrain_lmac.bulk.store import Store

FOLDER = "manifest"
MIN_UNIT_FILES, MAX_UNIT_FILES, UNITS = 20, 1000, 64
"""Smallest and largest number of files in a unit by default, and number of units in between."""
MAX_UNIT_BYTES = 256 << 20
"""Size of files from which a unit is complete."""
UNKNOWN_BYTES = 1 << 20
"""Size that stands for an unknown one."""
UNITS_PER_FILE = 100
"""Largest number of units in a file of the manifest."""
BATCH = 20_000
"""Number of files that are held as Python objects at once while a job is planned."""


class Entry(NamedTuple):
    """File, or a segment of it, in the manifest."""

    id: str
    """Hash of the path and of the segment, 16 hexadecimal digits."""
    file: str
    start: float | None
    stop: float | None
    problem: str | None


class Manifest:
    """Manifest in the store of a job.

    Arguments
    ---------
    store : Store
        Output folder of the job.
    """

    def __init__(self, store: Store):
        self.store = store
        names = store.names(FOLDER)
        self.spans = [tuple(map(int, name.split(".")[0].split("-"))) for name in names]
        self.files = [f"{FOLDER}/{name}" for name in names]
        self._open = functools.lru_cache(maxsize=1)(self._open_file)

    @property
    def num_units(self) -> int:
        """Number of units."""
        return self.spans[-1][1] + 1 if self.spans else 0

    def unit_sizes(self) -> list[int]:
        """Number of entries of each unit."""
        metadata = (self._open_file(name).metadata for name in self.files)  # large: one at a time
        return [
            each.row_group(group).num_rows
            for each in metadata
            for group in range(each.num_row_groups)
        ]

    def entries(self, unit: int) -> list[Entry]:
        """Return the entries of a unit, in the order of the result."""
        index = next(i for i, (_, last) in enumerate(self.spans) if unit <= last)
        group = unit - self.spans[index][0]
        columns = list(Entry._fields)
        table = self._open(self.files[index]).read_row_group(group, columns, use_threads=False)
        return [Entry(**row) for row in table.to_pylist()]

    def _open_file(self, name: str) -> Any:
        return require("pyarrow.parquet").ParquetFile(io.BytesIO(self.store.read(name)))

    def ids(self) -> np.ndarray:
        """Return the identifiers of all entries as numbers, ``[entries]``."""
        columns = [read_rows(self.store.read(name), ["id"]).column(0) for name in self.files]
        numbers = [
            np.array([int(text, 16) for text in chunk.to_pylist()], np.uint64)
            for column in columns
            for chunk in column.chunks
        ]
        return np.concatenate([np.zeros(0, np.uint64), *numbers])


def plan(store: Store, sources: Sequence[str], unit_files: int | None = None) -> Manifest:
    """Append the files that are not in the manifest yet.

    Arguments
    ---------
    store : Store
        Output folder of the job.
    sources : sequence of str
        As for :func:`~speechbrain_lmac.bulk.sources.find_files`.
    unit_files : int
        Largest number of files in a unit. Default: 20 to 1000, for about 64 units.

    Returns
    -------
    Manifest
    """
    manifest = Manifest(store)
    table, ids, order = _new_rows(find_files(sources, store.url), manifest.ids())
    count = unit_files or min(max(-(-len(order) // UNITS), MIN_UNIT_FILES), MAX_UNIT_FILES)
    sizes = table.column("size").fill_null(UNKNOWN_BYTES).to_numpy()[order]
    first_rows = _unit_starts(sizes, count)
    pa = require("pyarrow")
    for begin in range(0, len(first_rows), UNITS_PER_FILE):
        bounds = [*first_rows[begin : begin + UNITS_PER_FILE + 1], len(order)]
        bounds = bounds[: UNITS_PER_FILE + 1]
        rows = order[bounds[0] : bounds[-1]]
        first, lengths = manifest.num_units + begin, np.diff(bounds)
        names = pa.array([f"{value:016x}" for value in ids[rows].tolist()], pa.large_string())
        units = np.repeat(np.arange(len(lengths)) + first, lengths)
        part = table.take(pa.array(rows)).add_column(0, "id", names)
        part = part.append_column("unit", pa.array(units, pa.int64()))
        name = f"{FOLDER}/{first:08d}-{first + len(lengths) - 1:08d}.parquet"
        store.write(name, _grouped(part, lengths))
    return Manifest(store)


def _grouped(table: Any, lengths: Iterable[int]) -> bytes:
    """Parquet file with one row group per unit."""
    buffer, parquet = io.BytesIO(), require("pyarrow.parquet")
    with parquet.ParquetWriter(buffer, table.schema, compression="zstd") as writer:
        begin = 0
        for length in map(int, lengths):
            writer.write_table(table.slice(begin, length), row_group_size=length)
            begin += length
    return buffer.getvalue()


def _unit_starts(sizes: np.ndarray, count: int) -> list[int]:
    """First row of each unit.

    Example
    -------
    >>> _unit_starts(np.array([1, 1, 1, 1, 1]), 2)
    [0, 2, 4]
    """
    starts, files, total = [0][: len(sizes)], 0, 0
    for index, size in enumerate(sizes.tolist()):
        if files and (files >= count or total + size > MAX_UNIT_BYTES):
            starts.append(index)
            files, total = 0, 0
        files, total = files + 1, total + size
    return starts


def _new_rows(files: Iterable[SourceFile], known: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """Files in any order, their identifiers, and the sorted rows of those that are new.

    A sorted copy of the files would double the memory of a plan.
    """
    pa, pc = require("pyarrow"), require("pyarrow.compute")
    schema = _schema(pa)
    batches, numbers, iterator = [], [np.zeros(0, np.uint64)], iter(files)
    while batch := list(islice(iterator, BATCH)):
        numbers.append(np.array(list(map(identifier, batch)), np.uint64))
        batches.append(pa.record_batch([list(column) for column in zip(*batch)], schema=schema))
    table = pa.Table.from_batches(batches, schema=schema)
    ids = np.concatenate(numbers)
    keys = [("file", "ascending")]
    if table.column("start").null_count + table.column("stop").null_count < 2 * len(table):
        keys += [("start", "ascending"), ("stop", "ascending")]
    order = pc.sort_indices(table, sort_keys=keys).to_numpy().astype(np.int64)
    ordered = ids[order]
    is_new = np.isin(ordered, known, invert=True)
    is_new[1:] &= ordered[1:] != ordered[:-1]  # a file that several sources name
    return table, ids, order[is_new]


def _schema(pa: Any) -> Any:
    """Columns of :class:`SourceFile`; large strings hold more than 2 GB of paths."""
    columns = [("file", pa.large_string()), ("size", pa.int64())]
    columns += [("start", pa.float64()), ("stop", pa.float64()), ("problem", pa.large_string())]
    return pa.schema(columns)


def identifier(found: SourceFile) -> int:
    """Identifier of a file or segment, of 64 bits; it depends on nothing else.

    Example
    -------
    >>> identifier(SourceFile("/clips/a.wav")) == identifier(SourceFile("/clips/a.wav", size=9))
    True
    """
    text = f"{found.file}\0{found.start}\0{found.stop}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
