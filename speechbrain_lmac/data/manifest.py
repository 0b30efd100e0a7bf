"""Clips as rows: what a layout reads, and the CSV files that SpeechBrain and pandas read."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Clip(NamedTuple):
    """One row of a manifest."""

    ID: str
    wav: str
    duration: float
    fold: int
    label: str
    src_file: str


class Layout(NamedTuple):
    """How a published set of labelled sounds is laid out in its folder."""

    name: str
    meta: str
    """Its csv, relative to the folder."""
    columns: dict
    """Field of a :class:`Clip` (``fold``, ``label``, ``src_file``) or ``filename`` -> column."""
    audio: Callable
    """Row of the csv, by column -> sound file, relative to the folder."""
    classes: tuple
    """All class names, whether or not a folder holds them."""


def write(path, clips):
    """Write clips as CSV, whole or not at all.

    Arguments
    ---------
    path : str or Path
        File to write.
    clips : list of Clip
        At least one; their fields are the columns.
    """
    partial = Path(path).with_suffix(".partial")
    with open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(clips[0]._fields)
        writer.writerows(clips)
    partial.replace(path)
