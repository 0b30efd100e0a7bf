"""Rows of the result: one stretch of a file each, as Parquet."""

import io
from collections.abc import Sequence
from typing import Any

from speechbrain_lmac.bulk.extras import require
from speechbrain_lmac.bulk.store import Store

Row = dict[str, Any]
"""Row of a part, by the columns of :func:`schema`."""
OK, ERROR, CRASHED = "ok", "error", "crashed"
"""Values of the column ``status``. A crashed file killed the process that read it."""

PARTS = "parts"
"""Folder of the parts."""


def part_name(unit: int) -> str:
    """Name of the part of a unit in the output folder."""
    return f"{PARTS}/{unit:08d}.parquet"


def done_units(store: Store) -> set[int]:
    """Units whose part exists."""
    return set(store.units(PARTS))


def schema(embeddings: bool, metadata: dict[str, str] | None = None) -> Any:
    """Columns of a part.

    Arguments
    ---------
    embeddings : bool
        Whether there is a column of clip vectors.
    metadata : dict
        Metadata of the file. Default: none.

    Returns
    -------
    pyarrow.Schema
    """
    pa = require("pyarrow")
    region = [("start", pa.float64()), ("stop", pa.float64())]
    region += [(name, pa.float32()) for name in ("low_hz", "high_hz", "activity")]
    hit = [("prompt", pa.string()), ("presence", pa.float32())]
    hit += [("masked_in_fraction", pa.float32()), ("activity", pa.float32())]
    hit += [("presence_masked_in", pa.float32()), ("presence_masked_out", pa.float32())]
    hit += [("peak_start", pa.float64()), ("regions", pa.list_(pa.struct(region)))]
    columns = [("id", pa.string()), ("file", pa.string())]
    columns += [("start", pa.float64()), ("stop", pa.float64())]
    columns += [("status", pa.string()), ("error", pa.string())]
    columns += [("warnings", pa.list_(pa.string()))]
    columns += [("similarity", pa.list_(pa.float32())), ("presence", pa.list_(pa.float32()))]
    columns += [("hits", pa.list_(pa.struct(hit)))]
    if embeddings:  # one vector, or one per window of a recording, joined
        columns += [("embedding", pa.list_(pa.float32()))]
    return pa.schema(columns, metadata=metadata)


def failed_row(entry: Any, status: str, error: str) -> Row:
    """Row of a file that cannot be explained.

    Arguments
    ---------
    entry : Entry
        Entry of the manifest.
    status : str
        ``error`` or ``crashed``.
    error : str
        Reason.

    Returns
    -------
    dict
    """
    place = {"id": entry.id, "file": entry.file, "start": entry.start, "stop": entry.stop}
    return {**place, "status": status, "error": error, "warnings": [], "hits": []}


def write_rows(rows: Sequence[Row], columns: Any) -> bytes:
    """Parquet file of rows; the same rows give the same bytes."""
    pa, pq = require("pyarrow"), require("pyarrow.parquet")
    buffer = io.BytesIO()
    table = pa.Table.from_pylist(list(rows), schema=columns)
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def explained_rows(data: bytes, columns: Sequence[str] | None = None) -> dict[str, list[Row]]:
    """Rows of a part that did not fail, by the identifier of their entry."""
    rows: dict[str, list[Row]] = {}
    for row in read_rows(data, columns).to_pylist():
        if row["status"] == OK:
            rows.setdefault(row["id"], []).append(row)
    return rows


def read_rows(data: bytes, columns: Sequence[str] | None = None) -> Any:
    """Table of a Parquet file in memory; all columns by default."""
    pq = require("pyarrow.parquet")
    # of one file, never of a data set: the reader of data sets would look for partitions
    return pq.ParquetFile(io.BytesIO(data)).read(columns=columns, use_threads=False)
