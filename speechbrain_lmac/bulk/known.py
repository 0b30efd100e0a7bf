"""Embeddings of a job, with which other prompts are scored without reading the sounds."""

from speechbrain_lmac.bulk.job import JobSettings, read_job
from speechbrain_lmac.bulk.manifest import FOLDER
from speechbrain_lmac.bulk.rows import Row, explained_rows, part_name
from speechbrain_lmac.bulk.store import Store
from speechbrain_lmac.utils.errors import InputError

COLUMNS = ["id", "start", "stop", "status", "warnings", "embedding"]


class KnownRows:
    """Rows of a finished job with embeddings, by the units of the manifest that jobs share.

    Arguments
    ---------
    store : Store
        Output folder of the finished job.
    """

    def __init__(self, store: Store):
        self.store = store

    def of(self, unit: int) -> dict[str, list[Row]]:
        """Return the rows of a unit without failed ones, by the identifier of their entry."""
        if not self.store.exists(part_name(unit)):
            return {}
        return explained_rows(self.store.read(part_name(unit)), COLUMNS)


def check_known(store: Store, settings: JobSettings) -> None:
    """Raise InputError unless a job has embeddings as this one would compute them."""
    known = read_job(store)
    if not known.embeddings:
        raise InputError(f"{store.url} must hold embeddings. Run its job with --embeddings")
    for name in ("interpreter", "stretch_seconds", "precision"):
        if getattr(known, name) != getattr(settings, name):
            raise InputError(f"{store.url} must have the same {name.replace('_', ' ')}")


def copy_manifest(source: Store, target: Store) -> None:
    """Copy the manifest of a job to a new job, unless it has one."""
    if not target.names(FOLDER):
        for name in source.names(FOLDER):
            target.write(f"{FOLDER}/{name}", source.read(f"{FOLDER}/{name}"))
