"""ESC-50's official layout: ``meta/esc50.csv`` and ``audio/``; ESC-10 and ours have the same."""

import csv
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import soundfile

from speechbrain_lmac.errors import InputError

COLUMNS = ("filename", "fold", "target", "category", "src_file")
"""Columns of esc50.csv that are read."""

CLASSES = (
    *("dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow"),
    *("rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds"),
    *("water_drops", "wind", "pouring_water", "toilet_flush", "thunderstorm"),
    *("crying_baby", "sneezing", "clapping", "breathing", "coughing"),
    *("footsteps", "laughing", "brushing_teeth", "snoring", "drinking_sipping"),
    *("door_wood_knock", "mouse_click", "keyboard_typing", "door_wood_creaks", "can_opening"),
    *("washing_machine", "vacuum_cleaner", "clock_alarm", "clock_tick", "glass_breaking"),
    *("helicopter", "chainsaw", "siren", "car_horn", "engine"),
    *("train", "church_bells", "airplane", "fireworks", "hand_saw"),
)
"""The 50 class names; a name's place is its target."""


class Clip(NamedTuple):
    """One row of a manifest."""

    ID: str
    wav: str
    duration: float
    fold: int
    label: str
    src_file: str


def read_clips(data_folder):
    """Read an ESC-50-shaped folder.

    Arguments
    ---------
    data_folder : str or Path
        Holds ``meta/esc50.csv`` and ``audio/``.

    Returns
    -------
    list of Clip
        In the order of the csv.

    Raises
    ------
    InputError
        If the folder, the csv, a column or a sound file is missing or unreadable.
    """
    folder = Path(data_folder)
    if not folder.is_dir():
        raise InputError(f"no such data folder: {folder}")
    meta = folder / "meta" / "esc50.csv"
    if not meta.is_file():
        raise InputError(f"{meta} is missing; --data_folder must be laid out as ESC-50 is")
    with open(meta, newline="") as file:
        reader = csv.DictReader(file)
        missing = sorted(set(COLUMNS) - set(reader.fieldnames or ()))
        if missing:
            raise InputError(f"{meta} has no column {', '.join(missing)}")
        clips = [_clip(folder, row, meta) for row in reader]
    if not clips:
        raise InputError(f"{meta} lists no clip")
    twice = [name for name, count in Counter(clip.ID for clip in clips).items() if count > 1]
    if twice:
        raise InputError(f"{meta} lists {twice[0]} more than once")
    return clips


def _clip(folder, row, meta):
    if any(row[name] is None for name in COLUMNS):
        raise InputError(f"{meta} has a short row: {row['filename']}")
    wav = folder / "audio" / row["filename"]
    try:
        duration = soundfile.info(str(wav)).duration
    except soundfile.LibsndfileError as error:
        raise InputError(f"{meta} lists {wav}, which cannot be read: {error}") from error
    if not row["fold"].isdigit():
        raise InputError(f"{meta}: fold of {row['filename']} is not a number: {row['fold']!r}")
    return Clip(wav.stem, str(wav), duration, int(row["fold"]), row["category"], row["src_file"])


def split_by_fold(clips, **folds):
    """Share clips out to named splits by fold.

    Arguments
    ---------
    clips : list of Clip
        All clips.
    **folds : list of int
        Split name -> its folds.

    Returns
    -------
    dict
        Split name -> list of Clip.

    Raises
    ------
    InputError
        If two splits share a fold or a source recording, or a fold holds no clip.

    Example
    -------
    >>> clips = [Clip("a", "a.wav", 5.0, 1, "dog", "7"), Clip("b", "b.wav", 5.0, 2, "dog", "8")]
    >>> [clip.ID for clip in split_by_fold(clips, train=[1], test=[2])["test"]]
    ['b']
    """
    _check_folds(clips, folds)
    splits = {name: [clip for clip in clips if clip.fold in held] for name, held in folds.items()}
    sources = {}
    for name, held in splits.items():
        for clip in held:
            other = sources.setdefault(clip.src_file, name)
            if other != name:
                raise InputError(f"recording {clip.src_file} is in both {other} and {name}")
    return splits


def _check_folds(clips, folds):
    known = {clip.fold for clip in clips}
    owner = {}
    for name, held in folds.items():
        if not isinstance(held, list) or not held:
            raise InputError(f"{name}_folds is a list such as [1, 2], not {held!r}")
        for fold in held:
            if fold in owner:
                raise InputError(f"folds overlap: {owner[fold]} and {name} both hold {fold}")
            if fold not in known:
                raise InputError(f"{name} asks for fold {fold}; there are {sorted(known)}")
            owner[fold] = name
