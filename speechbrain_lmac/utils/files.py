"""Atomic file writes: a file is complete or absent, even if the process is killed.

Every file is written under a temporary name in its own folder and renamed at the end.
"""

import contextlib
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryFile

from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.temporary_files import remove_stale, temporary_path

Writer = Callable[[str | Path], AbstractContextManager[Path]]
"""Context manager that takes the path of a file and yields the path to write."""


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Write a file under a temporary name and rename it when it is complete.

    A symbolic link stays and its target is replaced. An existing file keeps its mode.

    Arguments
    ---------
    path : str or Path
        File to write; its folder is created.

    Yields
    ------
    Path
        Unique temporary path to write.

    Raises
    ------
    InputError
        If the file cannot be written, for example because the disk is full.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder) / "a.txt") as partial:
    ...         _ = partial.write_text("all of it")
    ...     [path.name for path in Path(folder).iterdir()]
    ['a.txt']
    """
    target = Path(os.path.realpath(path))
    _check_regular(target)
    with wrap_write_errors(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_path(target.parent) as partial:
            yield partial
            _check_regular(target)
            if target.exists():
                with contextlib.suppress(OSError):  # a file system without modes
                    partial.chmod(stat.S_IMODE(target.stat().st_mode))
            partial.replace(target)


def write_directly(path: str | Path) -> AbstractContextManager[Path]:
    """Write a file under its own name, in a temporary folder that is moved as a whole."""
    return contextlib.nullcontext(Path(path))


@contextlib.contextmanager
def wrap_write_errors(path: str | Path) -> Iterator[None]:
    """Turn an OSError into the InputError that ``path`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {first_line(error)}") from error


def _check_regular(path: Path) -> None:
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a device or pipe"
        raise InputError(f"{path} must be a file, got {kind}. Give another file to write")
    if path.exists() and not os.access(path, os.W_OK):
        raise InputError(f"{path} is write-protected. Give another file to write")


def check_writable(path: str | Path) -> None:
    """Raise InputError if a file cannot be written, before a long computation starts."""
    target = Path(os.path.realpath(path))
    _check_regular(target)
    with wrap_write_errors(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=target.parent).close()
        remove_stale(target.parent)


class InputFiles:
    """Input files, which no output may replace. They are looked up by what they are on disk.

    Arguments
    ---------
    paths : iterable of str, Path or None
        Input files. Names on the Hub, files that do not exist, and None are ignored.
    """

    def __init__(self, paths: Iterable[str | Path | None]):
        self._paths = {_identity(path): path for path in paths if path is not None}

    def find(self, path: str | Path) -> str | Path | None:
        """Return the input file that ``path`` is, under any name; None if it is none."""
        identity = _identity(path)
        return None if identity is None else self._paths.get(identity)


def check_not_input(path: str | Path, inputs: InputFiles | Iterable[str | Path | None]) -> None:
    """Raise InputError if writing a file would replace an input file.

    Arguments
    ---------
    path : str or Path
        Output file.
    inputs : InputFiles or iterable of str, Path or None
        Input files. Give one InputFiles to check many outputs.
    """
    name = (inputs if isinstance(inputs, InputFiles) else InputFiles(inputs)).find(path)
    if name is not None:
        raise InputError(f"the output {path} must not be the input {name}. Give another output")


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Device and number of a file; None if it does not exist, or is no file name."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def write_text(path: str | Path, text: str, writer: Writer = atomic_write) -> Path:
    """Write a text file in UTF-8.

    Arguments
    ---------
    path : str or Path
        File to write.
    text : str
        Content of the file.
    writer : callable
        Context manager that yields the path to write. Default: :func:`atomic_write`.

    Returns
    -------
    Path
        ``path``.
    """
    with writer(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def absolute_if_exists(source: str | Path) -> str:
    """Absolute path of an existing file or folder; any other name unchanged."""
    return str(Path(source).resolve()) if Path(source).exists() else str(source)
