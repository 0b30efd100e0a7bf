"""What this package wrote in a folder: only that may be replaced or removed later.

A hidden file, ``.speechbrain-lmac.json``, lists names and SHA-256 of the files written beside it.
A file that is not listed, or that has changed since, is the user's.
"""

import contextlib
import hashlib
import json
import os
from pathlib import Path, PurePath

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import (
    HIDDEN,
    LOCK,
    atomic_folder,
    exclusive_lock,
    temporary_path,
    wrap_write_errors,
    write_text,
)

LEDGER = f"{HIDDEN}.json"


class Ledger:
    """The list of a folder, as it is on disk; empty if there is none.

    Arguments
    ---------
    folder : str or Path
        Whose files are listed.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with owned_file(Path(folder) / "a.csv") as partial:
    ...         _ = partial.write_text("ours")
    ...     before = Ledger(folder).is_owned("a.csv")
    ...     _ = (Path(folder) / "a.csv").write_text("edited")
    ...     before, Ledger(folder).is_owned("a.csv")
    (True, False)
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.content = _read(self.folder / LEDGER)

    @property
    def files(self):
        """Name, relative to the folder -> SHA-256 of each content that is ours."""
        return self.content["files"]

    @property
    def kind(self):
        """Kind of output in the folder, or the path of the sound file explained in it."""
        return self.content["of"]

    @kind.setter
    def kind(self, kind):
        self.content["of"] = kind

    def is_owned(self, name):
        """Whether a file is absent, or is listed and has not changed since."""
        path = self.folder / name
        if not os.path.lexists(path):
            return True
        regular = path.is_file() and not path.is_symlink()
        return regular and name in self.files and file_sha256(path) in self.files[name]

    def check(self, names):
        """Raise InputError if one of the names is there and is not ours."""
        for name in names:
            if not self.is_owned(name):
                raise InputError(
                    f"{self.folder / name} was not written by speechbrain-lmac, or has changed "
                    "since: it is left alone; move it, or give another output"
                )

    def add(self, name, made):
        """List the content of a file that is about to get a name; what is there stays listed."""
        path = self.folder / name
        before = [file_sha256(path)] if os.path.lexists(path) and self.is_owned(name) else []
        self.files[name] = list(dict.fromkeys([*before, file_sha256(made)]))

    def save(self):
        """Write the ledger atomically, or remove it if it lists nothing and has no kind."""
        if self.content["files"] or self.content["of"] is not None:
            text = json.dumps(self.content, indent=1, sort_keys=True, ensure_ascii=True)
            write_text(self.folder / LEDGER, text + "\n")
        else:
            (self.folder / LEDGER).unlink(missing_ok=True)


def _read(path):
    """The list in a file; an empty one if there is none or it cannot be read.

    The folder may come from a stranger: names outside it are no names of ours.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        files = {str(name): [str(one) for one in found] for name, found in held["files"].items()}
        inside = {name: found for name, found in files.items() if _is_inside(name)}
        return {"of": held["of"], "files": inside}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"of": None, "files": {}}


def _is_inside(name):
    path = PurePath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def file_sha256(path):
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def folder_lock(folder):
    """Hold the lock of a folder's ledger; one process at a time, threads too."""
    with wrap_write_errors(folder), exclusive_lock(Path(folder) / LOCK):
        yield


@contextlib.contextmanager
def owned_file(path):
    """Write a file as :func:`~speechbrain_lmac.utils.files.atomic_write` does, and list it as ours.

    Arguments
    ---------
    path : str or Path
        In an existing folder.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    InputError
        If a file is there that is not ours; nothing has changed then.
    """
    path = Path(path)
    Ledger(path.parent).check([path.name])
    with wrap_write_errors(path), temporary_path(path.parent) as partial:
        yield partial
        with folder_lock(path.parent):
            ledger = Ledger(path.parent)
            ledger.check([path.name])
            ledger.add(path.name, partial)
            ledger.save()
            partial.replace(path)


def remove_owned_file(path):
    """Remove a file that is ours, if it is there; InputError if it is not ours."""
    path = Path(path)
    with folder_lock(path.parent):
        ledger = Ledger(path.parent)
        ledger.check([path.name])
        path.unlink(missing_ok=True)
        ledger.files.pop(path.name, None)
        ledger.save()


@contextlib.contextmanager
def owned_folder(folder, kind, is_legacy=lambda folder: False):
    """Build a folder that replaces an earlier one of the same kind, at once.

    Arguments
    ---------
    folder : str or Path
        Its final place.
    kind : str
        Kind of output, such as ``"interpreter"``.
    is_legacy : callable
        Predicate: was a folder without a ledger written by an earlier version?

    Yields
    ------
    Path
        Where to build.
    """

    def check(final):
        check_owned_folder(final, kind, is_legacy)

    with atomic_folder(folder, check) as built:
        yield built
        ledger = Ledger(built)
        for name in _files(built):
            ledger.add(name, built / name)
        ledger.kind = kind
        ledger.save()


def check_owned_folder(folder, kind, is_legacy=lambda folder: False):
    """Raise InputError unless all of a folder is ours and of a kind, or it is empty or absent."""
    folder = Path(folder)
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InputError(f"{folder} is there and is no folder: give another")
    found = _files(folder)
    ledger = Ledger(folder)
    if is_legacy(folder) or not (found or any(folder.iterdir())):
        return
    if ledger.kind != kind:
        raise InputError(f"{folder} is there and was not written by {kind}; give another folder")
    ledger.check(found)


def _files(folder):
    """Every file below a folder but the ledger, and every link, relative to it, in order."""
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    return [name for name in names if name != LEDGER]
