"""Sound files that are named on a command line."""

import json
import sys
from glob import glob, has_magic
from itertools import chain, count
from pathlib import Path
from unicodedata import normalize

from speechbrain_lmac.inference.outputs import SCORES, reserve
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.ownership import Ledger


def expand(names, output=None):
    """Sound files, in order and each once.

    Arguments
    ---------
    names : list of str
        Files, folders (all sounds in them and below that are not hidden), globs (``**`` for
        folders below too), ``hf://`` files. Sounds in folders are known by their extensions or
        first bytes; other files are counted, and the count is printed.
    output : str or Path
        A folder that is written to: what lies there is found only by its own name.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If a name stands for nothing.
    """
    from speechbrain_lmac.audio.source import path_of

    found: list[str] = []
    passed = 0
    for name in names:
        held, others = _named(name)
        taken = [path for path in held if held == [name] or not _within(path, output)]
        if not taken:
            raise InputError(_nothing(name, others))
        found.extend(taken)
        passed += others
    if passed:
        print(f"files passed over, which are no sounds: {passed}", file=sys.stderr)
    each: dict = {}
    for file in found:
        each.setdefault(path_of(file), file)
    return list(each.values())


def _named(name):
    """Sounds that a name stands for, and how many other files."""
    from speechbrain_lmac.audio.decoding import find_sounds, is_sound
    from speechbrain_lmac.audio.source import HUB

    if name.startswith(HUB) or Path(name).is_file():
        return [name], 0
    if Path(name).is_dir():
        sounds, others = find_sounds(name)
        return [str(path) for path in sounds], others
    matches = [path for path in sorted(glob(name, recursive=True)) if Path(path).is_file()]
    sounds = [path for path in matches if is_sound(path)]
    return sounds, len(matches) - len(sounds)


def _within(path, folder):
    return folder is not None and Path(folder).resolve() in Path(path).resolve().parents


def _nothing(name, others):
    if Path(name).is_dir():
        return f"no sound files in the folder {name}, among {others} files"
    if has_magic(name):
        return f"no sound file matches {name}, among {others} files that do"
    return f"no such sound file: {name}"


def folders_for(files, root):
    """A folder for each file, by its name, and by a number where names are the same or a folder
    already holds the explanation of another file.

    Example
    -------
    >>> [str(folder) for folder in folders_for(["a/dog.wav", "b/dog.wav", "cat.ogg"], Path("out"))]
    ['out/dog', 'out/dog-2', 'out/cat']
    """
    taken: set[str] = set()
    return [_free(file, root, taken, lambda folder, _: True) for file in files]


def take_folder(file, root, taken):
    """The folder of a file as of :func:`folders_for`, and reserved against other processes.

    Arguments
    ---------
    file : str
        What is explained.
    root : Path
        That the folder is made in.
    taken : set of str
        Names that earlier files have; the new one is added.

    Returns
    -------
    Path
    """
    return _free(file, root, taken, reserve)


def _free(file, root, taken, take):
    from speechbrain_lmac.audio.source import path_of

    stem, identity = Path(file).stem.strip(". ") or "sound", path_of(file)  # no way out of the root
    for name in chain([stem], (f"{stem}-{number}" for number in count(2))):
        folder, known = root / name, normalize("NFC", name).casefold()
        if known in taken or _is_of_another(folder, identity):
            continue
        if take(folder, identity):
            taken.add(known)
            return folder
    raise AssertionError("numbers do not end")


def _is_of_another(folder, identity):
    """Whether a folder says that it explains another file, or is reserved for one."""
    of = Ledger(folder).of
    if of is None:
        try:
            of = json.loads((folder / SCORES).read_text(encoding="utf-8"))["file"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
    return of is not None and of != identity


def read_lines(path):
    """Lines of a text file, but for empty ones and those that begin with ``#``."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise InputError(f"{path} holds no line")
    return lines
