"""Report of hits in a collection: one HTML file with a table and the sounds that are stored."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import soundfile
import torch

from speechbrain_lmac.reports.media import data_uri, encode_mp3
from speechbrain_lmac.reports.page import render, write_page

MAX_REGIONS = 6
"""Largest number of regions of a hit in the report: those of highest activity."""


class ReportedHit(NamedTuple):
    """Row of the report."""

    file: str
    """Path or URL; a report leaves out the folder that all files share."""
    start: float
    """Start in the file, in seconds."""
    stop: float
    """End in the file, in seconds."""
    prompt: str
    presence: float
    regions: tuple[Mapping[str, Any], ...]
    """Regions in order of time, with ``start``, ``stop``, ``low_hz`` and ``high_hz``."""
    hidden_regions: int
    """Number of regions that are left out."""
    sound: str | None
    """Masked-in sound as a data URI; None if it is not stored."""


def shown_regions(regions: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return the regions of highest activity, at most ``MAX_REGIONS``, in order of time."""
    strongest = sorted(regions, key=lambda region: -region["activity"])[:MAX_REGIONS]
    return tuple(sorted(strongest, key=lambda region: region["start"]))


def sound_uri(flac: bytes) -> str:
    """Return a FLAC file as a data URI of MP3, which is smaller and plays in every browser."""
    samples, rate = soundfile.read(io.BytesIO(flac), dtype="float32")
    return data_uri("audio/mpeg", encode_mp3(torch.from_numpy(samples), rate))


def write_hits_report(
    path: str | Path, hits: Sequence[ReportedHit], total: int, query: str, about: str
) -> Path:
    """Write a report of hits that opens without a network.

    Arguments
    ---------
    path : str or Path
        HTML file to write. It is written atomically.
    hits : list of ReportedHit
        Hits to show, in order.
    total : int
        Number of hits that the query has, shown or not.
    query : str
        Description of the hits, such as ``presence of at least 0.5``.
    about : str
        Description of the job.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the file exists and was not written by this package, or has changed since.
    """
    folder = _common_folder([hit.file for hit in hits])
    shown = [hit._replace(file=hit.file[len(folder) :]) for hit in hits]
    count = f"{total}" if len(hits) == total else f"{len(hits)} of {total}"
    noun = "hit" if total == 1 else "hits"
    summary = f"{count} {noun} with a {query}, highest presence first."
    if folder:
        about = f"{about} Files are in {folder}."
    content = {"title": "Hits", "summary": summary, "hits": shown, "about": about}
    return write_page(path, render("hits.html.j2", **content))


def _common_folder(files: Sequence[str]) -> str:
    """Return the folder that files share, with its last slash.

    Example
    -------
    >>> _common_folder(["/clips/a/1.wav", "/clips/a2.wav"])
    '/clips/'
    """
    prefix = os.path.commonprefix(files)  # noqa: RUF071 - cut at a slash, also for URLs
    return prefix[: prefix.rfind("/") + 1]
