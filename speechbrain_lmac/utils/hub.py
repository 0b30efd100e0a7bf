"""Files of the Hugging Face Hub, from its cache or downloaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from speechbrain_lmac.utils.errors import InputError, first_line

ANSWER_S = 5
"""Time for the Hub to answer before a download starts, in seconds."""
COMMIT_DIGITS = 40
"""Hexadecimal digits of a commit, which never changes."""


class HubAccess(NamedTuple):
    """Options of a download, named as in huggingface_hub."""

    token: str | bool | None = None
    """Access token, False for none. None for that of ``hf auth login`` or ``HF_TOKEN``."""
    cache_dir: str | Path | None = None
    """Cache folder. None for the cache of the Hub."""
    local_files_only: bool = False
    """Whether only files in the cache are used."""
    force_download: bool = False
    """Whether files in the cache are downloaded again."""
    newest: bool = False
    """Whether a newer commit of a branch is downloaded. Files in the cache are used if the Hub
    cannot be reached."""


CACHE_FIRST = HubAccess()
"""Files in the cache are used, however old they are."""


def hub_folder(
    repo_id: str,
    patterns: Sequence[str],
    revision: str | None = None,
    local_dir: str | Path | None = None,
    any_of: Sequence[str] = (),
    remedy: str = "",
    repo_type: str = "model",
    max_bytes: Mapping[str, int] | None = None,
    access: HubAccess = CACHE_FIRST,
) -> Path:
    """Find or download files of a repository.

    Arguments
    ---------
    repo_id : str
        Repository ``user/name``.
    patterns : sequence of str
        Names or glob patterns of the files.
    revision : str
        Git revision: commit, tag or branch. Default: the main branch.
    local_dir : str or Path
        Folder for the files. Default: the Hub's cache.
    any_of : sequence of str
        Names of which an existing folder must hold at least one to be complete.
    remedy : str
        Sentence for the error that tells the user what else to do.
    repo_type : str
        ``"model"`` or ``"dataset"``. Default: ``"model"``.
    max_bytes : dict
        File name -> size in bytes above which the file is not downloaded. Default: no limit.
    access : HubAccess
        Options of the download. Default: files in the cache are used.

    Returns
    -------
    Path
        Folder that holds the files.

    Raises
    ------
    InputError
        If the files are neither local nor available; within seconds.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError

    _check_source(repo_id)
    request: dict[str, Any] = {"revision": revision, "local_dir": local_dir}
    request |= {"allow_patterns": list(patterns), "repo_type": repo_type}
    request |= {"cache_dir": access.cache_dir, "token": access.token}
    cached = None if access.force_download else _cached(repo_id, request, any_of)
    if cached and (access.local_files_only or not access.newest or _is_commit(revision)):
        return cached
    try:
        check_reachable(access.local_files_only)
        _check_sizes(repo_id, revision, max_bytes or {}, access.token)
        return Path(snapshot_download(repo_id, force_download=access.force_download, **request))
    except (HTTPError, LocalEntryNotFoundError, OSError) as error:
        if cached and isinstance(error, ConnectionError):
            return cached
        problem = f"{repo_id} is not available on the Hugging Face Hub ({first_line(error)})"
        raise InputError(f"{problem}. {remedy}" if remedy else problem) from error


def _check_source(repo_id: str) -> None:
    """Raise InputError if a name cannot be that of a repository."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InputError(
            f"source must be an existing folder or a Hub id user/name, got {repo_id}"
        ) from error


def _is_commit(revision: str | None) -> bool:
    """Return True if a revision is a commit, and neither a branch nor a tag."""
    digits = set(revision or "") <= set("0123456789abcdef")
    return revision is not None and digits and len(revision) == COMMIT_DIGITS


def _cached(repo_id: str, request: Mapping[str, Any], any_of: Sequence[str]) -> Path | None:
    """Return the folder of files in the cache; None if it is not complete."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    local_dir = request["local_dir"]
    try:
        folder = Path(local_dir or snapshot_download(repo_id, local_files_only=True, **request))
    except LocalEntryNotFoundError:
        return None
    return folder if _holds(folder, request["allow_patterns"], any_of) else None


def _check_sizes(
    repo_id: str, revision: str | None, max_bytes: Mapping[str, int], token: str | bool | None
) -> None:
    from huggingface_hub import HfApi

    if not max_bytes:
        return
    info = HfApi(token=token).model_info(repo_id, revision=revision, files_metadata=True)
    for file in info.siblings or ():
        size = file.size or 0
        if size > max_bytes.get(file.rfilename, size):
            raise InputError(
                f"{file.rfilename} of {repo_id} must have at most {max_bytes[file.rfilename]} "
                f"bytes, got {size}"
            )


def _holds(folder: Path, patterns: Sequence[str], any_of: Sequence[str]) -> bool:
    """Whether a folder has every file that is named, and one of ``any_of``."""
    names = [pattern for pattern in patterns if not set(pattern) & set("*?[")]
    complete = all((folder / name).is_file() for name in names)
    return complete and (not any_of or any((folder / name).is_file() for name in any_of))


def exactly(name: str) -> str:
    """Glob pattern of one file that a repository need not have.

    Example
    -------
    >>> exactly("labels.txt")
    'labels.tx[t]'
    """
    return f"{name[:-1]}[{name[-1]}]"


def hub_file(
    repo_id: str,
    name: str,
    revision: str | None = None,
    remedy: str = "",
    repo_type: str = "model",
) -> Path:
    """Find or download one file of a repository.

    Arguments
    ---------
    repo_id : str
        Repository ``user/name``.
    name : str
        Path of the file in the repository.
    revision, remedy, repo_type : str
        Arguments of :func:`hub_folder`.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the file is neither local nor available.
    """
    path = hub_folder(repo_id, [name], revision, remedy=remedy, repo_type=repo_type) / name
    if not path.is_file():
        raise InputError(f"{repo_id} on the Hugging Face Hub has no file {name}")
    return path


def check_reachable(offline: bool = False) -> None:
    """Raise ConnectionError within seconds if the Hub does not answer.

    Without a network, the Hub's client retries for minutes: its ``etag_timeout`` covers single
    files, but not the listing of a repository. Name resolution has no timeout at all, so the
    request runs in a thread.

    Arguments
    ---------
    offline : bool
        Whether no request is sent, which counts as no answer. Default: False.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HTTPError
    from huggingface_hub.utils import get_session

    if offline:
        raise ConnectionError("local_files_only is set")
    if constants.HF_HUB_OFFLINE:
        raise ConnectionError("HF_HUB_OFFLINE is set")
    outcome: list[Exception | None] = []

    def request() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=ANSWER_S)
            outcome.append(None)
        except (HTTPError, OSError) as error:
            outcome.append(error)

    thread = Thread(target=request, daemon=True)
    thread.start()
    thread.join(ANSWER_S)
    reason = outcome[0] if outcome else f"nothing within {ANSWER_S} s"
    if reason is not None:
        raise ConnectionError(f"{constants.ENDPOINT} does not answer: {reason}")
