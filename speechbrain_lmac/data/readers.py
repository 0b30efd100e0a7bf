"""Readers of data folders and tables, one class per kind."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path

from speechbrain_lmac.data import audio_sets, manifest, own_sounds
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.published_sets import LAYOUTS, Layout, read_published
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.tables import read_csv


class DataReader(ABC):
    """Reader of one kind of data.

    Arguments
    ---------
    path : Path
        Folder or CSV file of the data.
    """

    def __init__(self, path: Path):
        self.path = path

    @abstractmethod
    def clips(self, allow_unreadable: bool = False) -> list[Clip]:
        """Read the clips.

        Arguments
        ---------
        allow_unreadable : bool
            Give unreadable audio an infinite duration instead of raising an error. Default: False.

        Returns
        -------
        list of Clip
            Clips in the order of the data.

        Raises
        ------
        InputError
            If the data or an audio file is invalid.
        """

    @abstractmethod
    def classes(self, clips: Iterable[Clip]) -> tuple[str, ...]:
        """Return all class labels of the data.

        Arguments
        ---------
        clips : iterable of Clip
            Clips in use, for data that does not list its classes.

        Returns
        -------
        tuple of str

        Raises
        ------
        InputError
            If the classes are unknown.
        """


class PublishedSet(DataReader):
    """Reader of a published data set with a known layout."""

    def __init__(self, path: Path, layout: Layout):
        super().__init__(path)
        self.layout = layout

    def clips(self, allow_unreadable: bool = False) -> list[Clip]:
        return read_published(self.path, self.layout, allow_unreadable)

    def classes(self, clips: Iterable[Clip]) -> tuple[str, ...]:
        return self.layout.classes


class SavedSet(DataReader):
    """Reader of a set that Hugging Face ``datasets`` saved to disk."""

    def clips(self, allow_unreadable: bool = False) -> list[Clip]:
        return audio_sets.read_audio_set(self.path, allow_unreadable)

    def classes(self, clips: Iterable[Clip]) -> tuple[str, ...]:
        return audio_sets.audio_set_classes(self.path) or labels_of(clips)


class ClassFolders(DataReader):
    """Reader of a folder with one subfolder per class."""

    def __init__(self, path: Path, folders: Mapping[str, Mapping[str, Path]]):
        super().__init__(path)
        self.folders = folders

    def clips(self, allow_unreadable: bool = False) -> list[Clip]:
        return own_sounds.read_class_folders(self.path, self.folders, allow_unreadable)

    def classes(self, clips: Iterable[Clip]) -> tuple[str, ...]:
        return tuple(sorted({label for labels in self.folders.values() for label in labels}))


class LabelTable(DataReader):
    """Reader of a CSV file with the columns ``path`` and ``label``."""

    def clips(self, allow_unreadable: bool = False) -> list[Clip]:
        return own_sounds.read_label_table(self.path, allow_unreadable)

    def classes(self, clips: Iterable[Clip]) -> tuple[str, ...]:
        return tuple(sorted({row["label"] for row in read_csv(self.path, ["label"])}))


class Manifest(DataReader):
    """Reader of a manifest. Its clips name the published data set that defines their labels."""

    def clips(self, allow_unreadable: bool = False) -> list[Clip]:
        return manifest.read(self.path)

    def classes(self, clips: Iterable[Clip]) -> tuple[str, ...]:
        datasets = {clip.dataset for clip in clips}
        for layout in LAYOUTS:
            if datasets == {layout.name}:
                return layout.classes
        raise InputError(
            f"{self.path} does not state of which set its classes are. Give --classes present"
        )


def find_reader(data_folder: str | Path) -> DataReader:
    """Find the reader of a data folder or table.

    Arguments
    ---------
    data_folder : str or Path
        Folder or CSV file, as for :func:`~speechbrain_lmac.data.datasets.read_clips`.

    Returns
    -------
    DataReader

    Raises
    ------
    InputError
        If the path does not exist, or the folder has no known layout.

    Example
    -------
    >>> from speechbrain_lmac.data.synthetic_dataset import write_dataset
    >>> folder = write_dataset(getfixture("tmp_path") / "set", clips_per_fold=1, seconds=0.1)
    >>> reader = find_reader(folder)
    >>> type(reader).__name__, len(reader.classes(reader.clips()))
    ('PublishedSet', 50)
    """
    path = Path(data_folder)
    if path.is_file():
        return LabelTable(path) if own_sounds.is_label_table(path) else Manifest(path)
    if not path.is_dir():
        raise InputError(f"no such data folder: {path}")
    for layout in LAYOUTS:
        if (path / layout.meta).is_file():
            return PublishedSet(path, layout)
    if audio_sets.is_audio_set(path):
        return SavedSet(path)
    folders = own_sounds.class_folders(path)
    if own_sounds.hold_sounds(folders):
        return ClassFolders(path, folders)
    known = " or ".join(f"{layout.meta} ({layout.name})" for layout in LAYOUTS)
    raise InputError(
        f"{path} holds no {known}, no subfolders of sounds and no set of datasets. "
        "Unpack the set and give the folder above it, or make one subfolder per class"
    )


def labels_of(clips: Iterable[Clip]) -> tuple[str, ...]:
    """Return the sorted labels of clips."""
    return tuple(sorted({clip.label for clip in clips}))
