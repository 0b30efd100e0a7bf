"""Audio files on disk: their names in messages, opening, and finding them in folders."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

from speechbrain_lmac.audio.containers import EXTENSIONS, find_container
from speechbrain_lmac.utils.errors import InputError, first_line

MIN_RATE, MAX_RATE = 1_000, 3_072_000
"""Lowest and highest accepted sample rates, in Hz."""


def display_name(path: Any) -> str:
    """Name of a file in messages, with undecodable bytes escaped."""
    if hasattr(path, "seek"):
        return "the open file"
    return str(path).encode(errors="backslashreplace").decode()


def decoding_error(path: Any, reason: str) -> InputError:
    """InputError for a file that cannot be decoded."""
    return InputError(f"cannot read {display_name(path)} as sound ({reason}). Convert it to wav")


def check_rate(rate: int, name: str) -> int:
    """Return ``rate``, in Hz, if it is an accepted sample rate; raise InputError otherwise."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(
            f"the sample rate of {name} must be {MIN_RATE} to {MAX_RATE} Hz, got {rate}. Give its "
            "true rate"
        )
    return rate


def open_binary(path: Any) -> AbstractContextManager[BinaryIO]:
    """Open a file, or rewind a file object and leave it open at the end.

    Arguments
    ---------
    path : str, Path or file object
        Audio file; a file object must be binary and seekable.

    Raises
    ------
    InputError
        If the file is missing or cannot be opened.
    """
    try:
        if hasattr(path, "seek"):
            path.seek(0)
            return contextlib.nullcontext(path)
        if not Path(path).is_file():
            raise InputError(f"no such sound file: {display_name(path)}")
        return open(path, "rb")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise decoding_error(path, first_line(error)) from error


def is_audio_file(path: str | Path) -> bool:
    """Whether a file has the extension or the first bytes of a supported audio format."""
    path = Path(path)
    if not path.is_file():
        return False
    if path.suffix.lower() in EXTENSIONS:
        return True
    try:
        with open(path, "rb") as file:
            return find_container(file) is not None
    except OSError:
        return False


def find_audio_files(folder: str | Path) -> tuple[list[Path], int]:
    """Find audio files in a folder and its subfolders, also linked ones.

    Hidden files and folders, such as the ``._`` files of macOS, are ignored.

    Arguments
    ---------
    folder : str or Path
        Folder to search.

    Returns
    -------
    list of Path, int
        Audio files in sorted order, and the number of other files.
    """
    paths = sorted(_walk(Path(folder)))
    audio = [path for path in paths if is_audio_file(path)]
    return audio, sum(path.is_file() for path in paths) - len(audio)


def _walk(folder: Path) -> Iterator[Path]:
    links = LinkedFolders(folder)
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = {name: os.path.join(parent, name) for name in folders}
        folders[:] = [n for n, p in paths.items() if not os.path.islink(p) or links.is_new(p)]
        yield from (Path(parent, name) for name in names if not name.startswith("."))


class LinkedFolders:
    """Symbolic links to folders in a search. Each target is searched once, and no loop is entered.

    Arguments
    ---------
    root : str or Path
        Folder that is searched.
    """

    def __init__(self, root: str | Path):
        self.root = os.path.realpath(root)
        self.targets: set[str] = set()

    def is_new(self, link: str) -> bool:
        """Whether the target of a link is to be searched: it is neither in the root nor around it.

        A second link to the same target is not new.
        """
        target = os.path.realpath(link)
        common = os.path.commonpath([self.root, target])
        is_new = common not in (self.root, target) and target not in self.targets
        self.targets.add(target)
        return is_new
