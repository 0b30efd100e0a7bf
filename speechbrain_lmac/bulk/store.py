"""Output folder of a job, local or behind fsspec. Every file in it is written whole."""

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speechbrain_lmac.bulk.extras import require
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.files import wrap_write_errors
from speechbrain_lmac.utils.temporary_files import AUXILIARY, LOCK, exclusive_lock, temporary_path


class Store(ABC):
    """Folder with files that are named by relative paths such as ``parts/00000000.parquet``."""

    url: str
    """Path or URL of the folder."""
    journal_folder: Path | None = None
    """Local folder for the journals of attempts; None if there is none."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Sorted names of the files directly in a subfolder; empty if it does not exist."""

    def units(self, folder: str) -> list[int]:
        """Sorted numbers of the units that have a file in a subfolder."""
        return [int(name.partition(".")[0]) for name in self.names(folder)]

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether a file exists."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Content of a file; InputError if it cannot be read."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file. Other processes see all of it or nothing."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file if it exists."""

    @abstractmethod
    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Context manager that excludes other processes, where the storage has locks."""


class LocalStore(Store):
    """Folder of this machine or of a shared file system.

    Arguments
    ---------
    folder : str
        Folder, created when the first file is written.
    """

    def __init__(self, folder: str):
        self.root = Path(folder)
        self.url = os.path.abspath(folder)
        self.journal_folder = self.root / "journal"

    def names(self, folder: str = "") -> list[str]:
        path = self.root / folder
        try:
            with os.scandir(path) as entries:
                found = [entry.name for entry in entries if not AUXILIARY.fullmatch(entry.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InputError(f"{path} cannot be listed: {first_line(error)}") from error
        return sorted(found)

    def exists(self, name: str) -> bool:
        return (self.root / name).exists()

    def read(self, name: str) -> bytes:
        try:
            return (self.root / name).read_bytes()
        except OSError as error:
            raise InputError(f"{self.root / name} cannot be read: {first_line(error)}") from error

    def write(self, name: str, data: bytes) -> None:
        path = self.root / name
        with wrap_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary_path(self.root) as partial:
                with open(partial, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                partial.replace(path)

    def remove(self, name: str) -> None:
        (self.root / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        with wrap_write_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(self.root / LOCK):
            yield


class RemoteStore(Store):
    """Folder behind fsspec, such as ``s3://bucket/folder``. One PUT writes one file.

    Arguments
    ---------
    url : str
        URL of the folder.
    """

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        self.files, self.root = filesystem(self.url)

    def names(self, folder: str = "") -> list[str]:
        path = f"{self.root}/{folder}".rstrip("/")
        with remote_errors(path):
            self.files.invalidate_cache()
            try:
                return sorted(name.rpartition("/")[2] for name in self.files.ls(path, detail=False))
            except FileNotFoundError:
                return []

    def exists(self, name: str) -> bool:
        with remote_errors(name):
            self.files.invalidate_cache()
            return bool(self.files.exists(f"{self.root}/{name}"))

    def read(self, name: str) -> bytes:
        with remote_errors(f"{self.url}/{name}"):
            return bytes(self.files.cat_file(f"{self.root}/{name}"))

    def write(self, name: str, data: bytes) -> None:
        with remote_errors(f"{self.url}/{name}"):
            self.files.pipe_file(f"{self.root}/{name}", data)

    def remove(self, name: str) -> None:
        with remote_errors(f"{self.url}/{name}"), contextlib.suppress(FileNotFoundError):
            self.files.rm_file(f"{self.root}/{name}")

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def is_url(name: str) -> bool:
    """Whether a name is a URL, such as ``s3://bucket/clips``, and not a local path."""
    return "://" in name


def open_store(output: str) -> Store:
    """Return the store of an output folder, given as a path or URL."""
    return RemoteStore(output) if is_url(output) else LocalStore(output)


def filesystem(url: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URL and the path in it."""
    with remote_errors(url):
        files, path = require("fsspec.core").url_to_fs(url)
    return files, path.rstrip("/")


@contextlib.contextmanager
def remote_errors(name: str) -> Iterator[None]:
    """Turn errors of a remote storage into the InputError that a file cannot be used."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"{name} cannot be accessed ({reason})") from error
