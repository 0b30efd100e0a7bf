"""Files of the Hugging Face Hub: from its cache, or fetched, or an error that says what to do."""

from pathlib import Path
from threading import Thread

from speechbrain_lmac.utils.errors import InputError, first_line

ANSWER_S = 5
"""Within which the Hub must answer before a download begins."""


def hub_folder(
    repo_id,
    patterns,
    revision=None,
    local_dir=None,
    any_of=(),
    remedy="",
    repo_type="model",
    max_bytes=None,
):
    """Folder that holds a repository's files.

    Arguments
    ---------
    repo_id : str
        ``user/name``.
    patterns : list of str
        Files wanted, as names or globs.
    revision : str
        Commit, tag or branch; the main branch by default.
    local_dir : str or Path
        Where the files are put; the Hub's own cache by default.
    any_of : sequence of str
        Names of which a folder that is here already must hold one, lest it be half fetched.
    remedy : str
        What else the user can do, for the error.
    repo_type : str
        "model" or "dataset".
    max_bytes : dict
        File -> bytes, beyond which it is not fetched.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        Within seconds, if the files are neither here nor to be had.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, HTTPError, LocalEntryNotFoundError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InputError(
            f"{repo_id} is neither a folder here nor a Hugging Face Hub id user/name"
        ) from error
    wanted = {"revision": revision, "local_dir": local_dir, "allow_patterns": list(patterns)}
    wanted["repo_type"] = repo_type
    try:
        here = Path(local_dir or snapshot_download(repo_id, local_files_only=True, **wanted))
        if _holds(here, patterns, any_of):
            return here
    except LocalEntryNotFoundError:
        pass
    try:
        check_reachable()
        _check_sizes(repo_id, revision, max_bytes or {})
        return Path(snapshot_download(repo_id, **wanted))
    except (HTTPError, LocalEntryNotFoundError, OSError) as error:
        what = f"{repo_id} cannot be had from the Hugging Face Hub ({first_line(error)})"
        raise InputError(f"{what}; {remedy}" if remedy else what) from error


def _check_sizes(repo_id, revision, max_bytes):
    from huggingface_hub import HfApi

    if not max_bytes:
        return
    about = HfApi().model_info(repo_id, revision=revision, files_metadata=True)
    for file in about.siblings or ():
        if (file.size or 0) > max_bytes.get(file.rfilename, file.size or 0):
            raise InputError(f"{repo_id}: {file.rfilename} is too large ({file.size} bytes)")


def _holds(folder, patterns, any_of):
    """Whether a folder has every file that is named, and what shows that others are there."""
    names = [pattern for pattern in patterns if "*" not in pattern]
    whole = all((folder / name).is_file() for name in names)
    return whole and (not any_of or any((folder / name).is_file() for name in any_of))


def hub_file(repo_id, name, revision=None, remedy="", repo_type="model"):
    """Path of one file of a repository; as :func:`hub_folder`."""
    path = hub_folder(repo_id, [name], revision, remedy=remedy, repo_type=repo_type) / name
    if not path.is_file():
        raise InputError(f"{repo_id} on the Hugging Face Hub has no file {name}")
    return path


def check_reachable():
    """Raise ConnectionError within seconds if the Hub does not answer.

    The Hub's own client tries again and again: without a network that takes minutes. Looking a
    name up has no limit of its own, so all of it is given one.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HTTPError
    from huggingface_hub.utils import get_session

    if constants.HF_HUB_OFFLINE:
        raise ConnectionError("HF_HUB_OFFLINE is set")
    outcome = []

    def ask():
        try:
            get_session().head(constants.ENDPOINT, timeout=ANSWER_S)
            outcome.append(None)
        except (HTTPError, OSError) as error:
            outcome.append(error)

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWER_S)
    reason = outcome[0] if outcome else f"nothing within {ANSWER_S} s"
    if reason is not None:
        raise ConnectionError(f"{constants.ENDPOINT} does not answer: {reason}")
