"""Unit of work: a fixed slice of the manifest becomes one part of the result."""

import contextlib
from collections.abc import Callable
from typing import Any

from speechbrain_lmac.bulk.batches import BatchExplainer
from speechbrain_lmac.bulk.explaining import Explainer, single_thread
from speechbrain_lmac.bulk.failures import write_failures
from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.bulk.journal import Journal
from speechbrain_lmac.bulk.known import KnownRows
from speechbrain_lmac.bulk.manifest import Entry, Manifest
from speechbrain_lmac.bulk.options import DEFAULT_BATCHES, BatchOptions
from speechbrain_lmac.bulk.rows import (
    CRASHED,
    Row,
    explained_rows,
    failed_row,
    part_name,
    schema,
    write_rows,
)
from speechbrain_lmac.bulk.store import Store, open_store


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
    known_url : str
        Output folder of a job with embeddings of the same sounds. Default: none.
    retry : bool
        Whether units with failed rows are done again. Default: False.
    batches : BatchOptions
        Sizes of batches and number of readers. Default: those of the device.
    """

    def __init__(
        self,
        store: Store,
        interpreter: Any,
        settings: JobSettings,
        known_url: str | None = None,
        retry: bool = False,
        batches: BatchOptions = DEFAULT_BATCHES,
    ):
        self.store, self.settings, self.retry = store, settings, retry
        self.known = None if known_url is None else KnownRows(open_store(known_url))
        self.explain = Explainer(interpreter, settings)
        size = batches.clips_on(interpreter.audio_classifier.device)
        self.batches = BatchExplainer(self.explain, size, batches.num_readers)
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
        previous = explained_rows(self.store.read(name)) if exists else {}
        with single_thread(), Journal(self.store.journal_folder, unit) as journal:
            rows = self._unit_rows(unit, entries, previous, journal, progress)
            self._write(unit, rows, exists)
        journal.done()
        return len(entries)

    def _unit_rows(
        self,
        unit: int,
        entries: list[Entry],
        previous: dict[str, list[Row]],
        journal: Journal,
        progress: Callable[[], object],
    ) -> list[Row]:
        """Rows of all entries, in batches unless the unit has killed its process before."""
        known = self.known.of(unit) if self.known is not None else {}
        done = dict(previous)
        if self.batches.size > 1 and not journal.deaths:
            todo = [entry for entry in entries if not (entry.id in previous or entry.id in known)]
            done |= self.batches(todo, lambda entry: self._rows(entry, journal, None), progress)
        rows: list[Row] = []
        for entry in entries:
            if entry.id in done:
                rows += done[entry.id]
                continue
            rows += self._rows(entry, journal, known.get(entry.id))
            progress()
        return rows

    def _rows(self, entry: Entry, journal: Journal, known: list[Row] | None) -> list[Row]:
        reason = journal.begin(entry)
        if reason is not None:
            return [failed_row(entry, CRASHED, reason)]
        return self.explain(entry, known)

    def _write(self, unit: int, rows: list[Row], exists: bool) -> None:
        """Write a part and its failures, in the order in which a kill loses neither."""
        data = write_rows(rows, self.columns)
        with contextlib.ExitStack() as stack:
            if exists:
                stack.callback(write_failures, self.store, unit, rows)
            else:
                write_failures(self.store, unit, rows)
            self.store.write(part_name(unit), data)
