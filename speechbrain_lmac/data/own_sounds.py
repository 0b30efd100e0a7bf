"""Sounds of your own as clips: one subfolder per class, or a CSV file of paths and labels."""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from speechbrain_lmac.audio.containers import EXTENSIONS
from speechbrain_lmac.data.folds import SPLIT_NAMES, check_splits_differ, draw_folds
from speechbrain_lmac.data.manifest import Clip, check_clips, duration_of
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256
from speechbrain_lmac.utils.tables import read_csv

PATH, LABEL, FOLD, SOURCE = "path", "label", "fold", "src_file"
"""Columns of a label table; the last two are optional."""
HASH_DIGITS = 16
"""Digits of the content's hash that stand for an unknown recording."""


def is_label_table(path: str | Path) -> bool:
    """Whether the header of a CSV file has the columns ``path`` and ``label``."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return {PATH, LABEL} <= set(next(csv.reader(file), ()))
    except (OSError, UnicodeDecodeError, csv.Error):
        return False  # the reader of manifests explains the error


def read_label_table(path: str | Path, allow_unreadable: bool = False) -> list[Clip]:
    """Read a CSV file with the columns ``path``, ``label`` and optionally ``fold``, ``src_file``.

    Arguments
    ---------
    path : str or Path
        CSV file. Relative paths start at its folder.
    allow_unreadable : bool
        Give unreadable audio an infinite duration. Default: False.

    Returns
    -------
    list of Clip
        Clips in the order of the file.

    Raises
    ------
    InputError
        If the file, a row or a sound is invalid, or all sounds have one label.
    """
    folder = Path(path).absolute().parent

    def parse(row: Mapping[str, str | None]) -> Clip:
        wav = os.path.normpath(folder / str(row[PATH]))
        source = row.get(SOURCE) or ""
        return Clip(str(row[PATH]), wav, 0.0, _fold(row), str(row[LABEL]), source)

    clips = read_csv(path, [PATH, LABEL], parse)
    for clip in clips:
        if not clip.label.strip():
            raise InputError(f"{path}: {clip.ID or 'a row'} must have a label, got none")
        if not os.path.isfile(clip.wav):
            raise InputError(f"{path} lists {clip.ID}, but its file does not exist: {clip.wav}")
    if any(clip.fold for clip in clips) and not all(clip.fold for clip in clips):
        missing = next(clip.ID for clip in clips if not clip.fold)
        raise InputError(f"{path}: every row must have a fold or none, got none for {missing}")
    return finish(clips, path, allow_unreadable)


def _fold(row: Mapping[str, str | None]) -> int:
    text = (row.get(FOLD) or "").strip()
    if text and not (text.isdecimal() and int(text)):
        raise ValueError(f"fold must be a number from 1 on, or empty, got {text!r}")
    return int(text or 0)


def class_folders(folder: str | Path) -> dict[str, dict[str, Path]]:
    """Find the class folders of a data folder.

    Arguments
    ---------
    folder : str or Path
        Folder with one subfolder per class, or with folders ``train`` and ``test`` (and
        ``validation``) of such subfolders. Hidden folders are ignored.

    Returns
    -------
    dict
        Split, or an empty text, -> label -> folder. It is empty without subfolders.

    Raises
    ------
    InputError
        If sounds lie outside the subfolders, there is no class folder in a split, or two folders
        mean the same split.
    """
    found = _subfolders(folder)
    if found and set(found) <= set(SPLIT_NAMES):
        check_splits_differ(folder, list(found))
        splits = {SPLIT_NAMES[name]: _subfolders(path) for name, path in found.items()}
        if empty := [name for name in found if not splits[SPLIT_NAMES[name]]]:
            raise InputError(
                f"{Path(folder, empty[0])} must have one subfolder per class, got none. Move its "
                "sounds into subfolders"
            )
        return splits
    if found:
        loose = [path.name for path in sorted(Path(folder).iterdir()) if _is_sound(path)]
        if loose:
            raise InputError(
                f"{folder} must hold its sounds in one subfolder per class, got {loose[0]} outside "
                "the subfolders. Move it into one"
            )
    return {"": found} if found else {}


def hold_sounds(classes: Mapping[str, Mapping[str, Path]]) -> bool:
    """Whether most class folders, a result of :func:`class_folders`, hold sounds."""
    paths = [path for folders in classes.values() for path in folders.values()]
    return 2 * sum(next(_sounds_below(path), None) is not None for path in paths) > len(paths)


def _sounds_below(folder: Path) -> Iterator[Path]:
    """Sounds in a folder and in all folders below it that are not hidden."""
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and _is_sound(path):
            yield path


def _subfolders(folder: str | Path) -> dict[str, Path]:
    paths = (path for path in sorted(Path(folder).iterdir()) if path.is_dir())
    return {path.name: path for path in paths if not path.name.startswith(".")}


def _is_sound(path: Path) -> bool:
    return path.name.lower().endswith(EXTENSIONS) and path.is_file()


def read_class_folders(
    folder: str | Path,
    classes: Mapping[str, Mapping[str, Path]],
    allow_unreadable: bool = False,
) -> list[Clip]:
    """Read the sounds in class folders and in all folders below them.

    Arguments
    ---------
    folder : str or Path
        Data folder.
    classes : dict
        Result of :func:`class_folders`.
    allow_unreadable : bool
        Give unreadable audio an infinite duration. Default: False.

    Returns
    -------
    list of Clip
        Clips sorted by split, class and path.

    Raises
    ------
    InputError
        If a class has no sound, all sounds have one label, or a sound cannot be read.
    """
    clips = []
    for split, folders in classes.items():
        for label, path in folders.items():
            wavs = sorted(_sounds_below(path))
            if not wavs:
                raise InputError(
                    f"every subfolder of {folder} must hold sounds, got none in {path.name}. Add "
                    "sounds (such as wav, flac, ogg, mp3), or remove it"
                )
            for wav in wavs:
                name = wav.relative_to(folder).as_posix()
                clips.append(Clip(name, str(wav), 0.0, 0, label, "", split=split))
    return finish(clips, folder, allow_unreadable)


def finish(clips: Sequence[Clip], where: str | Path, allow_unreadable: bool) -> list[Clip]:
    """Add recordings, durations and folds to clips, and check them.

    A sound without a recording is identified by a hash of its content, so that copies of one file
    are never in two splits.

    Arguments
    ---------
    clips : sequence of Clip
        Clips with ``ID``, ``wav`` and ``label``.
    where : str or Path
        Data set, for errors.
    allow_unreadable : bool
        Give unreadable audio an infinite duration.

    Returns
    -------
    list of Clip
    """
    labels = {clip.label for clip in clips}
    if len(labels) == 1:
        raise InputError(
            f"{where} must have at least two classes, got {min(labels)} only. Add sounds of "
            "another class: explanations are scored by the class that the classifier predicts"
        )
    known = list(_described(clips, where, allow_unreadable))
    folds = known if all(clip.fold for clip in known) else draw_folds(known, where)
    check_clips(folds, where)
    return folds


def _described(clips: Iterable[Clip], where: object, allow_unreadable: bool) -> Iterator[Clip]:
    for clip in clips:
        try:
            source = clip.src_file or file_sha256(clip.wav)[:HASH_DIGITS]
        except OSError as error:
            raise InputError(f"{clip.wav} of {where} cannot be read: {error}") from error
        seconds = duration_of(clip.wav, where, allow_unreadable)
        yield clip._replace(src_file=source, duration=seconds)
