"""Fetch a file over HTTP: resumed where it broke off, checked, whole or not at all."""

import os
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from filelock import FileLock
from tqdm import tqdm

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256

ATTEMPTS = 5
"""Connections tried before giving up; each goes on where the last one broke off."""
TIMEOUT_S = 30
CHUNK = 1 << 16
NETWORK = (URLError, ConnectionError, TimeoutError, HTTPException)
"""What the network may do to us; any other OSError is the disk's."""

CACHE = "SPEECHBRAIN_LMAC_CACHE"
"""Environment variable: where downloads are kept, ``~/.cache/speechbrain_lmac`` by default."""


def fetch(url, path, sha256):
    """Download a file, unless it is there already.

    What has arrived is kept beside ``path`` as ``*.partial``, so that a later call goes on.

    Arguments
    ---------
    url : str
        http or https.
    path : str or Path
        Where it goes; its folder is made.
    sha256 : str
        What the whole file must hash to; None where its authors do not say, and only its
        length is checked.

    Returns
    -------
    Path
        ``path``, holding exactly the file asked for.

    Raises
    ------
    InputError
        If it cannot be had, cannot be written, or is not the file asked for.
    """
    path = Path(path)
    try:
        if _is_there(path, sha256):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock")
        try:
            with FileLock(lock):  # one of several processes fetches, the others find it there
                _fetch(url, path, sha256)
        finally:
            lock.unlink(missing_ok=True)
        return path
    except NETWORK as error:
        raise InputError(f"{url} cannot be had ({error}); put the file at {path}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from error


def _is_there(path, sha256):
    return path.is_file() and sha256 in (None, file_sha256(path))


def _fetch(url, path, sha256):
    partial = path.with_name(path.name + ".partial")
    if _is_there(path, sha256):  # another process was quicker
        return
    validator = _beside(partial)
    if sha256 is None and not validator.is_file():  # what lies there may have begun another file
        partial.unlink(missing_ok=True)
    resumed = partial.is_file()
    _arrive(url, partial)
    validator.unlink(missing_ok=True)
    if sha256 is None:
        partial.replace(path)
        return
    if resumed and file_sha256(partial) != sha256:  # what lay there began another file
        partial.unlink()
        _arrive(url, partial)
    found = file_sha256(partial)
    if found != sha256:
        partial.unlink()
        raise InputError(f"{url} is not the file expected (sha256 {found}, not {sha256})")
    partial.replace(path)


def _arrive(url, partial):
    """Try until the server has sent everything."""
    for attempt in range(ATTEMPTS):
        try:
            return _receive(url, partial)
        except HTTPError as error:
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return None  # nothing lies beyond what is here
            if error.code < HTTPStatus.INTERNAL_SERVER_ERROR or attempt == ATTEMPTS - 1:
                raise
        except NETWORK:
            if attempt == ATTEMPTS - 1:
                raise


def _read(response):
    """Next bytes; whatever goes wrong here is the network's fault (TLS, routes)."""
    try:
        return response.read(CHUNK)
    except OSError as error:
        raise ConnectionError(error) from error


def _receive(url, partial):
    """One connection: append what is missing, or begin again where the server knows no ranges."""
    have = partial.stat().st_size if partial.is_file() else 0
    validator = _beside(partial)
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and validator.is_file():  # a server that has another file by now sends all of it
        headers["If-Range"] = validator.read_text(encoding="utf-8")
    with urlopen(Request(url, headers=headers), timeout=TIMEOUT_S) as response:
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        if not resumed:
            _keep_validator(response.headers, validator)
        length = response.headers.get("Content-Length")
        done = have if resumed else 0
        total = done + int(length) if length else None
        with (
            open(partial, "ab" if resumed else "wb") as file,
            tqdm(total=total, initial=done, unit="B", unit_scale=True, desc=partial.stem) as bar,
        ):
            while chunk := _read(response):
                file.write(chunk)
                bar.update(len(chunk))
            if total is not None and file.tell() < total:
                raise ConnectionError(f"it broke off at {file.tell()} of {total} bytes")


def _beside(partial):
    """Where the validator of what has arrived is kept."""
    return partial.with_name(partial.name + ".etag")


def _keep_validator(headers, path):
    """Keep what says whether the server still has the same file: a strong ETag, or a date."""
    etag = headers.get("ETag", "")
    found = headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
    path.unlink(missing_ok=True)
    if found.isprintable() and found:
        path.write_text(found, encoding="utf-8")


def fetch_cached(url, name, sha256):
    """A file that is kept for all projects, fetched if it is not there; as :func:`fetch`."""
    folder = Path(os.environ.get(CACHE, Path.home() / ".cache" / "speechbrain_lmac"))
    return fetch(url, folder / name, sha256)
