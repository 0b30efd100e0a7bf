"""Upload of a repository folder to the Hugging Face Hub."""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import check_reachable
from speechbrain_lmac.utils.temporary_files import HIDDEN
from speechbrain_lmac.utils.version import VERSION

LOG_IN = "Run 'hf auth login', or set HF_TOKEN"
CARD_FILE = "README.md"
"""Model card of a repository."""


def push(folder: str | Path, repo_id: str, private: bool = False) -> str:
    """Upload a repository folder, as :func:`commit_folder`; return the repository's address."""
    return commit_folder(folder, repo_id, private).partition("/commit/")[0]


def commit_folder(
    folder: str | Path,
    repo_id: str,
    private: bool | None = None,
    commit_message: str | None = None,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
    replace_card: bool = True,
) -> str:
    """Upload a repository folder as one commit.

    Arguments
    ---------
    folder : str or Path
        Folder of the repository.
    repo_id : str
        Name of the repository, ``user/name``. It is created if it does not exist.
    private : bool
        Whether a new repository is private. Default: as the owner has set.
    commit_message : str
        Message of the commit. Default: it names this package and its version.
    token : str
        Access token. Default: that of ``hf auth login`` or ``HF_TOKEN``.
    branch : str
        Branch, created if it does not exist. Default: ``main``.
    create_pr : bool
        Whether to open a pull request instead of changing the branch. Default: False.
    replace_card : bool
        Whether to replace a model card that the repository has. Default: True.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    InputError
        If the Hub cannot be reached, or refuses the user or the upload.
    """
    check_id(repo_id)
    upload: dict[str, Any] = {"folder_path": folder, "revision": branch, "create_pr": create_pr}
    upload["commit_message"] = commit_message or f"Interpreter, by speechbrain-lmac {VERSION}"
    with _upload_errors(repo_id):
        return _upload(repo_id, private, token, upload, replace_card)


def _upload(
    repo_id: str, private: bool | None, token: str | None, upload: dict[str, Any], card: bool
) -> str:
    """Create the repository and the branch if they do not exist, and commit a folder."""
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    check_reachable()
    api.create_repo(repo_id, private=private, exist_ok=True)
    if (branch := upload["revision"]) is not None:
        api.create_branch(repo_id, branch=branch, exist_ok=True)
    ignored = [f"{HIDDEN}*"]
    if not card and api.file_exists(repo_id, CARD_FILE, revision=branch):
        ignored.append(CARD_FILE)
        warnings.warn(
            f"the model card of {repo_id} stays, and may describe another interpreter",
            stacklevel=4,
        )
    commit = api.upload_folder(repo_id=repo_id, ignore_patterns=ignored, **upload)
    return str(commit.commit_url)


@contextlib.contextmanager
def _upload_errors(repo_id: str) -> Iterator[None]:
    """Turn the errors of an upload into an InputError that says what to do."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError

    try:
        yield
    except LocalTokenNotFoundError as error:
        raise InputError(f"you must log in to the Hub. {LOG_IN}") from error
    except HfHubHTTPError as error:
        raise InputError(_http_message(error, repo_id)) from error
    except (HTTPError, OSError, RuntimeError) as error:
        raise InputError(_interrupted_message(error, repo_id)) from error
    except ValueError as error:
        raise InputError(f"the Hub refused {repo_id}: {error}") from error


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
