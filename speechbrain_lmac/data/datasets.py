"""Published sets as lists of clips, shared out by fold."""

import math
from pathlib import Path

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
"""What a folder may be laid out as."""


def find_layout(data_folder):
    """The :class:`~speechbrain_lmac.data.manifest.Layout` of a folder.

    Raises
    ------
    InputError
        If there is no such folder, or it is laid out in no way that is known.
    """
    folder = Path(data_folder)
    if not folder.is_dir():
        raise InputError(f"no such data folder: {folder}")
    for layout in LAYOUTS:
        if (folder / layout.meta).is_file():
            return layout
    known = " or ".join(f"{layout.meta} ({layout.name})" for layout in LAYOUTS)
    raise InputError(f"{folder} holds no {known}; unpack the set and give the folder above it")


def read_clips(data_folder, allow_unreadable=False):
    """Read a folder that is laid out as ESC-50 or UrbanSound8K is, or a manifest.

    Arguments
    ---------
    data_folder : str or Path
        Holds the set's csv and its ``audio/``; or a csv file of
        :func:`speechbrain_lmac.data.manifest.write`.
    allow_unreadable : bool
        Take sounds that cannot be read as endless, for a caller that hears them all and says what
        is wrong.

    Returns
    -------
    list of Clip
        In the order of the csv.

    Raises
    ------
    InputError
        If the folder, the csv, a column or a sound file is missing or unreadable.
    """
    if Path(data_folder).is_file():
        return manifest.read(data_folder)
    folder, layout = Path(data_folder), find_layout(data_folder)
    meta = folder / layout.meta
    clips = read_csv(
        meta,
        sorted(set(layout.columns.values())),
        lambda row: _clip(folder, layout, row, allow_unreadable),
    )
    manifest.check_clips(clips, meta)
    if not {clip.label for clip in clips} <= set(layout.classes):  # another's, laid out alike
        clips = [clip._replace(dataset="") for clip in clips]
    return clips


def _clip(folder, layout, row, allow_unreadable):
    meta = folder / layout.meta
    values = {field: row[column] for field, column in layout.columns.items()}
    if not values["fold"].isdecimal():
        raise InputError(
            f"{meta}: fold of {values['filename']} is not a number: {values['fold']!r}"
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


def class_names(data_folder, clips, classes):
    """The names that clips are scored against.

    Arguments
    ---------
    data_folder : str or Path
        Where the clips come from.
    clips : list of Clip
        Those in use.
    classes : str
        ``"dataset"``: every class of the set that the folder is laid out as; ``"present"``: the
        clips' own.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        If ``classes`` is neither, or a clip has a label that is no class of the set.
    """
    if classes not in ("dataset", "present"):
        raise InputError(f"classes is dataset or present, not {classes!r}")
    unnamed = [clip.ID for clip in clips if not clip.label]
    if unnamed:
        raise InputError(f"{unnamed[0]} of {data_folder} has no label to be told by")
    present = tuple(sorted({clip.label for clip in clips}))
    if classes == "present":
        return present
    classes = all_classes(data_folder, clips)
    strange = sorted(set(present) - set(classes))
    if strange:
        raise InputError(
            f"{data_folder} holds {strange[0]!r}, which is no class of that set: give "
            "--classes present for sounds of your own"
        )
    return classes


def all_classes(data_folder, clips):
    """All class names of a set, or of the one set that a manifest's clips are of."""
    if not Path(data_folder).is_file():
        return find_layout(data_folder).classes
    named = {clip.dataset for clip in clips}
    for layout in LAYOUTS:
        if named == {layout.name}:
            return layout.classes
    raise InputError(
        f"{data_folder} does not say of which set its classes are: give --classes present"
    )


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
    check_sources(splits)
    return splits


def check_sources(splits):
    """Raise InputError if two splits, of whatever sets, share a source recording."""
    sources = {}
    for name, held in splits.items():
        for clip in held:
            other = sources.setdefault(clip.src_file, name)
            if other != name:
                raise InputError(f"recording {clip.src_file} is in both {other} and {name}")


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
