"""Clips of a data folder, their classes, and their split by fold."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.readers import find_reader, labels_of
from speechbrain_lmac.utils.errors import InputError


def read_clips(data_folder: str | Path, allow_unreadable: bool = False) -> list[Clip]:
    """Read the clips of a data folder.

    Arguments
    ---------
    data_folder : str or Path
        Folder of ESC-50 or UrbanSound8K, folder with one subfolder per class, set that Hugging Face
        ``datasets`` saved to disk, CSV file with ``path`` and ``label``, or manifest.
    allow_unreadable : bool
        Give unreadable audio an infinite duration instead of raising an error, for a caller that
        decodes all files and reports the errors. Default: False.

    Returns
    -------
    list of Clip
        Clips in the order of the data set. Clips without folds get drawn ones
        (:func:`~speechbrain_lmac.data.folds.draw_folds`).

    Raises
    ------
    InputError
        If the folder, the CSV file, a column or an audio file is missing or unreadable.
    """
    return find_reader(data_folder).clips(allow_unreadable)


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
    present = labels_of(clips)
    if classes == "present":
        return present
    names = find_reader(data_folder).classes(clips)
    unknown = sorted(set(present) - set(names))
    if unknown:
        raise InputError(
            f"{data_folder} holds {unknown[0]!r}, which is no class of that set. Give "
            "--classes present for sounds of your own"
        )
    return names


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
