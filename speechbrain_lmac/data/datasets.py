"""Published data sets as lists of clips, and their split by fold."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from speechbrain_lmac.audio.decoding import count_samples
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.labels import ESC50_CLASSES, URBANSOUND8K_CLASSES
from speechbrain_lmac.data.manifest import Clip, Layout
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.tables import read_csv

ESC50 = Layout(
    name="ESC-50",
    meta="meta/esc50.csv",
    columns={"filename": "filename", "fold": "fold", "label": "category", "src_file": "src_file"},
    audio=lambda row: f"audio/{row['filename']}",
    classes=ESC50_CLASSES,
)
URBANSOUND8K = Layout(
    name="UrbanSound8K",
    meta="metadata/UrbanSound8K.csv",
    columns={"filename": "slice_file_name", "fold": "fold", "label": "class", "src_file": "fsID"},
    audio=lambda row: f"audio/fold{row['fold']}/{row['slice_file_name']}",
    classes=URBANSOUND8K_CLASSES,
)
LAYOUTS = (ESC50, URBANSOUND8K)
"""Known layouts of data folders."""


def find_layout(data_folder: str | Path) -> Layout:
    """Find the layout of a data folder.

    Arguments
    ---------
    data_folder : str or Path
        Folder of a data set.

    Returns
    -------
    Layout

    Raises
    ------
    InputError
        If the folder does not exist or has no known layout.
    """
    folder = Path(data_folder)
    if not folder.is_dir():
        raise InputError(f"no such data folder: {folder}")
    for layout in LAYOUTS:
        if (folder / layout.meta).is_file():
            return layout
    known = " or ".join(f"{layout.meta} ({layout.name})" for layout in LAYOUTS)
    raise InputError(f"{folder} holds no {known}. Unpack the set and give the folder above it")


def read_clips(data_folder: str | Path, allow_unreadable: bool = False) -> list[Clip]:
    """Read a folder with the layout of ESC-50 or UrbanSound8K, or a manifest.

    Arguments
    ---------
    data_folder : str or Path
        Folder with the CSV file and the ``audio/`` of a data set, or a manifest file.
    allow_unreadable : bool
        Give unreadable audio an infinite duration instead of raising an error, for a caller that
        decodes all files and reports the errors. Default: False.

    Returns
    -------
    list of Clip
        Clips in the order of the CSV file.

    Raises
    ------
    InputError
        If the folder, the CSV file, a column or an audio file is missing or unreadable.
    """
    if Path(data_folder).is_file():
        return manifest.read(data_folder)
    folder, layout = Path(data_folder), find_layout(data_folder)
    meta = folder / layout.meta
    columns = sorted(set(layout.columns.values()))
    clips = read_csv(meta, columns, lambda row: _clip(folder, layout, row, allow_unreadable))
    manifest.check_clips(clips, meta)
    if not {clip.label for clip in clips} <= set(layout.classes):  # another set of this layout
        clips = [clip._replace(dataset="") for clip in clips]
    return clips


def _clip(folder: Path, layout: Layout, row: Mapping[str, str], allow_unreadable: bool) -> Clip:
    meta = folder / layout.meta
    values = {field: row[column] for field, column in layout.columns.items()}
    if not values["fold"].isdecimal():
        raise InputError(
            f"{meta}: fold of {values['filename']} must be a number, got {values['fold']!r}"
        )
    wav = folder / layout.audio(row)
    try:
        rate, samples = count_samples(wav)
        duration = samples / rate
    except InputError as error:
        duration = math.inf
        if not allow_unreadable:
            raise InputError(f"{meta} lists {wav}, which cannot be read: {error}") from error
    return Clip(
        ID=wav.stem,
        wav=str(wav),
        duration=duration,
        fold=int(values["fold"]),
        label=values["label"],
        src_file=values["src_file"],
        dataset=layout.name,
    )


def class_names(data_folder: str | Path, clips: Sequence[Clip], classes: str) -> tuple[str, ...]:
    """Class labels that clips are scored against.

    Arguments
    ---------
    data_folder : str or Path
        Data folder or manifest of the clips.
    clips : sequence of Clip
        Clips in use.
    classes : str
        ``"dataset"`` for all classes of the data set, or ``"present"`` for those of the clips.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        If ``classes`` is neither, a clip has no label, or a label is no class of the data set.
    """
    if classes not in ("dataset", "present"):
        raise InputError(f"classes must be dataset or present, got {classes!r}")
    unlabeled = [clip.ID for clip in clips if not clip.label]
    if unlabeled:
        raise InputError(f"{unlabeled[0]} of {data_folder} has no label to be scored by")
    present = tuple(sorted({clip.label for clip in clips}))
    if classes == "present":
        return present
    names = all_classes(data_folder, clips)
    unknown = sorted(set(present) - set(names))
    if unknown:
        raise InputError(
            f"{data_folder} holds {unknown[0]!r}, which is no class of that set. Give "
            "--classes present for sounds of your own"
        )
    return names


def all_classes(data_folder: str | Path, clips: Iterable[Clip]) -> tuple[str, ...]:
    """All class labels of the data set in a folder, or of the one data set in a manifest."""
    if not Path(data_folder).is_file():
        return find_layout(data_folder).classes
    datasets = {clip.dataset for clip in clips}
    for layout in LAYOUTS:
        if datasets == {layout.name}:
            return layout.classes
    raise InputError(
        f"{data_folder} does not state of which set its classes are. Give --classes present"
    )


def split_by_fold(clips: Sequence[Clip], **folds: Any) -> dict[str, list[Clip]]:
    """Split clips by fold.

    Arguments
    ---------
    clips : sequence of Clip
        Clips of all folds.
    **folds : list of int
        Folds of each split, by its name.

    Returns
    -------
    dict
        Split name -> list of Clip.

    Raises
    ------
    InputError
        If two splits share a fold or a recording, or a fold has no clip.

    Example
    -------
    >>> clips = [Clip("a", "a.wav", 5.0, 1, "dog", "7"), Clip("b", "b.wav", 5.0, 2, "dog", "8")]
    >>> [clip.ID for clip in split_by_fold(clips, train=[1], test=[2])["test"]]
    ['b']
    """
    _check_folds(clips, folds)
    splits = {
        name: [clip for clip in clips if clip.fold in numbers] for name, numbers in folds.items()
    }
    check_sources(splits)
    return splits


def check_sources(splits: Mapping[str, Iterable[Clip]]) -> None:
    """Raise InputError if two splits, also of different data sets, share a recording."""
    sources: dict[str, str] = {}
    for name, clips in splits.items():
        for clip in clips:
            other = sources.setdefault(clip.src_file, name)
            if other != name:
                raise InputError(f"recording {clip.src_file} is in both {other} and {name}")


def _check_folds(clips: Iterable[Clip], folds: Mapping[str, Any]) -> None:
    known = {clip.fold for clip in clips}
    owner: dict[int, str] = {}
    for name, numbers in folds.items():
        if not isinstance(numbers, list) or not numbers:
            raise InputError(f"{name}_folds must be a list such as [1, 2], got {numbers!r}")
        for fold in numbers:
            if fold in owner:
                raise InputError(f"folds overlap: {owner[fold]} and {name} both hold {fold}")
            if fold not in known:
                raise InputError(f"{name}_folds must be among {sorted(known)}, got {fold}")
            owner[fold] = name
