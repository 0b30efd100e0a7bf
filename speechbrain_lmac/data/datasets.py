"""Published data sets as lists of clips, and their split by fold."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from speechbrain_lmac.data import audio_sets, manifest, own_sounds
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


def find_layout(data_folder: str | Path) -> Layout | None:
    """Find the published data set whose layout a folder has.

    Arguments
    ---------
    data_folder : str or Path
        Folder of a data set.

    Returns
    -------
    Layout or None
        None for sounds of your own: one subfolder per class, or a saved set of ``datasets``.

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
    if audio_sets.is_audio_set(folder) or own_sounds.has_class_folders(folder):
        return None
    known = " or ".join(f"{layout.meta} ({layout.name})" for layout in LAYOUTS)
    raise InputError(
        f"{folder} holds no {known}, no subfolders of sounds and no set of datasets. "
        "Unpack the set and give the folder above it, or make one subfolder per class"
    )


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
    folder = Path(data_folder)
    if folder.is_file():
        if own_sounds.is_label_table(folder):
            return own_sounds.read_label_table(folder, allow_unreadable)
        return manifest.read(folder)
    layout = find_layout(folder)
    if layout is not None:
        return _published(folder, layout, allow_unreadable)
    if audio_sets.is_audio_set(folder):
        return audio_sets.read_audio_set(folder, allow_unreadable)
    classes = own_sounds.class_folders(folder)
    return own_sounds.read_class_folders(folder, classes, allow_unreadable)


def _published(folder: Path, layout: Layout, allow_unreadable: bool) -> list[Clip]:
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
    return Clip(
        ID=wav.stem,
        wav=str(wav),
        duration=manifest.duration_of(wav, meta, allow_unreadable),
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
    present = _labels(clips)
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
    """All class labels of a data set; InputError for a manifest of no published data set."""
    folder = Path(data_folder)
    if not folder.is_file():
        layout = find_layout(folder)
        if layout is not None:
            return layout.classes
        if audio_sets.is_audio_set(folder):
            return audio_sets.audio_set_classes(folder) or _labels(clips)
        classes = own_sounds.class_folders(folder).values()
        return tuple(sorted({name for names in classes for name in names}))
    if own_sounds.is_label_table(folder):
        return tuple(sorted({row["label"] for row in read_csv(folder, ["label"])}))
    datasets = {clip.dataset for clip in clips}
    for layout in LAYOUTS:
        if datasets == {layout.name}:
            return layout.classes
    raise InputError(
        f"{data_folder} does not state of which set its classes are. Give --classes present"
    )


def _labels(clips: Iterable[Clip]) -> tuple[str, ...]:
    return tuple(sorted({clip.label for clip in clips}))


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
