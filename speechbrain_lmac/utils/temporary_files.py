"""Temporary files, locks, and the removal of temporaries that killed processes left behind.

The writer of a temporary file holds a lock (flock) on it. A temporary without a lock belongs to a
dead process and is removed before the next write to the same folder.
"""

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from speechbrain_lmac.utils.held_signals import held_signals

try:
    import fcntl
except ImportError:  # Windows: temporaries of dead processes stay
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".partial"
"""Suffix of temporary files."""
HIDDEN = ".speechbrain-lmac"
"""Prefix of every auxiliary file of this package."""
LOCK = f"{HIDDEN}.lock"
"""Name of the lock file of a folder."""
RUN_LOCK = f"{HIDDEN}-run.lock"
"""Lock file of a results folder in which a run is going on."""
AUXILIARY = re.compile(f"{re.escape(HIDDEN)}(-[0-9a-f]{{16}}{re.escape(PARTIAL)}|(-run)?[.]lock)")
"""Pattern of the names of temporaries and lock files."""


@contextlib.contextmanager
def temporary_path(parent: Path, folder: bool = False) -> Iterator[Path]:
    """Create a file or folder under a unique name and remove it at the end if it still exists.

    Temporaries of dead processes in the same folder are removed first.

    Arguments
    ---------
    parent : Path
        Existing folder for the temporary.
    folder : bool
        Create a folder instead of a file. Default: False.

    Yields
    ------
    Path
        The temporary file or folder.
    """
    remove_stale(parent)
    made: list[tuple[Path, int | None]] = []
    try:
        with held_signals():
            made.append(_create(parent, folder))
        yield made[0][0]
    finally:
        for path, descriptor in made:
            with held_signals():
                with contextlib.suppress(OSError):
                    _remove(path)
                if descriptor is not None:
                    os.close(descriptor)


def _create(parent: Path, folder: bool) -> tuple[Path, int | None]:
    """Path and locked file descriptor of a new temporary."""
    while True:
        path = parent / f"{HIDDEN}-{secrets.token_hex(8)}{PARTIAL}"
        if folder:
            path.mkdir()
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        with contextlib.suppress(BlockingIOError, FileNotFoundError):  # removed before the lock
            return path, _lock(path)


def _lock(path: Path) -> int | None:
    """File descriptor that holds the lock of a temporary; None where there are no locks.

    Raises BlockingIOError if its writer is alive, FileNotFoundError if it was just removed.
    """
    if fcntl is None:
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.stat()
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        raise
    except OSError:  # a file system without locks: nobody removes temporaries there
        os.close(descriptor)
        return None
    return descriptor


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_stale(parent: Path) -> None:
    """Remove temporaries and lock files of dead processes from a folder."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        paths = [Path(entry.path) for entry in entries if AUXILIARY.fullmatch(entry.name)]
        for path in paths:
            _remove_if_stale(path)


def _remove_if_stale(path: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = _lock(path)
        if descriptor is not None:
            with contextlib.suppress(OSError):
                _remove(path)
            os.close(descriptor)


@contextlib.contextmanager
def exclusive_lock(path: Path, wait: bool = True) -> Iterator[None]:
    """Hold a lock file, among processes and threads; it is removed at the end.

    A process that waited for a lock file which was removed meanwhile creates a new one. On systems
    without flock the lock file stays.

    Arguments
    ---------
    path : Path
        Lock file, in an existing folder.
    wait : bool
        Wait for another holder. Otherwise BlockingIOError is raised. Default: True.
    """
    if fcntl is None:
        try:
            lock = FileLock(path).acquire(timeout=-1 if wait else 0)
        except Timeout as error:
            raise BlockingIOError(f"{path} is held") from error
        with lock:
            yield
        return
    descriptor = _acquire(path, wait)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _acquire(path: Path, wait: bool) -> int:
    operation = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            try:
                fcntl.flock(descriptor, operation)
            except BlockingIOError:
                raise
            except OSError:  # a file system without locks
                pass
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
