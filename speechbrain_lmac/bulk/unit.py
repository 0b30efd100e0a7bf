"""Unit of work: a fixed slice of the manifest becomes one part of the result."""

import contextlib
from collections.abc import Callable
from typing import Any

from speechbrain_lmac.bulk.explaining import Explainer, single_thread
from speechbrain_lmac.bulk.failures import write_failures
from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.bulk.journal import Journal
from speechbrain_lmac.bulk.known import KnownRows
from speechbrain_lmac.bulk.manifest import Entry, Manifest
from speechbrain_lmac.bulk.rows import (
    CRASHED,
    OK,
    PARTS,
    Row,
    failed_row,
    part_name,
    read_rows,
    schema,
    write_rows,
)
from speechbrain_lmac.bulk.store import Store


def done_units(store: Store) -> set[int]:
    """Units whose part exists."""
    return {int(name.partition(".")[0]) for name in store.names(PARTS)}


class UnitWorker:
    """Explains units of a job. Its result depends on the unit alone, so every engine agrees.

    Arguments
    ---------
    store : Store
        Output folder with the manifest.
    interpreter : Interpreter
        Interpreter to use.
    settings : JobSettings
        Settings of the job.
    known : KnownRows
        Embeddings of another job on the same sounds. Default: none.
    retry : bool
        Whether units with failed rows are done again. Default: False.
    """

    def __init__(
        self,
        store: Store,
        interpreter: Any,
        settings: JobSettings,
        known: KnownRows | None = None,
        retry: bool = False,
    ):
        self.store, self.settings, self.known, self.retry = store, settings, known, retry
        self.explain = Explainer(interpreter, settings)
        self.manifest = Manifest(store)
        self.columns = schema(settings.embeddings, settings.metadata())

    def __call__(self, unit: int, progress: Callable[[], object] = lambda: None) -> int:
        """Explain a unit and write its part, unless it exists.

        Arguments
        ---------
        unit : int
            Number of the unit.
        progress : callable
            Function that is called after each entry. Default: none.

        Returns
        -------
        int
            Number of entries of the unit.
        """
        entries = self.manifest.entries(unit)
        name = part_name(unit)
        exists = self.store.exists(name)
        if exists and not self.retry:
            return len(entries)
        previous = self._explained(name) if exists else {}
        rows: list[Row] = []
        with single_thread(), Journal(self.store.journal_folder, unit) as journal:
            known = self.known.of(unit) if self.known is not None else {}
            for entry in entries:
                rows += previous.get(entry.id) or self._rows(entry, journal, known.get(entry.id))
                progress()
            self._write(unit, rows, exists)
        journal.done()
        return len(entries)

    def _rows(self, entry: Entry, journal: Journal, known: list[Row] | None) -> list[Row]:
        reason = journal.begin(entry)
        if reason is not None:
            return [failed_row(entry, CRASHED, reason)]
        return self.explain(entry, known)

    def _explained(self, name: str) -> dict[str, list[Row]]:
        """Rows of a part by the entries that did not fail."""
        rows: dict[str, list[Row]] = {}
        for row in read_rows(self.store.read(name)).to_pylist():
            if row["status"] == OK:
                rows.setdefault(row["id"], []).append(row)
        return rows

    def _write(self, unit: int, rows: list[Row], exists: bool) -> None:
        """Write a part and its failures, in the order in which a kill loses neither."""
        data = write_rows(rows, self.columns)
        with contextlib.ExitStack() as stack:
            if exists:
                stack.callback(write_failures, self.store, unit, rows)
            else:
                write_failures(self.store, unit, rows)
            self.store.write(part_name(unit), data)
