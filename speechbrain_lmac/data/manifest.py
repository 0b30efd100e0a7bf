"""Manifests: CSV files with one clip per row, in one format for all data sets.

SpeechBrain and pandas can read them. A clip has either a class label or a caption, and belongs to a
fold or to a named split.
"""

import csv
import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_lmac.audio.decoding import count_samples
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import Writer, atomic_write
from speechbrain_lmac.utils.ownership import Ledger, remove_owned_file
from speechbrain_lmac.utils.tables import read_csv, write_csv


class Clip(NamedTuple):
    """Row of a manifest."""

    ID: str
    wav: str
    """Audio file; in a CSV file, absolute or relative to the CSV file."""
    duration: float
    """Duration, in seconds."""
    fold: int
    """Fold, from 1 on; 0 if the data set has no folds."""
    label: str
    """Class label, or empty."""
    src_file: str
    """Recording that the clip was cut from. For Freesound it is the sound ID, in any data set."""
    text: str = ""
    """Caption, or empty."""
    split: str = ""
    """Split, one of ``SPLITS``."""
    start: int = 0
    """First sample of the clip in the file, at the file's rate."""
    stop: int = 0
    """Sample after the last one; 0 for the end of the file."""
    license: str = ""
    dataset: str = ""
    """Name of the published data set that defines the labels."""


NUMBERS: dict[str, Callable[[str], Any]] = {
    "duration": float,
    **dict.fromkeys(("fold", "start", "stop"), int),
}
"""Parsers of the fields that are not text."""
SPLITS = ("", "train", "valid", "test")
"""Names of splits; an empty name means that the fold decides."""


def write(path: str | Path, clips: Sequence[Clip], writer: Writer = atomic_write) -> None:
    """Write clips to a manifest.

    Arguments
    ---------
    path : str or Path
        File to write; an existing file is replaced.
    clips : sequence of Clip
        Rows of the manifest, at least one.
    writer : callable
        Context manager that yields the path to write. Default:
        :func:`~speechbrain_lmac.utils.files.atomic_write`. Alternative:
        :func:`~speechbrain_lmac.utils.ownership.owned_file`, which does not replace a user's file.

    Raises
    ------
    InputError
        If the clips are no valid manifest, or the file cannot be written.
    """
    path = Path(path)
    check_clips(clips, path)
    rows = [clip._replace(wav=relative_path(clip.wav, path)) for clip in clips]
    write_rows(path, rows, writer)


def write_rows(path: str | Path, rows: Sequence[NamedTuple], writer: Writer = atomic_write) -> None:
    """Write named tuples as CSV; their fields are the header.

    Raises
    ------
    InputError
        If a text is not valid UTF-8 and could not be read again, or the file cannot be written.
    """
    for text in (value for row in rows for value in row if isinstance(value, str)):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{path}: {text!r} is not valid UTF-8. Rename the file") from error
    write_csv(path, [rows[0]._fields, *rows], writer=writer)


def relative_path(wav: str, table: Path) -> str:
    """Path of an audio file relative to the folder of a table; empty if ``wav`` is empty."""
    return os.path.relpath(os.path.abspath(wav), table.absolute().parent) if wav else ""


def remove_previous(path: str | Path, fields: Sequence[str]) -> None:
    """Remove a table that :func:`~speechbrain_lmac.utils.ownership.owned_file` wrote before.

    Arguments
    ---------
    path : str or Path
        Table to write next.
    fields : sequence of str
        Header of the table.

    Raises
    ------
    InputError
        If another file is there, if the table has changed since, or if its folder does not exist.
    """
    path = Path(path)
    if not path.absolute().parent.is_dir():
        raise InputError(f"no such folder to write to: {path.absolute().parent}")
    if path.is_dir():
        raise InputError(f"{path} must be a file, got a folder. Give another file to write")
    if path.exists():
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            if next(csv.reader(file), None) != list(fields):
                raise InputError(f"{path} is another kind of file and is left alone. Give another")
    Ledger(path.parent).check([path.name])
    if path.exists():
        remove_owned_file(path)


def read(path: str | Path) -> list[Clip]:
    """Read a manifest and check that its audio files exist.

    Arguments
    ---------
    path : str or Path
        Manifest of :func:`write`, or another CSV file with the same columns.

    Returns
    -------
    list of Clip
        Clips with absolute paths.

    Raises
    ------
    InputError
        If the manifest is unreadable, lacks a column, has an invalid row, or names a missing file.
    """
    clips = read_unchecked(path)
    for clip in clips:
        if not os.path.isfile(clip.wav):
            raise InputError(f"{path} lists {clip.ID}, but its file does not exist: {clip.wav}")
    return clips


def read_unchecked(path: str | Path) -> list[Clip]:
    """Read a manifest as :func:`read` does, without looking for its audio files."""
    path = Path(path)

    def parse(row: Mapping[str, str]) -> Clip:
        values: dict[str, Any] = {name: row[name] for name in Clip._fields}
        values.update({name: number(row[name]) for name, number in NUMBERS.items()})
        wav = os.path.normpath(os.path.join(path.absolute().parent, values["wav"]))
        return Clip(**{**values, "wav": wav})

    clips = read_csv(path, Clip._fields, parse)
    check_clips(clips, path)
    return clips


def duration_of(wav: str | Path, listed_in: object, allow_unreadable: bool = False) -> float:
    """Duration of a sound, in seconds.

    Arguments
    ---------
    wav : str or Path
        Sound file.
    listed_in : object
        Data set that lists it, for the error.
    allow_unreadable : bool
        Return infinity instead of raising an error. Default: False.

    Raises
    ------
    InputError
        If the file is missing or cannot be read.
    """
    try:
        rate, samples = count_samples(wav)
    except InputError as error:
        if allow_unreadable:
            return math.inf
        raise InputError(f"{listed_in} lists {wav}, which cannot be read: {error}") from error
    return samples / rate


def check_clips(clips: Sequence[Clip], path: str | Path) -> None:
    """Raise InputError if clips are no valid manifest: none, repeated IDs, or an invalid clip."""
    if not clips:
        raise InputError(f"{path} lists no clip")
    repeated = _repeated(clip.ID for clip in clips)
    if repeated:
        raise InputError(f"{path} lists {repeated[0]} more than once")
    for clip in clips:
        _check_clip(clip, path)


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _check_clip(clip: Clip, path: str | Path) -> None:
    if not clip.ID or bool(clip.label) == bool(clip.text):
        raise InputError(f"{path}: {clip.ID or 'a row'} must have an ID, and a label or a text")
    if clip.start < 0 or (clip.stop and clip.stop <= clip.start) or not clip.duration > 0:
        raise InputError(
            f"{path}: the segment of {clip.ID} must not be empty, got samples {clip.start} to "
            f"{clip.stop}, {clip.duration} s"
        )
    if clip.fold < 0 or clip.split not in SPLITS or not (clip.fold or clip.split):
        raise InputError(
            f"{path}: {clip.ID} must have a fold from 1 on, or a split ({', '.join(SPLITS[1:])}), "
            f"got fold {clip.fold} and split {clip.split!r}"
        )
    if not clip.src_file:
        raise InputError(f"{path}: {clip.ID} must name its recording in src_file")
    if "$" in clip.text + clip.wav:  # SpeechBrain would replace it by a variable
        raise InputError(f"{path}: {clip.ID} must have no $ in its text or path")
