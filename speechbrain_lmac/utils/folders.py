"""Atomic folders: a folder is built under a temporary name and takes its place when complete."""

import contextlib
import ctypes
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from speechbrain_lmac.utils.files import wrap_write_errors
from speechbrain_lmac.utils.temporary_files import HIDDEN, temporary_path

REPLACED = ".old"
"""Suffix of a folder that is set aside while it is replaced."""
AT_FDCWD, RENAME_EXCHANGE = -100, 2
"""Constants of Linux's renameat2."""


@contextlib.contextmanager
def atomic_folder(folder: str | Path, check: Callable[[Path], None]) -> Iterator[Path]:
    """Build a folder under a temporary name and rename it when it is complete.

    On Linux an existing folder and its replacement swap names in one step. On other systems the
    existing folder is set aside first. If the process is killed in between, the next call restores
    or removes the folder that was set aside.

    Arguments
    ---------
    folder : str or Path
        Final path. A symbolic link stays and its target is replaced.
    check : callable
        Function called with the final path if it exists. It raises InputError if the path must not
        be replaced.

    Yields
    ------
    Path
        Temporary folder to fill.

    Raises
    ------
    InputError
        If the folder cannot be written.
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


def _install(built: Path, final: Path) -> None:
    if not final.exists():
        built.rename(final)
    elif not _exchange(built, final):
        replaced = _replaced_path(final)
        final.rename(replaced)
        built.rename(final)
        shutil.rmtree(replaced)


def _exchange(path: Path, other: Path) -> bool:
    """Swap two names in one step; False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    names = [os.fsencode(path), os.fsencode(other)]
    sys.audit("os.rename", path, other, -1, -1)
    return renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0


def _replaced_path(folder: Path) -> Path:
    """Path at which a folder is set aside; only this package uses such names."""
    digest = hashlib.sha256(os.fsencode(folder.name)).hexdigest()[:16]
    return folder.with_name(f"{HIDDEN}-{folder.name[:32]}-{digest}{REPLACED}")


def recover_folder(folder: Path) -> None:
    """Finish or undo the replacement of a folder after a process was killed between its renames."""
    replaced = _replaced_path(folder)
    if not replaced.is_dir():
        return
    if folder.exists():
        shutil.rmtree(replaced)
    else:
        replaced.rename(folder)
