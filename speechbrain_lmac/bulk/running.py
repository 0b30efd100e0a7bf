"""A run of a job: prepare the folder, plan, explain the units that are missing, and sum up."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from speechbrain_lmac.bulk.engines import run_serial, units_to_do
from speechbrain_lmac.bulk.extras import require
from speechbrain_lmac.bulk.failures import write_table
from speechbrain_lmac.bulk.interpreter_facts import (
    InterpreterFacts,
    facts_of,
    facts_of_source,
)
from speechbrain_lmac.bulk.job import JOB_FILE, JobSettings, check_settings, open_job
from speechbrain_lmac.bulk.journal import remove_finished
from speechbrain_lmac.bulk.known import check_known, copy_manifest
from speechbrain_lmac.bulk.manifest import FOLDER, Manifest, plan
from speechbrain_lmac.bulk.options import EngineOptions, SoundOptions, check_options
from speechbrain_lmac.bulk.progress import shown_progress
from speechbrain_lmac.bulk.rows import done_units
from speechbrain_lmac.bulk.store import open_store
from speechbrain_lmac.inference.sources import InterpreterSource
from speechbrain_lmac.utils.device import warn_if_emulated
from speechbrain_lmac.utils.errors import InputError


@dataclass(frozen=True)
class DatasetResult:
    """State of a job after a run.

    Arguments
    ---------
    output : str
        Output folder, as a path or URL.
    files : int
        Entries of the manifest.
    units : int
        Units of the manifest.
    done : int
        Units whose part exists.
    failed : int
        Failed rows in these parts; see ``errors.csv``.
    """

    output: str
    files: int
    units: int
    done: int
    failed: int

    @property
    def complete(self) -> bool:
        """Whether all units are done."""
        return self.done == self.units

    @property
    def parts(self) -> str:
        """Pattern of the parts, for pandas, DuckDB and Ray."""
        return f"{self.output}/parts/*.parquet"


class Job:
    """Run of a job in an output folder.

    Arguments
    ---------
    output : str
        Output folder, as a path or URL.
    interpreter : str, InterpreterSource or Interpreter
        Source of an interpreter, its description, or a loaded one.
    revision : str or None
        Git revision of a Hub repository.
    device : str
        Torch device.
    options : EngineOptions
        Engine, workers and shard.
    """

    def __init__(
        self,
        output: str,
        interpreter: Any,
        revision: str | None,
        device: str,
        options: EngineOptions,
    ):
        require("pyarrow.parquet")
        require("fsspec")
        check_options(options)
        self.store, self.options = open_store(str(output)), options
        self.source: InterpreterSource | None = None
        if isinstance(interpreter, str | Path):
            self.source = InterpreterSource(str(interpreter), revision, device)
        elif isinstance(interpreter, InterpreterSource):
            self.source = interpreter
        elif options.engine != "serial":
            raise InputError("interpreter must be a name or folder for the engine ray")
        else:
            self.__dict__["interpreter"] = interpreter
        self.settings: JobSettings
        self.known_url: str | None = None

    @cached_property
    def interpreter(self) -> Any:
        """Interpreter of this process."""
        assert self.source is not None
        return self.source.load()

    def examine(self, prompts: Sequence[str]) -> InterpreterFacts:
        """Return the facts about the interpreter; InputError if it refuses a prompt.

        The driver of Ray does not compute. Unless torch is loaded already, another process loads
        the interpreter.
        """
        if self.options.engine == "serial" or "torch" in sys.modules:
            return facts_of(self.interpreter, prompts)
        assert self.source is not None
        return facts_of_source(self.source, prompts)

    def prepare(
        self, settings: JobSettings, facts: InterpreterFacts, known_url: str | None
    ) -> None:
        """Check the settings.

        Arguments
        ---------
        settings : JobSettings
            Settings of the job.
        facts : InterpreterFacts
            Facts about its interpreter.
        known_url : str or None
            Output folder of a job with embeddings.
        """
        check_settings(settings)
        device = self.source.device if self.source else self.interpreter.device
        warn_if_emulated(device, settings.precision)
        if settings.explain_above is not None and not facts.explains_any_query:
            raise InputError(
                "the interpreter must have a conditioned decoder, got one that explains the "
                "predicted class only. Classify only, or use another interpreter"
            )
        if known_url is not None:
            check_known(open_store(known_url), settings)
        self.settings, self.known_url = settings, known_url

    def run(self, sources: Sequence[str], unit_files: int | None, progress: bool) -> None:
        """Reserve the output folder, and explain all units of this process that are missing.

        Arguments
        ---------
        sources : sequence of str
            Sources of files. They may be empty if the manifest exists.
        unit_files : int or None
            Largest number of new files in a unit.
        progress : bool
            Show the progress.
        """
        with self.store.lock():
            is_new = open_job(self.store, self.settings)
            try:
                manifest = self._plan(sources, unit_files)
            except InputError:  # the next command may give other sources and other prompts
                if is_new and not self.store.names(FOLDER):
                    self.store.remove(JOB_FILE)
                raise
        units = units_to_do(self.store, manifest, self.options)
        sizes = manifest.unit_sizes()
        with shown_progress(sum(sizes[unit] for unit in units), progress) as count:
            self._explain(units, sizes, count)

    def _plan(self, sources: Sequence[str], unit_files: int | None) -> Manifest:
        """Return the manifest with all files of the sources; InputError if there are none."""
        if self.known_url is not None:
            copy_manifest(open_store(self.known_url), self.store)
        manifest = plan(self.store, sources, unit_files)
        if not manifest.num_units:
            raise InputError("sources must be at least one file, folder, pattern or list")
        return manifest

    def _explain(self, units: Sequence[int], sizes: Sequence[int], count: Any) -> None:
        work = (self.settings, self.known_url, self.options.retry_failed, self.options.batches)
        if self.options.engine == "serial":
            run_serial(self.store, units, self.interpreter, *work, count)
        elif units:
            from speechbrain_lmac.bulk.ray_engine import run_ray

            assert self.source is not None
            run_ray(self.store.url, units, self.source, *work, self.options, sizes, count)

    def write_sounds(self, options: SoundOptions) -> None:
        """Write the masked-in sounds of hits, once all units are done."""
        from speechbrain_lmac.bulk.sounds import write_sounds

        manifest = Manifest(self.store)
        if len(done_units(self.store)) == manifest.num_units:
            with self.store.lock():
                write_sounds(self.store, self.interpreter, self.settings, options)

    def finish(self) -> DatasetResult:
        """Write ``errors.csv`` and return the state of the job."""
        manifest = Manifest(self.store)
        with self.store.lock():
            done = done_units(self.store)
            failed = write_table(self.store, done)
            remove_finished(self.store.journal_folder, done)
        url, files = self.store.url, sum(manifest.unit_sizes())
        return DatasetResult(url, files, manifest.num_units, len(done), failed)
