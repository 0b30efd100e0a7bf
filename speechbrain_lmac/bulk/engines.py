"""Engines: who explains which units. They write the same parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from speechbrain_lmac.bulk.batches import DEFAULT_BATCHES, BatchOptions
from speechbrain_lmac.bulk.failures import failed_units
from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.bulk.manifest import Manifest
from speechbrain_lmac.bulk.store import Store
from speechbrain_lmac.bulk.unit import UnitWorker, done_units
from speechbrain_lmac.utils.errors import InputError

ENGINES = ("serial", "ray")
RAY_OPTIONS = ("workers", "address", "gpus_per_worker")


@dataclass(frozen=True)
class EngineOptions:
    """How the units are explained; the result does not depend on it, but for its last digits.

    Arguments
    ---------
    engine : str
        ``serial`` or ``ray``.
    workers : int or None
        Workers of Ray. None: one per CPU.
    address : str or None
        Address of a Ray cluster. None: Ray is started on this machine.
    gpus_per_worker : float
        GPUs that each worker of Ray reserves.
    shard : tuple of int or None
        ``(k, n)``: this process explains each unit whose number is ``k`` modulo ``n``.
    retry_failed : bool
        Whether failed files are read again.
    batches : BatchOptions
        Sizes of batches and number of readers. Default: those of the device.
    """

    engine: str = "serial"
    workers: int | None = None
    address: str | None = None
    gpus_per_worker: float = 0.0
    shard: tuple[int, int] | None = None
    retry_failed: bool = False
    batches: BatchOptions = DEFAULT_BATCHES


def check_options(options: EngineOptions) -> None:
    """Raise InputError if an option is out of its range."""
    if options.engine not in ENGINES:
        raise InputError(f"engine must be serial or ray, got {options.engine}")
    if options.engine == "serial":
        given = {name: getattr(options, name) for name in RAY_OPTIONS}
        for name, value in given.items():
            if value:
                raise InputError(f"{name} must be given with --engine ray only, got {value}")
    if options.workers is not None and options.workers < 1:
        raise InputError(f"workers must be at least 1, got {options.workers}")


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """Return a shard ``K/N`` as two numbers.

    Raises
    ------
    InputError
        If the text is none.

    Example
    -------
    >>> parse_shard("2/3")
    (2, 3)
    """
    if text is None:
        return None
    first, _, second = text.partition("/")
    if first.isdecimal() and second.isdecimal() and int(first) < int(second):
        return int(first), int(second)
    raise InputError(f"shard must be K/N with K from 0 to N - 1, got {text}")


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
    worker = UnitWorker(store, interpreter, settings, known_url, retry, batches)
    for unit in units:
        worker(unit, progress)
