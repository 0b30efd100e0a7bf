"""Clips as rows: what a layout reads, and the one format of CSV files for all sets.

SpeechBrain and pandas read them. A clip has a label of its set, or a text that describes it; it
belongs to a fold, or to a split that has a name.
"""

import csv
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write
from speechbrain_lmac.utils.ownership import Ledger, remove_owned_file
from speechbrain_lmac.utils.tables import read_csv, write_csv


class Clip(NamedTuple):
    """One row of a manifest."""

    ID: str
    wav: str
    """Sound file; in a CSV file, relative to it or absolute."""
    duration: float
    """In seconds."""
    fold: int
    """From 1 on; 0 where the set has none."""
    label: str
    """Class name, or empty."""
    src_file: str
    """Recording that the clip was cut from; on Freesound its number, whatever the set."""
    text: str = ""
    """What the clip holds, in a sentence, or empty."""
    split: str = ""
    start: int = 0
    """First sample of the file, at its own rate."""
    stop: int = 0
    """The one after the last; 0 for the file's end."""
    license: str = ""
    dataset: str = ""
    """Name of the published set, whose classes its labels are."""


class Layout(NamedTuple):
    """How a published set of labeled sounds is laid out in its folder."""

    name: str
    meta: str
    """Its csv, relative to the folder."""
    columns: dict
    """Field of a :class:`Clip` (``fold``, ``label``, ``src_file``) or ``filename`` -> column."""
    audio: Callable
    """Row of the csv, by column -> sound file, relative to the folder."""
    classes: tuple
    """All class names, whether or not a folder holds them."""


NUMBERS = {"duration": float, "fold": int, "start": int, "stop": int}
"""Fields that are not text."""


SPLITS = ("", "train", "valid", "test")


def write(path, clips, writer=atomic_write):
    """Write clips as CSV, whole or not at all.

    Arguments
    ---------
    path : str or Path
        File to write; a manifest that is there is replaced.
    clips : list of Clip
        At least one; their fields are the columns.
    writer : callable
        Context manager that yields the path to write:
        :func:`~speechbrain_lmac.utils.files.atomic_write`, or
        :func:`~speechbrain_lmac.utils.ownership.owned_file` to refuse to replace a user's file.

    Raises
    ------
    InputError
        If the clips make no manifest, or it cannot be written there.
    """
    path = Path(path)
    check_clips(clips, path)
    write_rows(path, [clip._replace(wav=relative_path(clip.wav, path)) for clip in clips], writer)


def write_rows(path, rows, writer=atomic_write):
    """Write named tuples as CSV, whole or not at all.

    Raises
    ------
    InputError
        If a name is not in UTF-8, which nobody could read back, or nothing can be written.
    """
    for text in (value for row in rows for value in row if isinstance(value, str)):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{path}: {text!r} is not in UTF-8; rename the file") from error
    write_csv(path, [rows[0]._fields, *rows], writer=writer)


def relative_path(wav, path):
    """A sound file as a table at ``path`` names it: from the table's folder on."""
    return os.path.relpath(os.path.abspath(wav), path.absolute().parent) if wav else ""


def remove_previous(path, fields):
    """Make way for a table: remove an older one of
    :func:`~speechbrain_lmac.utils.ownership.owned_file`, and nothing else.

    Raises
    ------
    InputError
        If something else is there, if it has changed since, or if there is no folder for it.
    """
    path = Path(path)
    if not path.absolute().parent.is_dir():
        raise InputError(f"no such folder to write to: {path.absolute().parent}")
    if path.is_dir():
        raise InputError(f"{path} is a folder, and no file to write")
    if path.exists():
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            if next(csv.reader(file), None) != list(fields):
                raise InputError(f"{path} holds something else; it is left alone")
    Ledger(path.parent).check([path.name])
    if path.exists():
        remove_owned_file(path)


def read(path):
    """Read and check a manifest.

    Arguments
    ---------
    path : str or Path
        Of :func:`write`, or anybody's with the same columns.

    Returns
    -------
    list of Clip
        Their files' paths are absolute.

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, or a row of it makes no sense or names no file.
    """
    clips = read_unchecked(path)
    for clip in clips:
        if not os.path.isfile(clip.wav):
            raise InputError(f"{path} lists {clip.ID}, whose file is not there: {clip.wav}")
    return clips


def read_unchecked(path):
    """As :func:`read`, but the files need not be there."""
    path = Path(path)

    def parse(row):
        values = {name: row[name] for name in Clip._fields}
        values.update({name: kind(row[name]) for name, kind in NUMBERS.items()})
        wav = os.path.normpath(os.path.join(path.absolute().parent, values["wav"]))
        return Clip(**{**values, "wav": wav})

    clips = read_csv(path, Clip._fields, parse)
    check_clips(clips, path)
    return clips


def check_clips(clips, path):
    """Raise InputError unless clips make a manifest: some, each once, each said what it holds."""
    if not clips:
        raise InputError(f"{path} lists no clip")
    twice = [name for name, count in Counter(clip.ID for clip in clips).items() if count > 1]
    if twice:
        raise InputError(f"{path} lists {twice[0]} more than once")
    for clip in clips:
        if not clip.ID or bool(clip.label) == bool(clip.text):
            raise InputError(f"{path}: {clip.ID or 'a row'} needs an ID, and a label or a text")
        if clip.start < 0 or (clip.stop and clip.stop <= clip.start) or not clip.duration > 0:
            raise InputError(
                f"{path}: {clip.ID} is from {clip.start} to {clip.stop}, {clip.duration} s"
            )
        if clip.fold < 0 or clip.split not in SPLITS or not (clip.fold or clip.split):
            raise InputError(
                f"{path}: {clip.ID} is in fold {clip.fold} and split {clip.split!r}; give a fold "
                f"from 1 on, or a split: {', '.join(SPLITS[1:])}"
            )
        if not clip.src_file:
            raise InputError(f"{path}: {clip.ID} does not say which recording it is of (src_file)")
        if "$" in clip.text + clip.wav:  # SpeechBrain takes what follows for a variable
            raise InputError(f"{path}: {clip.ID} has a $ in its text or path; leave it out")
