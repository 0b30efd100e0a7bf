"""Recordings of the trainings that led to an interpreter: of its run and of earlier ones."""

import csv
import json
from pathlib import Path
from typing import NamedTuple

from speechbrain_lmac.utils.files import write_text

EARLIER_FILE = "earlier_sources.json"
"""File of a run on the recordings of the decoder that it started from."""


class TrainingSources(NamedTuple):
    """Recordings of a training."""

    recordings: frozenset[str]
    """Values of ``src_file`` that are known."""
    is_complete: bool
    """Whether no other recordings were used."""


def read_training_sources(run: Path) -> TrainingSources:
    """Read the recordings of a training run and of those that its decoder started from.

    Arguments
    ---------
    run : Path
        Results folder of a training; other folders give no recordings.
    """
    tables = [run / name for name in ("train.csv", "valid.csv")]
    if not all(path.is_file() for path in tables):
        return TrainingSources(frozenset(), is_complete=False)
    rows = [row for path in tables for row in csv.DictReader(path.open(encoding="utf-8"))]
    earlier = TrainingSources(frozenset(), is_complete=True)
    if (run / EARLIER_FILE).is_file():
        entry = json.loads((run / EARLIER_FILE).read_text(encoding="utf-8"))
        earlier = TrainingSources(frozenset(entry["recordings"]), entry["is_complete"])
    return earlier._replace(recordings=earlier.recordings | {row["src_file"] for row in rows})


def write_earlier_sources(run: Path, decoder: str | Path) -> None:
    """Write the recordings that a pretrained decoder was trained on to the run that starts from it.

    Arguments
    ---------
    run : Path
        Results folder of the new training.
    decoder : str or Path
        File of the decoder, such as ``RESULTS/interpreter/decoder.safetensors``.
    """
    known, is_complete = read_training_sources(Path(decoder).resolve().parent.parent)
    entry = {"is_complete": is_complete, "recordings": sorted(known)}
    write_text(run / EARLIER_FILE, json.dumps(entry, indent=1) + "\n")
