"""Sound files that a command line names, and the output folder of each."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from glob import glob, has_magic
from itertools import chain, count
from pathlib import Path
from unicodedata import normalize

from speechbrain_lmac.utils.errors import InputError


def expand(names: Sequence[str], output: str | Path | None = None) -> list[str]:
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
    list of str

    Raises
    ------
    InputError
        If a name stands for no sound file.
    """
    from speechbrain_lmac.audio.locations import canonical_path

    files: list[str] = []
    skipped = 0
    for name in names:
        sounds, others = _find(name)
        inputs = [path for path in sounds if sounds == [name] or not _is_inside(path, output)]
        if not inputs:
            raise InputError(_not_found(name, others))
        files.extend(inputs)
        skipped += others
    if skipped:
        print(f"skipped {skipped} files that are not sounds", file=sys.stderr)
    unique: dict[str | None, str] = {}
    for file in files:
        unique.setdefault(canonical_path(file), file)
    return list(unique.values())


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
    if Path(name).is_dir():
        return f"folder {name} must contain sound files, got {others} other files"
    if has_magic(name):
        return f"pattern {name} must match a sound file, got {others} other files"
    return f"no such sound file: {name}"


def folders_for(files: Sequence[str], root: Path) -> list[Path]:
    """Return an output folder for each file.

    Folders are named after the files. A number is added if several files have the same name, or if
    a folder holds the explanation of another file.

    Example
    -------
    >>> [str(folder) for folder in folders_for(["a/dog.wav", "b/dog.wav", "cat.ogg"], Path("out"))]
    ['out/dog', 'out/dog-2', 'out/cat']
    """
    taken: set[str] = set()
    return [_first_free(file, root, taken, lambda folder, _: True) for file in files]


def take_folder(file: str, root: Path, taken: set[str]) -> Path:
    """Return the output folder of a file and reserve it against other processes.

    Arguments
    ---------
    file : str
        File to explain.
    root : Path
        Parent of the output folder.
    taken : set of str
        Folder names of earlier files. The new name is added.

    Returns
    -------
    Path
    """
    from speechbrain_lmac.inference.outputs import reserve

    return _first_free(file, root, taken, reserve)


def _first_free(
    file: str, root: Path, taken: set[str], take: Callable[[Path, str | None], bool]
) -> Path:
    from speechbrain_lmac.audio.locations import canonical_path

    stem = Path(file).stem.strip(". ") or "sound"  # no way out of the root
    identity = canonical_path(file)
    for name in chain([stem], (f"{stem}-{number}" for number in count(2))):
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
