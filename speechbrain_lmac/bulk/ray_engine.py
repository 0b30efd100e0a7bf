"""Ray Data as the engine: it schedules units, and nothing else depends on it."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from speechbrain_lmac.bulk.extras import require
from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.bulk.options import BatchOptions, EngineOptions
from speechbrain_lmac.bulk.store import open_store
from speechbrain_lmac.inference.sources import InterpreterSource
from speechbrain_lmac.utils.errors import InputError, first_line

CONNECTION_SECONDS = 25
"""Time after which a cluster that does not answer is an error."""
MAX_BLOCKS = 1000
"""Largest number of blocks of units. Each takes memory and time in the driver."""
PROBE = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False)"
"""Code that joins a cluster and leaves it."""


class RayWorker:
    """Worker of Ray: loads the interpreter once and explains one unit per call.

    Its arguments are plain and small, so that a worker can be built again on any machine.

    Arguments
    ---------
    url : str
        Output folder, as a path or URL.
    source : InterpreterSource
        Interpreter to load.
    settings : JobSettings
        Settings of the job.
    known_url : str or None
        Output folder of a job with embeddings.
    retry : bool
        Whether units with failed rows are done again.
    batches : BatchOptions
        Sizes of batches and number of readers.
    """

    def __init__(
        self,
        url: str,
        source: InterpreterSource,
        settings: JobSettings,
        known_url: str | None,
        retry: bool,
        batches: BatchOptions,
    ):
        from speechbrain_lmac.bulk.unit import UnitWorker

        interpreter = source.load()
        self.work = UnitWorker(open_store(url), interpreter, settings, known_url, retry, batches)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Explain the units of a batch and return their numbers."""
        for unit in batch["unit"]:
            self.work(int(unit))
        return {"unit": batch["unit"]}


def run_ray(
    url: str,
    units: Sequence[int],
    source: InterpreterSource,
    settings: JobSettings,
    known_url: str | None,
    retry: bool,
    batches: BatchOptions,
    options: EngineOptions,
    sizes: Sequence[int],
    progress: Any,
) -> None:
    """Explain units by workers of Ray, on this machine or on a cluster.

    Arguments
    ---------
    url, source, settings, known_url, retry, batches
        As for :class:`RayWorker`.
    units : sequence of int
        Units to explain.
    options : EngineOptions
        Number of workers, address and GPUs.
    sizes : sequence of int
        Number of entries of each unit of the manifest.
    progress : callable
        Function that counts entries.
    """
    ray, data = require("ray", "ray"), require("ray.data", "ray")
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    started = not ray.is_initialized()
    if started:
        _connect(ray, options)
    try:
        workers = min(_worker_count(ray, options), len(units))
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        count = min(len(units), MAX_BLOCKS)
        blocks = data.from_items([{"unit": u} for u in units], override_num_blocks=count)
        done = blocks.map_batches(
            RayWorker,
            fn_constructor_args=(url, source, settings, known_url, retry, batches),
            batch_size=1,
            num_cpus=1,
            num_gpus=options.gpus_per_worker or None,
            compute=data.ActorPoolStrategy(size=workers),
        )
        for row in done.iter_rows():
            progress(sizes[int(row["unit"])])
    finally:
        if started:
            ray.shutdown()


def _connect(ray: Any, options: EngineOptions) -> None:
    """Start Ray on this machine, or join the cluster at an address; never another one."""
    os.environ.setdefault("RAY_worker_niceness", "0")  # read when workers start
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    local = {"num_cpus": (options.workers or os.cpu_count() or 1) + 1}  # one for Ray's own tasks
    address = options.address or "local"
    if address != "local":
        _check_address(address)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="ERROR",
            include_dashboard=False if address == "local" else None,
            **(local if address == "local" else {}),
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise InputError(
            f"Ray at {address} cannot be used ({first_line(error)}). Start it, or leave --address "
            "out"
        ) from error


def _check_address(address: str) -> None:
    """Raise InputError unless a cluster answers: Ray would wait for a stale one for minutes."""
    command = [sys.executable, "-c", PROBE, address]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=CONNECTION_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"Ray at {address} does not answer within {CONNECTION_SECONDS} s. Start it, or leave "
            "--address out"
        ) from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"Ray at {address} cannot be used ({reason}). Start it")


def _worker_count(ray: Any, options: EngineOptions) -> int:
    """Number of workers that fit; InputError if none does, because Ray would wait forever."""
    resources = ray.cluster_resources()
    cpus, gpus = int(resources.get("CPU", 0)), resources.get("GPU", 0.0)
    fitting = cpus - 1  # Ray's own tasks need a CPU, or they wait for one forever
    if options.gpus_per_worker:
        fitting = min(fitting, int(gpus / options.gpus_per_worker))
    wanted = options.workers or max(1, fitting)
    if wanted > fitting:
        raise InputError(
            f"workers must be at most {max(0, fitting)} on {cpus} CPUs and {gpus:g} GPUs, as one "
            f"CPU is Ray's own, got {wanted}. Add machines, or ask for fewer workers"
        )
    return wanted
