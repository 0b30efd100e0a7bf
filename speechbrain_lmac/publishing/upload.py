"""Upload of a repository folder to the Hugging Face Hub."""

from pathlib import Path

from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import check_reachable
from speechbrain_lmac.utils.temporary_files import HIDDEN
from speechbrain_lmac.utils.version import VERSION

LOG_IN = "Run 'hf auth login', or set HF_TOKEN"


def push(folder: str | Path, repo_id: str, private: bool = False) -> str:
    """Upload a repository folder as one commit.

    Arguments
    ---------
    folder : str or Path
        Folder from :func:`~speechbrain_lmac.publishing.repository.write_repository`.
    repo_id : str
        Name of the repository, ``user/name``. It is created if it does not exist.
    private : bool
        Whether a new repository is private. Default: False.

    Returns
    -------
    str
        Address of the repository.

    Raises
    ------
    InputError
        If the Hub cannot be reached, or refuses the user or the upload.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError

    check_id(repo_id)
    api = HfApi()
    try:
        check_reachable()
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            ignore_patterns=[f"{HIDDEN}*"],
            commit_message=f"Interpreter, by speechbrain-lmac {VERSION}",
        )
    except LocalTokenNotFoundError as error:
        raise InputError(f"you must log in to the Hub. {LOG_IN}") from error
    except HfHubHTTPError as error:
        raise InputError(_http_message(error, repo_id)) from error
    except (HTTPError, OSError, RuntimeError) as error:
        raise InputError(_interrupted_message(error, repo_id)) from error
    except ValueError as error:
        raise InputError(f"the Hub refused {repo_id}: {error}") from error
    return str(commit.commit_url).partition("/commit/")[0]


def check_id(repo_id: str) -> None:
    """Raise InputError unless a name is a repository ``user/name``."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InputError(f"{repo_id!r} is no Hub id: {first_line(error)}") from error
    if repo_id.count("/") != 1:
        raise InputError(f"{repo_id!r} is no Hub id: it must be USER/NAME")


def _http_message(error: Exception, repo_id: str) -> str:
    """Return what to do about an HTTP error."""
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else 0
    messages = {
        401: f"the Hub does not know you. {LOG_IN}",
        403: f"you may not write to {repo_id}. Check its owner and your token's permissions",
        404: f"{repo_id} does not exist for you. Check its owner and your token's permissions",
        409: f"{repo_id} was changed by someone else during the upload. Run the same command again",
    }
    if status >= 500:
        return _interrupted_message(error, repo_id)
    return messages.get(status, f"the Hub refused {repo_id}: {first_line(error)}")


def _interrupted_message(error: Exception, repo_id: str) -> str:
    return (
        f"the upload of {repo_id} was interrupted ({first_line(error)}). Run the same command "
        "again: files that have arrived are not sent again"
    )
