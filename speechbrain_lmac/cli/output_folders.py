"""Output folders of the files of a command, reserved while a file is explained."""

from collections.abc import Collection, Sequence
from pathlib import Path

from speechbrain_lmac.cli.files import SoundFile, remove_empty, take_folder


class OutputFolders:
    """Output folders of files. Use it as a context manager: no reservation stays.

    Arguments
    ---------
    sounds : sequence of SoundFile
        Files to explain.
    root : Path
        Output folder of all files.
    existing : collection of Path
        Folders that exist before the command. They stay, also if they are empty.
    """

    def __init__(self, sounds: Sequence[SoundFile], root: Path, existing: Collection[Path]):
        self.sounds, self.root, self.existing = sounds, root, existing
        self.taken: set[str] = set()
        self.reserved: dict[int, Path] = {}

    def __enter__(self) -> "OutputFolders":
        return self

    def __exit__(self, *_: object) -> None:
        for index in list(self.reserved):
            self.release(index)

    def take(self, index: int) -> Path:
        """Reserve the folder of a file. Folders are taken in the order of the files."""
        folder = take_folder(self.sounds[index], self.root, self.taken)
        self.reserved[index] = folder
        return folder

    def release(self, index: int) -> None:
        """Cancel a reservation, and remove the folder if it is new and empty."""
        from speechbrain_lmac.inference.outputs import release

        folder = self.reserved.pop(index, None)
        if folder is not None:
            release(folder, made=folder not in self.existing)
            remove_empty(folder.parent, self.root, self.existing)
