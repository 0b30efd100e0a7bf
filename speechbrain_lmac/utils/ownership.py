"""Ledger of the files that this package wrote: only these files may be replaced or removed.

The hidden file ``.speechbrain-lmac.json`` lists the names and SHA-256 digests of the files written
to its folder. A file that is not listed, or that has changed since, belongs to the user.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from typing import Any

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256, wrap_write_errors, write_text
from speechbrain_lmac.utils.folders import atomic_folder
from speechbrain_lmac.utils.held_signals import held_signals
from speechbrain_lmac.utils.temporary_files import HIDDEN, LOCK, exclusive_lock, temporary_path

LEDGER = f"{HIDDEN}.json"
"""Name of the ledger file."""


def never(folder: Path) -> bool:
    """False for every folder."""
    return False


class Ledger:
    """The ledger of a folder as it is on disk; empty if the folder has none.

    Arguments
    ---------
    folder : str or Path
        Folder whose files the ledger lists.

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

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.content = _read(self.folder / LEDGER)

    @property
    def files(self) -> dict[str, list[str]]:
        """Name of each listed file, relative to the folder -> SHA-256 digests of its contents."""
        return self.content["files"]

    @property
    def kind(self) -> str | None:
        """Kind of output in the folder, or the path of the sound file explained in it."""
        return self.content["of"]

    @kind.setter
    def kind(self, kind: str | None) -> None:
        self.content["of"] = kind

    @property
    def question(self) -> Any:
        """JSON value that describes what the files answer; None while they are written."""
        return self.content.get("question")

    @question.setter
    def question(self, question: Any) -> None:
        self.content["question"] = question

    def is_owned(self, name: str) -> bool:
        """Whether a file is absent, or is listed and unchanged."""
        path = self.folder / name
        if not os.path.lexists(path):
            return True
        regular = path.is_file() and not path.is_symlink()
        return regular and name in self.files and file_sha256(path) in self.files[name]

    def check(self, names: Iterable[str]) -> None:
        """Raise InputError if one of the files exists and is not owned."""
        for name in names:
            if not self.is_owned(name):
                raise InputError(
                    f"{self.folder / name} was not written by speechbrain-lmac, or has changed "
                    "since: it is left alone. Move it, or give another output"
                )

    def add(self, name: str, source: Path) -> None:
        """List a new content for a file, and remove the question.

        An existing owned content of the file stays listed.

        Arguments
        ---------
        name : str
            Name of the file, relative to the folder.
        source : Path
            File with the new content, which is about to be renamed to ``name``.
        """
        path = self.folder / name
        before = [file_sha256(path)] if os.path.lexists(path) and self.is_owned(name) else []
        self.content.pop("question", None)
        self.files[name] = list(dict.fromkeys([*before, file_sha256(source)]))

    def save(self) -> None:
        """Write the ledger atomically, or remove it if it lists nothing and has no kind."""
        if self.files or self.kind is not None:
            text = json.dumps(self.content, indent=1, sort_keys=True, ensure_ascii=True)
            write_text(self.folder / LEDGER, text + "\n")
        else:
            (self.folder / LEDGER).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    """Content of a ledger file; an empty one if the file is absent or malformed.

    Names outside the folder are dropped, because the folder may come from an untrusted source.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {
            str(name): [str(digest) for digest in digests]
            for name, digests in content["files"].items()
            if _is_inside(str(name))
        }
        question = {"question": content["question"]} if "question" in content else {}
        return {"of": content["of"], "files": files, **question}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {"of": None, "files": {}}


def _is_inside(name: str) -> bool:
    path = PurePath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


@contextlib.contextmanager
def folder_lock(folder: str | Path) -> Iterator[None]:
    """Hold the lock of a folder's ledger, and signals, until its files and it agree."""
    with wrap_write_errors(folder), exclusive_lock(Path(folder) / LOCK), held_signals():
        yield


@contextlib.contextmanager
def owned_file(path: str | Path) -> Iterator[Path]:
    """Write a file atomically and list it in the ledger of its folder.

    Arguments
    ---------
    path : str or Path
        File to write, in an existing folder.

    Yields
    ------
    Path
        Unique temporary path to write.

    Raises
    ------
    InputError
        If the file exists and is not owned. Nothing has changed then.
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


def remove_owned_file(path: str | Path) -> None:
    """Remove a file and its entry in the ledger; InputError if the file is not owned."""
    path = Path(path)
    with folder_lock(path.parent):
        ledger = Ledger(path.parent)
        ledger.check([path.name])
        path.unlink(missing_ok=True)
        ledger.files.pop(path.name, None)
        ledger.content.pop("question", None)
        ledger.save()


@contextlib.contextmanager
def owned_folder(
    folder: str | Path, kind: str, is_legacy: Callable[[Path], bool] = never
) -> Iterator[Path]:
    """Build a folder that atomically replaces an earlier folder of the same kind.

    Arguments
    ---------
    folder : str or Path
        Final path.
    kind : str
        Kind of output, such as ``"interpreter"``.
    is_legacy : callable
        Predicate: was a folder without a ledger written by an earlier version? Default: never.

    Yields
    ------
    Path
        Temporary folder to fill.
    """

    def check(final: Path) -> None:
        check_owned_folder(final, kind, is_legacy)

    with atomic_folder(folder, check) as built:
        yield built
        ledger = Ledger(built)
        for name in _files(built):
            ledger.add(name, built / name)
        ledger.kind = kind
        ledger.save()


def check_owned_folder(
    folder: str | Path, kind: str, is_legacy: Callable[[Path], bool] = never
) -> None:
    """Raise InputError unless a folder is absent, empty, or owned and of the given kind.

    The arguments are those of :func:`owned_folder`.
    """
    folder = Path(folder)
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise InputError(f"{folder} must be a folder, got a file. Give another folder")
    names = _files(folder)
    ledger = Ledger(folder)
    if is_legacy(folder) or not (names or any(folder.iterdir())):
        return
    if ledger.kind != kind:
        raise InputError(f"{folder} exists and was not written by {kind}. Give another folder")
    ledger.check(names)


def _files(folder: Path) -> list[str]:
    """Sorted relative names of all files and links below a folder, except the ledger."""
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    return [name for name in names if name != LEDGER]
