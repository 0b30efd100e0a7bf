"""Files that could not be explained: one file per unit, and one table of all."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from speechbrain_lmac.bulk.rows import OK, Row
from speechbrain_lmac.bulk.store import Store
from speechbrain_lmac.utils.tables import csv_bytes

FOLDER, TABLE = "errors", "errors.csv"
COLUMNS = ("file", "start", "stop", "status", "error")


def _name(unit: int) -> str:
    return f"{FOLDER}/{unit:08d}.json"


def write_failures(store: Store, unit: int, rows: Sequence[Row]) -> int:
    """Write the failed rows of a unit, or remove its file if no row failed.

    Returns
    -------
    int
        Number of failed rows.
    """
    failed = [[row[name] for name in COLUMNS] for row in rows if row["status"] != OK]
    if failed:
        store.write(_name(unit), json.dumps(failed, ensure_ascii=False).encode("utf-8"))
    else:
        store.remove(_name(unit))
    return len(failed)


def failed_units(store: Store) -> list[int]:
    """Units with failed rows, in order."""
    return store.units(FOLDER)


def write_table(store: Store, done: set[int]) -> int:
    """Write ``errors.csv`` for the units that are done; remove it if nothing failed.

    Returns
    -------
    int
        Number of failed rows.
    """
    rows = list(_failures(store, done))
    if not rows:
        store.remove(TABLE)
        return 0
    store.write(TABLE, csv_bytes([COLUMNS, *rows]))
    return len(rows)


def _failures(store: Store, done: set[int]) -> Iterator[list[Any]]:
    for unit in failed_units(store):
        if unit in done:
            yield from json.loads(store.read(_name(unit)))
