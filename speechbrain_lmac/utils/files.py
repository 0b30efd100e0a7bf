"""Files and folders that are whole or not there: a kill half-way tears nothing.

Every writer writes under a temporary name of its own in the target's folder and renames at the
end. The writer holds a lock (flock) on its temporary, so temporaries of dead writers are told from
those of live ones; they are removed before the next write to the same folder.
"""

import contextlib
import csv
import ctypes
import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
from pathlib import Path
from tempfile import TemporaryFile

from filelock import FileLock

from speechbrain_lmac.utils.errors import InputError, first_line

try:
    import fcntl
except ImportError:  # Windows: temporaries of dead writers stay
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".partial"
"""Ends the name of what is being written."""
HIDDEN = ".speechbrain-lmac"
"""Begins the name of every auxiliary file of this package."""
LOCK = f"{HIDDEN}.lock"
AUXILIARY = re.compile(f"{re.escape(HIDDEN)}(-[0-9a-f]{{16}}{re.escape(PARTIAL)}|[.]lock)")
"""Names of temporaries and of the lock."""
ASIDE = ".old"
"""Ends the name of a folder that is set aside while it is replaced."""
AT_FDCWD, RENAME_EXCHANGE = -100, 2
"""Of Linux's renameat2."""


@contextlib.contextmanager
def atomic_write(path):
    """Write a file under a temporary name; it gets its own when it is written.

    A symbolic link stays, and the file that it names is written. An existing file keeps its mode.

    Arguments
    ---------
    path : str or Path
        The file; its folder is made.

    Yields
    ------
    Path
        Where to write; no other writer has this name.

    Raises
    ------
    InputError
        If it cannot be written: a full disk, a folder that may not be written to.

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
                with contextlib.suppress(OSError):  # of a file system without modes
                    partial.chmod(stat.S_IMODE(target.stat().st_mode))
            partial.replace(target)


@contextlib.contextmanager
def wrap_write_errors(path):
    """Turn an OSError into the InputError that a path cannot be written."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {first_line(error)}") from error


def _check_regular(path):
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a device or pipe"
        raise InputError(f"{path} is {what}, and no file to write")
    if path.exists() and not os.access(path, os.W_OK):
        raise InputError(f"{path} is write-protected; give another file to write")


@contextlib.contextmanager
def temporary_path(parent, folder=False):
    """A new file or folder under a name that no one else has; removed at the end if it is there.

    Arguments
    ---------
    parent : Path
        Existing folder that it is made in. What dead writers left there is removed.
    folder : bool
        Make a folder.

    Yields
    ------
    Path
    """
    remove_stale(parent)
    path, lock = _create(parent, folder)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            _remove(path)
        if lock is not None:
            os.close(lock)


def _create(parent, folder):
    """Path and locked file descriptor of a new temporary."""
    while True:
        path = parent / f"{HIDDEN}-{secrets.token_hex(8)}{PARTIAL}"
        if folder:
            path.mkdir()
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        with contextlib.suppress(BlockingIOError, FileNotFoundError):  # swept before it was locked
            return path, _locked(path)


def _locked(path):
    """A file descriptor that holds the lock of a temporary, or none where there are no locks.

    Raises BlockingIOError if its writer is alive, FileNotFoundError if it was removed meanwhile.
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
    except OSError:  # a file system without locks: nobody sweeps there
        os.close(descriptor)
        return None
    return descriptor


def _remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_stale(parent):
    """Remove temporaries and locks in a folder whose holders are dead; others stay."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        found = [Path(entry.path) for entry in entries if AUXILIARY.fullmatch(entry.name)]
        for path in found:
            _sweep(path)


def _sweep(path):
    with contextlib.suppress(OSError):
        lock = _locked(path)
        if lock is not None:
            with contextlib.suppress(OSError):
                _remove(path)
            os.close(lock)


@contextlib.contextmanager
def exclusive_lock(path):
    """Hold a lock file, which is removed at the end; wait while another process or thread does.

    A removed lock file could still be waited for: whoever gets it then begins anew. Without flock
    the lock file stays.
    """
    if fcntl is None:
        with FileLock(path):
            yield
        return
    lock = _wait(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(lock)


def _wait(path):
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            with contextlib.suppress(OSError):  # of a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)


@contextlib.contextmanager
def atomic_folder(folder, check):
    """Build a folder aside; it takes its place when it is complete.

    On Linux old and new swap places in one step. Elsewhere the old one is set aside first; a run
    that is killed in between puts it back, or removes it, at its next start.

    Arguments
    ---------
    folder : str or Path
        The final place. A symbolic link stays, and the folder that it names is replaced.
    check : callable
        Gets the folder if it exists; raises InputError if it may not be replaced.

    Yields
    ------
    Path
        Where to build.
    """
    final = Path(os.path.realpath(folder))
    with wrap_write_errors(folder):
        final.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(final)
        if final.exists():
            check(final)
        with temporary_path(final.parent, folder=True) as built:
            yield built
            if final.exists():
                check(final)
            _install(built, final)


def _install(built, final):
    if not final.exists():
        built.rename(final)
    elif not _exchange(built, final):
        aside = _aside(final)
        final.rename(aside)
        built.rename(final)
        shutil.rmtree(aside)


def _exchange(one, other):
    """Swap two names in one step, where the system can; False elsewhere."""
    if not sys.platform.startswith("linux"):
        return False
    call = getattr(ctypes.CDLL(None), "renameat2", None)
    names = [os.fsencode(one), os.fsencode(other)]
    if call is None:
        return False
    sys.audit("os.rename", one, other, -1, -1)
    return call(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0


def _aside(folder):
    """Where a folder is set aside; only this package uses such names."""
    digest = hashlib.sha256(os.fsencode(folder.name)).hexdigest()[:16]
    return folder.with_name(f"{HIDDEN}-{folder.name[:32]}-{digest}{ASIDE}")


def recover_folder(folder):
    """Undo a replacement that was killed between its renames."""
    aside = _aside(folder)
    if not aside.is_dir():
        return
    if folder.exists():
        shutil.rmtree(aside)
    else:
        aside.rename(folder)


def check_writable(path):
    """Raise InputError if a file cannot be written, before the work that would be lost."""
    target = Path(os.path.realpath(path))
    _check_regular(target)
    with wrap_write_errors(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=target.parent).close()
        remove_stale(target.parent)


def check_not_input(path, inputs):
    """Raise InputError if writing a file would replace an input, under whatever name.

    Arguments
    ---------
    path : str or Path
        Output.
    inputs : iterable of str, Path or None
        Files that are read; names on the Hub and None are passed over.
    """
    for name in inputs:
        if name is not None and _is_same(path, name):
            raise InputError(f"{path} is the input {name}: give another output")


def _is_same(one, other):
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one of them is not there, or no name of a file
        return False


def write_text(path, text, writer=atomic_write):
    """Write a text file in UTF-8, as :func:`atomic_write`; its path.

    ``writer`` is the context manager that yields where to write.
    """
    with writer(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return Path(path)


def write_csv(path, rows, delimiter=",", writer=atomic_write):
    """Write rows as CSV, as :func:`write_text`; names of files may be no UTF-8."""
    with (
        writer(path) as partial,
        open(partial, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        csv.writer(file, delimiter=delimiter).writerows(rows)
