"""Report of the hits of a job, with the sounds that it has stored."""

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speechbrain_lmac.bulk.job import read_job
from speechbrain_lmac.bulk.rows import Row
from speechbrain_lmac.bulk.sounds import sound_of_hit
from speechbrain_lmac.bulk.store import Store
from speechbrain_lmac.bulk.tables import read_hits
from speechbrain_lmac.reports.hits import (
    ReportedHit,
    shown_regions,
    sound_uri,
    write_hits_report,
)
from speechbrain_lmac.utils.counts import counted

MAX_HITS = 200
"""Largest number of hits in a report: those of highest presence."""


def write_report(path: str | Path, store: Store, prompt: str | None, above: float) -> int:
    """Write the hits of highest presence as one HTML file.

    Arguments
    ---------
    path : str or Path
        HTML file to write.
    store : Store
        Output folder of the job.
    prompt : str or None
        Prompt of the hits. None: all prompts.
    above : float
        Smallest presence of a hit.

    Returns
    -------
    int
        Number of hits, shown or not.
    """
    prompts = read_job(store).prompts
    count = _Count()
    hits = count.of(read_hits(store, prompt, above))
    strongest = heapq.nlargest(MAX_HITS, hits, key=lambda found: found[1]["presence"])
    rows = [_reported(store, prompts, row, hit) for row, hit in strongest]
    query = f"presence of at least {above:g}" + (f" of “{prompt}”" if prompt else "")
    about = f"Job {store.url} with {counted(len(prompts), 'prompt')}."
    write_hits_report(path, rows, count.total, query, about)
    return count.total


class _Count:
    """Counts the hits that pass, so that they are read once and not held."""

    total = 0

    def of(self, hits: Iterator[tuple[Row, Any]]) -> Iterator[tuple[Row, Any]]:
        for found in hits:
            self.total += 1
            yield found


def _reported(store: Store, prompts: tuple[str, ...], row: Row, hit: Any) -> ReportedHit:
    name = sound_of_hit(row, hit).name(prompts)
    regions = shown_regions(hit["regions"])
    return ReportedHit(
        file=row["file"],
        start=row["start"],
        stop=row["stop"],
        prompt=hit["prompt"],
        presence=hit["presence"],
        regions=regions,
        hidden_regions=len(hit["regions"]) - len(regions),
        sound=sound_uri(store.read(name)) if store.exists(name) else None,
    )
