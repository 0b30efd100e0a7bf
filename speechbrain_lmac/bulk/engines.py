"""Engines: who explains which units. They write the same parts."""

from collections.abc import Sequence
from typing import Any

from speechbrain_lmac.bulk.failures import failed_units
from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.bulk.manifest import Manifest
from speechbrain_lmac.bulk.options import BatchOptions, EngineOptions
from speechbrain_lmac.bulk.rows import done_units
from speechbrain_lmac.bulk.store import Store


def units_to_do(store: Store, manifest: Manifest, options: EngineOptions) -> list[int]:
    """Units that this process has to explain, in order."""
    done = done_units(store)
    if options.retry_failed:
        done -= set(failed_units(store))
    part, parts = options.shard or (0, 1)
    return [u for u in range(manifest.num_units) if u % parts == part and u not in done]


def run_serial(
    store: Store,
    units: Sequence[int],
    interpreter: Any,
    settings: JobSettings,
    known_url: str | None,
    retry: bool,
    batches: BatchOptions,
    progress: Any,
) -> None:
    """Explain units one after another in this process.

    Arguments
    ---------
    store : Store
        Output folder.
    units : sequence of int
        Units to explain.
    interpreter : Interpreter
        Interpreter to use.
    settings : JobSettings
        Settings of the job.
    known_url : str or None
        Output folder of a job with embeddings.
    retry : bool
        Whether units with failed rows are done again.
    batches : BatchOptions
        Sizes of batches and number of readers.
    progress : callable
        Function that counts entries.
    """
    from speechbrain_lmac.bulk.unit import UnitWorker

    worker = UnitWorker(store, interpreter, settings, known_url, retry, batches)
    for unit in units:
        worker(unit, progress)
