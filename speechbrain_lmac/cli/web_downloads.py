"""Downloads of the web app: sounds, figure and tables of an explanation as a ZIP file."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def downloads() -> Path:
    """Return the folder of the downloads of this process."""
    return Path(tempfile.mkdtemp(prefix="speechbrain_lmac_downloads_"))


@contextlib.contextmanager
def new_download(name: str, lifetime: float) -> Iterator[tuple[Path, Path]]:
    """Yield a folder for the files of an explanation, and the ZIP file that is made of it.

    Older downloads are deleted.

    Arguments
    ---------
    name : str
        Name of the sound.
    lifetime : float
        Age at which downloads are deleted, in seconds.
    """
    for old in downloads().iterdir():
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > lifetime:
                shutil.rmtree(old)
    root = Path(tempfile.mkdtemp(dir=downloads()))
    folder = root / f"{Path(name).stem}-explanation"
    archive = root / f"{folder.name}.zip"
    try:
        yield folder, archive
        shutil.make_archive(str(folder), "zip", root, folder.name)
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
