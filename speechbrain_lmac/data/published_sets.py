"""Published data sets whose folder layout is known: ESC-50 and UrbanSound8K."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.labels import ESC50_CLASSES, URBANSOUND8K_CLASSES
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.tables import read_csv


class Layout(NamedTuple):
    """Layout of a published data set in its folder."""

    name: str
    meta: str
    """Path of its CSV file, relative to the folder."""
    columns: Mapping[str, str]
    """Field of a :class:`Clip` (``fold``, ``label``, ``src_file``) or ``filename`` -> column."""
    audio: Callable[[Mapping[str, str]], str]
    """Function from a row of the CSV file to its audio file, relative to the folder."""
    classes: tuple[str, ...]
    """All class labels, whether or not a folder holds clips of them."""


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


def read_published(folder: Path, layout: Layout, allow_unreadable: bool) -> list[Clip]:
    """Read the clips of a published data set.

    Arguments
    ---------
    folder : Path
        Folder of the data set.
    layout : Layout
        Layout of the folder.
    allow_unreadable : bool
        Give unreadable audio an infinite duration instead of raising an error.

    Returns
    -------
    list of Clip
        Clips in the order of the data set. ``dataset`` is empty if a label is no class of the set.

    Raises
    ------
    InputError
        If the CSV file, a column or an audio file is missing or unreadable.
    """
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
