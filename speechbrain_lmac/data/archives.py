"""Published sets as archives: fetched once, checked, unpacked whole or not at all."""

import lzma
import shutil
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from speechbrain_lmac.utils.download import fetch
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256
from speechbrain_lmac.utils.folders import atomic_folder
from speechbrain_lmac.utils.ownership import Ledger, folder_lock
from speechbrain_lmac.utils.temporary_files import remove_stale, temporary_path

BROKEN = (
    *(zipfile.BadZipFile, tarfile.TarError, shutil.ReadError, EOFError, zlib.error),
    *(lzma.LZMAError, RuntimeError, NotImplementedError),  # encrypted, or packed in another way
)
"""What unpacking raises on what is no whole archive."""


class BrokenArchiveError(InputError):
    """An archive that is not what it should be, whenever it is unpacked."""


class Archive(NamedTuple):
    """A published set as its authors hand it out."""

    name: str
    url: str
    sha256: str | None
    """None where the authors do not say."""
    inside: str
    """The folder in it that is the set."""
    sign: str
    """A file or folder of the set by which it is known to be there."""
    license: str


ESC50 = Archive(
    name="ESC-50",
    url="https://github.com/karolpiczak/ESC-50/archive/master.zip",
    sha256="805afc618aff80eff0641d51311647871fead5807da68bb18e43a27db47a79ce",
    inside="ESC-50-master",
    sign="meta/esc50.csv",
    license="CC BY-NC 3.0",
)
LJSPEECH = Archive(
    name="LJSpeech",
    url="https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2",
    sha256="be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5",
    inside="LJSpeech-1.1",
    sign="wavs",
    license="public domain",
)
WHAM = Archive(
    name="WHAM! noise",
    url="https://my-bucket-a8b4b49c25c811ee9a7e8bba05fa24c7.s3.amazonaws.com/wham_noise.zip",
    sha256=None,
    inside="wham_noise",
    sign="tt",
    license="CC BY-NC 4.0",
)


def obtain(archive, folder):
    """A published set: the copy that is here already, or fetched and unpacked.

    Arguments
    ---------
    archive : Archive
        Which.
    folder : str or Path
        Where it is or goes.

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    InputError
        If it cannot be had or unpacked, or another thing lies there.
    """
    folder = Path(folder).absolute()
    packed = folder.with_name(folder.name + "-" + archive.url.rpartition("/")[2])
    if (folder / archive.sign).exists():
        remove_stale(folder.parent)  # of what a run that was killed left
        if packed.name in Ledger(folder.parent).files:
            _drop(packed)
        return folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} holds something, but no {archive.sign} of {archive.name}")
    given = _is_given(packed, archive.sha256)
    if not given:
        _fetch(archive, packed)
    try:
        unpack(packed, folder, archive.inside, archive.sign)
    except BrokenArchiveError:
        if not given:  # what was fetched is bad: the next run fetches it again
            _drop(packed)
        raise
    if not given:
        _drop(packed)
    return folder


def _is_given(packed, sha256):
    """Whether the user has put the archive here; it stays then."""
    if not packed.exists() or packed.name in Ledger(packed.parent).files:
        return False
    if not packed.is_file() or sha256 not in (None, file_sha256(packed)):
        raise InputError(f"{packed} is another file than the archive: it is left alone; move it")
    return True


def _fetch(archive, packed):
    packed.parent.mkdir(parents=True, exist_ok=True)
    with folder_lock(packed.parent):
        ledger = Ledger(packed.parent)
        ledger.files[packed.name] = [archive.sha256 or "not stated"]
        ledger.save()
    try:
        fetch(archive.url, packed, archive.sha256)
    except InputError:
        if not packed.exists():
            _drop(packed)  # whoever puts it here now keeps it
        raise


def _drop(packed):
    """Remove an archive that was fetched and its download's lock, from the ledger too."""
    with folder_lock(packed.parent):
        packed.with_name(packed.name + ".lock").unlink(missing_ok=True)
        packed.unlink(missing_ok=True)
        ledger = Ledger(packed.parent)
        ledger.files.pop(packed.name, None)
        ledger.save()


def unpack(packed, folder, inside, sign):
    """Unpack a zip or tar archive, refusing whatever would be written elsewhere.

    Arguments
    ---------
    packed : Path
        The archive.
    folder : Path
        Gets what lies in ``inside``; it appears when all of it is there.
    inside : str
        Folder in the archive.
    sign : str
        What must lie in that.

    Raises
    ------
    InputError
        If the archive is broken, names a file outside itself or holds links, or there is no
        room for it.
    """
    try:
        check_members(packed)
        with (
            atomic_folder(folder, _check_empty) as built,
            temporary_path(built.parent, folder=True) as extracted,
        ):
            _extract(packed, extracted, folder)
            if not (extracted / inside / sign).exists():
                raise BrokenArchiveError(f"{packed} holds no {inside}/{sign}")
            for path in (extracted / inside).iterdir():
                path.rename(built / path.name)
    except BROKEN as error:
        raise BrokenArchiveError(f"{packed} is no whole zip or tar archive: {error}") from error
    except OSError as error:
        raise _unpack_error(packed, folder, error) from error


def _unpack_error(packed, folder, error):
    return InputError(f"{packed} cannot be unpacked to {folder}: {error}")


def _extract(packed, extracted, folder):
    options = {} if zipfile.is_zipfile(packed) else {"filter": "data"}
    try:
        shutil.unpack_archive(packed, extracted, **options)
    except OSError as error:
        raise _unpack_error(packed, folder, error) from error


def _check_empty(folder):
    if not folder.is_dir() or any(folder.iterdir()):
        raise InputError(f"{folder} exists and is not empty. Give another folder")


def check_members(packed):
    """Raise InputError if an archive would write outside its folder, or holds links."""
    if zipfile.is_zipfile(packed):
        with zipfile.ZipFile(packed) as archive:
            links = [m.filename for m in archive.infolist() if (m.external_attr >> 28) == 0xA]
            names = archive.namelist()
    else:
        with tarfile.open(packed) as archive:
            names = archive.getnames()
            links = [m.name for m in archive if not (m.isfile() or m.isdir())]
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name:
            raise BrokenArchiveError(f"{packed} is refused: it would write to {name}")
    if links:
        raise BrokenArchiveError(f"{packed} is refused: {links[0]} is a link, no file")
