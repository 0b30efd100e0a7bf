"""Download a file over HTTP: resumed after interruptions, verified, complete or absent."""

import os
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from filelock import FileLock
from tqdm import tqdm

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import file_sha256

ATTEMPTS = 5
"""Number of connections before giving up; each resumes where the last one ended."""
TIMEOUT_S = 30
"""Timeout of a connection, in seconds."""
CHUNK = 1 << 16
"""Size of a read, in bytes."""
NETWORK_ERRORS = (URLError, ConnectionError, TimeoutError, HTTPException)
"""Errors of the network; any other OSError is an error of the disk."""
CACHE = "SPEECHBRAIN_LMAC_CACHE"
"""Environment variable with the folder of downloads. Default: ``~/.cache/speechbrain_lmac``."""


def fetch(url: str, path: str | Path, sha256: str | None) -> Path:
    """Download a file unless it exists.

    An incomplete download stays next to ``path`` as ``*.partial`` and is resumed by a later call.

    Arguments
    ---------
    url : str
        http or https address.
    path : str or Path
        File to write; its folder is created.
    sha256 : str or None
        SHA-256 of the file, in hex. None if it is unknown; only the length is verified then.

    Returns
    -------
    Path
        ``path``, which holds the complete file.

    Raises
    ------
    InputError
        If the file cannot be downloaded or written, or has another SHA-256.
    """
    path = Path(path)
    try:
        if _is_complete(path, sha256):
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(path.name + ".lock")
        try:
            with FileLock(lock):  # one of several processes downloads for all
                _fetch(url, path, sha256)
        finally:
            lock.unlink(missing_ok=True)
        return path
    except NETWORK_ERRORS as error:
        raise InputError(f"{url} cannot be downloaded ({error}). Put the file at {path}") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error}") from error


def _is_complete(path: Path, sha256: str | None) -> bool:
    return path.is_file() and sha256 in (None, file_sha256(path))


def _fetch(url: str, path: Path, sha256: str | None) -> None:
    partial = path.with_name(path.name + ".partial")
    if _is_complete(path, sha256):  # another process was faster
        return
    validator = _validator_path(partial)
    if sha256 is None and not validator.is_file():  # the partial file may be of another file
        partial.unlink(missing_ok=True)
    resumed = partial.is_file()
    _download(url, partial)
    validator.unlink(missing_ok=True)
    if sha256 is None:
        partial.replace(path)
        return
    if resumed and file_sha256(partial) != sha256:  # the partial file was of another file
        partial.unlink()
        _download(url, partial)
    digest = file_sha256(partial)
    if digest != sha256:
        partial.unlink()
        raise InputError(f"{url} must have the SHA-256 {sha256}, got {digest}")
    partial.replace(path)


def _download(url: str, partial: Path) -> None:
    """Connect until the server has sent everything."""
    for attempt in range(ATTEMPTS):
        try:
            return _receive(url, partial)
        except HTTPError as error:
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return None  # the partial file is complete
            if error.code < HTTPStatus.INTERNAL_SERVER_ERROR or attempt == ATTEMPTS - 1:
                raise
        except NETWORK_ERRORS:
            if attempt == ATTEMPTS - 1:
                raise


def _read(response: HTTPResponse) -> bytes:
    """Next bytes of a response; every OSError here is an error of the network (TLS, routes)."""
    try:
        return response.read(CHUNK)
    except OSError as error:
        raise ConnectionError(error) from error


def _receive(url: str, partial: Path) -> None:
    """Append the missing bytes in one connection, or start again if the server has no ranges."""
    start = partial.stat().st_size if partial.is_file() else 0
    validator = _validator_path(partial)
    headers = {"Range": f"bytes={start}-"} if start else {}
    if start and validator.is_file():  # the server sends all of the file if it has changed
        headers["If-Range"] = validator.read_text(encoding="utf-8")
    with urlopen(Request(url, headers=headers), timeout=TIMEOUT_S) as response:
        resumed = response.status == HTTPStatus.PARTIAL_CONTENT
        if not resumed:
            _save_validator(response.headers, validator)
        length = response.headers.get("Content-Length")
        received = start if resumed else 0
        total = received + int(length) if length else None
        with (
            open(partial, "ab" if resumed else "wb") as file,
            tqdm(
                total=total, initial=received, unit="B", unit_scale=True, desc=partial.stem
            ) as progress,
        ):
            while chunk := _read(response):
                file.write(chunk)
                progress.update(len(chunk))
            if total is not None and file.tell() < total:
                raise ConnectionError(f"it broke off at {file.tell()} of {total} bytes")


def _validator_path(partial: Path) -> Path:
    """Path of the file that identifies the version of a partial download."""
    return partial.with_name(partial.name + ".etag")


def _save_validator(headers: Message, path: Path) -> None:
    """Save what identifies the server's version of the file: a strong ETag, or a date."""
    etag = headers.get("ETag", "")
    validator = headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
    path.unlink(missing_ok=True)
    if validator.isprintable() and validator:
        path.write_text(validator, encoding="utf-8")


def fetch_cached(url: str, name: str, sha256: str | None) -> Path:
    """Download a file to the cache of all projects unless it exists.

    Arguments
    ---------
    url : str
        http or https address.
    name : str
        File name in the cache.
    sha256 : str or None
        SHA-256 of the file, in hex; see :func:`fetch`.

    Returns
    -------
    Path
    """
    return fetch(url, cache_folder() / name, sha256)


def cache_folder() -> Path:
    """Folder of files that all projects share, such as downloads."""
    return Path(os.environ.get(CACHE, Path.home() / ".cache" / "speechbrain_lmac"))
