"""Archives of published data sets: downloaded once, verified, and unpacked atomically."""

import lzma
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from speechbrain_lmac.utils.download import fetch
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256
from speechbrain_lmac.utils.folders import atomic_folder
from speechbrain_lmac.utils.ownership import Ledger, folder_lock
from speechbrain_lmac.utils.temporary_files import remove_stale, temporary_path

BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, shutil.ReadError, EOFError, zlib.error),
    *(lzma.LZMAError, RuntimeError, NotImplementedError),  # encrypted, or an unknown compression
)
"""Exceptions of unpacking for an invalid archive."""


class BrokenArchiveError(InputError):
    """Invalid archive; unpacking it again fails again."""


class Archive(NamedTuple):
    """Archive of a published data set."""

    name: str
    url: str
    sha256: str | None
    """SHA-256 in hex; None if the authors do not state it."""
    root: str
    """Folder of the data set in the archive."""
    marker: str
    """File or folder of the data set whose existence shows that the set is complete."""
    license: str


ESC50 = Archive(
    name="ESC-50",
    url="https://github.com/karolpiczak/ESC-50/archive/master.zip",
    sha256="805afc618aff80eff0641d51311647871fead5807da68bb18e43a27db47a79ce",
    root="ESC-50-master",
    marker="meta/esc50.csv",
    license="CC BY-NC 3.0",
)
LJSPEECH = Archive(
    name="LJSpeech",
    url="https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2",
    sha256="be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5",
    root="LJSpeech-1.1",
    marker="wavs",
    license="public domain",
)
WHAM = Archive(
    name="WHAM! noise",
    url="https://my-bucket-a8b4b49c25c811ee9a7e8bba05fa24c7.s3.amazonaws.com/wham_noise.zip",
    sha256=None,
    root="wham_noise",
    marker="tt",
    license="CC BY-NC 4.0",
)


def obtain(archive: Archive, folder: str | Path) -> Path:
    """Find a published data set in a folder, or download and unpack it.

    Arguments
    ---------
    archive : Archive
        Archive of the data set.
    folder : str or Path
        Folder of the data set.

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    InputError
        If the archive cannot be downloaded or unpacked, or the folder holds something else.
    """
    folder = Path(folder).absolute()
    packed = folder.with_name(folder.name + "-" + archive.url.rpartition("/")[2])
    if (folder / archive.marker).exists():
        remove_stale(folder.parent)  # temporaries of a killed run
        if packed.name in Ledger(folder.parent).files:
            _remove(packed)
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} must be empty or hold {archive.marker} of {archive.name}. Give another "
            "folder"
        )
    is_users = _is_users(packed, archive.sha256)
    if not is_users:
        _download(archive, packed)
    try:
        unpack(packed, folder, archive.root, archive.marker)
    except BrokenArchiveError:
        if not is_users:  # the next run downloads it again
            _remove(packed)
        raise
    if not is_users:
        _remove(packed)
    return folder


def _is_users(packed: Path, sha256: str | None) -> bool:
    """Whether the user has put the archive here; it is kept then."""
    if not packed.exists() or packed.name in Ledger(packed.parent).files:
        return False
    if not packed.is_file() or sha256 not in (None, file_sha256(packed)):
        raise InputError(f"{packed} is not the archive and is left alone. Move it")
    return True


def _download(archive: Archive, packed: Path) -> None:
    packed.parent.mkdir(parents=True, exist_ok=True)
    with folder_lock(packed.parent):
        ledger = Ledger(packed.parent)
        ledger.files[packed.name] = [archive.sha256 or "not stated"]
        ledger.save()
    try:
        fetch(archive.url, packed, archive.sha256)
    except InputError:
        if not packed.exists():
            _remove(packed)  # an archive that the user puts here next is the user's
        raise


def _remove(packed: Path) -> None:
    """Remove a downloaded archive, its lock and its entry in the ledger."""
    with folder_lock(packed.parent):
        packed.with_name(packed.name + ".lock").unlink(missing_ok=True)
        packed.unlink(missing_ok=True)
        ledger = Ledger(packed.parent)
        ledger.files.pop(packed.name, None)
        ledger.save()


def unpack(packed: Path, folder: Path, root: str, marker: str) -> None:
    """Unpack a zip or tar archive; no file is written outside the folder.

    Arguments
    ---------
    packed : Path
        Archive.
    folder : Path
        Folder for the content of ``root``. It appears when it is complete.
    root : str
        Folder of the data set in the archive.
    marker : str
        File or folder that ``root`` must contain.

    Raises
    ------
    InputError
        If the archive is invalid, names a file outside itself or holds links, or the disk is full.
    """
    try:
        check_members(packed)
        with (
            atomic_folder(folder, _check_empty) as built,
            temporary_path(built.parent, folder=True) as extracted,
        ):
            _extract(packed, extracted, folder)
            if not (extracted / root / marker).exists():
                raise BrokenArchiveError(f"{packed} holds no {root}/{marker}")
            for path in (extracted / root).iterdir():
                path.rename(built / path.name)
    except BROKEN as error:
        raise BrokenArchiveError(f"{packed} is no valid zip or tar archive: {error}") from error
    except OSError as error:
        raise _unpack_error(packed, folder, error) from error


def _unpack_error(packed: Path, folder: Path, error: OSError) -> InputError:
    return InputError(f"{packed} cannot be unpacked to {folder}: {error}")


def _extract(packed: Path, extracted: Path, folder: Path) -> None:
    options: dict[str, Any] = {} if zipfile.is_zipfile(packed) else {"filter": "data"}
    try:
        shutil.unpack_archive(packed, extracted, **options)
    except OSError as error:
        raise _unpack_error(packed, folder, error) from error


def _check_empty(folder: Path) -> None:
    if not folder.is_dir() or any(folder.iterdir()):
        raise InputError(f"{folder} must be empty. Give another folder")


def check_members(packed: Path) -> None:
    """Raise InputError if an archive would write outside its folder, or holds links."""
    if zipfile.is_zipfile(packed):
        with zipfile.ZipFile(packed) as archive:
            links = [m.filename for m in archive.infolist() if (m.external_attr >> 28) == 0xA]
            names = archive.namelist()
    else:
        with tarfile.open(packed) as tar:
            names = tar.getnames()
            links = [member.name for member in tar if not (member.isfile() or member.isdir())]
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name:
            raise BrokenArchiveError(f"{packed} is refused: it would write to {name}")
    if links:
        raise BrokenArchiveError(f"{packed} is refused: {links[0]} is a link, not a file")
