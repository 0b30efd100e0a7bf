"""Sound files that a command line names, and the output folder of each."""

import json
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from glob import glob, has_magic
from itertools import chain, count, takewhile
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from speechbrain_lmac.utils.counts import counted
from speechbrain_lmac.utils.errors import InputError


class SoundFile(NamedTuple):
    """A sound file and its place below the folder or pattern that it was found by."""

    path: str
    subfolder: str = ""
    """Folder of the file, relative to the named folder; empty for a file that is named itself."""


def expand(names: Sequence[str], output: str | Path | None = None) -> list[str]:
    """Return the paths of the sound files that names stand for; see :func:`find_sounds`."""
    return [sound.path for sound in find_sounds(names, output)]


def find_sounds(names: Sequence[str], output: str | Path | None = None) -> list[SoundFile]:
    """Return the sound files that names stand for, in order and each once.

    Arguments
    ---------
    names : list of str
        Files, folders, glob patterns or ``hf://`` files. A folder stands for all sounds in it and
        in its subfolders that are not hidden; ``**`` in a pattern also matches subfolders. Sounds
        are recognized by their extensions or first bytes. The number of other files is printed.
    output : str or Path
        Output folder. Its files are found only by their full names. Default: none.

    Returns
    -------
    list of SoundFile

    Raises
    ------
    InputError
        If a name stands for no sound file, or only for sounds in the output folder.
    """
    from speechbrain_lmac.audio.locations import canonical_path

    files: list[SoundFile] = []
    skipped = 0
    for name in names:
        sounds, others = _find(name)
        inputs = [path for path in sounds if sounds == [name] or not _is_inside(path, output)]
        if not inputs:
            raise InputError(_all_inside(name, output) if sounds else _not_found(name, others))
        files.extend(SoundFile(path, _subfolder(path, name)) for path in inputs)
        skipped += others
    if skipped:
        texts = counted(skipped, "file that is not a sound", "files that are not sounds")
        print(f"skipped {texts}", file=sys.stderr)
    unique: dict[str | None, SoundFile] = {}
    for file in files:
        unique.setdefault(canonical_path(file.path), file)
    return list(unique.values())


def _subfolder(path: str, name: str) -> str:
    """Return the folder of a file, relative to the name that it was found by.

    Example
    -------
    >>> _subfolder("in/a/b.wav", "in"), _subfolder("in/a/b.wav", "in/*/b.wav")
    ('a', 'a')
    >>> _subfolder("in/a/b.wav", "in/a/b.wav"), _subfolder("a/../b.wav", "*/../b.wav")
    ('', '')
    """
    if path == name:
        return ""
    parts: Iterable[str] = Path(name).parts
    if not Path(name).is_dir():  # a pattern
        parts = takewhile(lambda part: not has_magic(part), parts)
    root = Path(*parts)
    folder = Path(path).relative_to(root).parent
    return "" if ".." in folder.parts or folder == Path() else str(folder)


def _find(name: str) -> tuple[list[str], int]:
    """Return the sounds that a name stands for and the number of other files."""
    from speechbrain_lmac.audio.files import find_audio_files, is_audio_file
    from speechbrain_lmac.audio.locations import HUB

    if name.startswith(HUB) or Path(name).is_file():
        return [name], 0
    if Path(name).is_dir():
        sounds, others = find_audio_files(name)
        return [str(path) for path in sounds], others
    matches = [path for path in sorted(glob(name, recursive=True)) if Path(path).is_file()]
    matching_sounds = [path for path in matches if is_audio_file(path)]
    return matching_sounds, len(matches) - len(matching_sounds)


def _is_inside(path: str, folder: str | Path | None) -> bool:
    return folder is not None and Path(folder).resolve() in Path(path).resolve().parents


def _not_found(name: str, others: int) -> str:
    """Return the error message for a name without sound files."""
    got = counted(others, "other file") if others else "none"
    if Path(name).is_dir():
        return f"folder {name} must contain sound files, got {got}"
    if has_magic(name):
        return f"pattern {name} must match a sound file, got {got}"
    return f"no such sound file: {name}"


def _all_inside(name: str, output: str | Path | None) -> str:
    """Return the error message for a name whose sounds are all in the output folder."""
    if output is not None and Path(name).resolve() == Path(output).resolve():
        return f"--output must differ from the input folder, got {output}"
    return f"{name} must name sounds outside the output folder {output}, got none"


def folders_for(files: Sequence[SoundFile], root: Path) -> list[Path]:
    """Return an output folder for each file.

    Folders are named after the files and lie in the same subfolders. A number is added if several
    files would have the same folder, or if a folder holds the explanation of another file.

    Example
    -------
    >>> files = [SoundFile("in/a/dog.wav", "a"), SoundFile("dog.wav"), SoundFile("b/dog.wav")]
    >>> [str(folder) for folder in folders_for(files, Path("out"))]
    ['out/a/dog', 'out/dog', 'out/dog-2']
    """
    taken: set[str] = set()
    return [_first_free(file, root, taken, lambda folder, _: True) for file in files]


def take_folder(file: SoundFile, root: Path, taken: set[str]) -> Path:
    """Return the output folder of a file and reserve it against other processes.

    Arguments
    ---------
    file : SoundFile
        File to explain.
    root : Path
        Output folder of all files.
    taken : set of str
        Folder names of earlier files, relative to the root. The new name is added.

    Returns
    -------
    Path
    """
    from speechbrain_lmac.inference.outputs import reserve

    return _first_free(file, root, taken, reserve)


def remove_empty(folder: Path, root: Path, existing: Collection[Path]) -> None:
    """Remove a folder and the folders above it, up to the root, if they are new and empty."""
    for path in (folder, *folder.parents):
        if path == root or path in existing or not path.is_relative_to(root):
            return
        with suppress(OSError):  # the folder is not empty
            path.rmdir()


def _first_free(
    file: SoundFile, root: Path, taken: set[str], take: Callable[[Path, str | None], bool]
) -> Path:
    from speechbrain_lmac.audio.locations import canonical_path

    stem = Path(file.path).stem.strip(". ") or "sound"  # no way out of the root
    identity = canonical_path(file.path)
    path = (Path(file.subfolder) / stem).as_posix()
    for name in chain([path], (f"{path}-{number}" for number in count(2))):
        folder, key = root / name, normalize("NFC", name).casefold()
        if key in taken or _explains_another(folder, identity):
            continue
        if take(folder, identity):
            taken.add(key)
            return folder
    raise AssertionError("count() does not end")


def _explains_another(folder: Path, identity: str | None) -> bool:
    """Return True if a folder holds, or is reserved for, the explanation of another file."""
    from speechbrain_lmac.inference.outputs import SCORES
    from speechbrain_lmac.utils.ownership import Ledger

    explained = Ledger(folder).kind
    if explained is None:
        try:
            explained = json.loads((folder / SCORES).read_text(encoding="utf-8"))["file"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
    return explained is not None and explained != identity


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a text file, without blank lines and comments (``#``)."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error
    lines = list(_content(text.splitlines()))
    if not lines:
        raise InputError(f"{path} must contain at least one line")
    return lines


def _content(lines: Iterable[str]) -> Iterable[str]:
    for line in map(str.strip, lines):
        if line and not line.startswith("#"):
            yield line
