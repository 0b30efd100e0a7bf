"""State of a job, from the names of its files."""

from dataclasses import dataclass

from speechbrain_lmac.bulk.failures import failed_units
from speechbrain_lmac.bulk.job import read_job
from speechbrain_lmac.bulk.manifest import Manifest
from speechbrain_lmac.bulk.rows import done_units
from speechbrain_lmac.bulk.store import open_store


@dataclass(frozen=True)
class JobStatus:
    """State of a job.

    Arguments
    ---------
    prompts : int
        Number of prompts.
    files : int
        Entries of the manifest.
    files_done : int
        Entries whose unit is done.
    units : int
        Units of the manifest.
    units_done : int
        Units whose part exists.
    units_failed : int
        Units with failed rows.
    """

    prompts: int
    files: int
    files_done: int
    units: int
    units_done: int
    units_failed: int


def job_status(output: str) -> JobStatus:
    """Return the state of the job in an output folder; InputError if there is none."""
    store = open_store(output)
    settings, manifest = read_job(store), Manifest(store)
    sizes, done = manifest.unit_sizes(), done_units(store)
    return JobStatus(
        prompts=len(settings.prompts),
        files=sum(sizes),
        files_done=sum(sizes[unit] for unit in done),
        units=len(sizes),
        units_done=len(done),
        units_failed=len(failed_units(store)),
    )
