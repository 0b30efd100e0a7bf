"""Find an interpreter: in the package, a folder or the Hugging Face Hub."""

from collections.abc import Callable, Sequence
from pathlib import Path

from speechbrain_lmac.pretrained.files import (
    CLASSIFIER_FILE,
    MAX_DOWNLOADS,
    REQUIRED_FILES,
)
from speechbrain_lmac.pretrained.labels import LABELS_FILE
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.hub import CACHE_FIRST, HubAccess, exactly, hub_folder

PRETRAINED = Path(__file__).parent / "interpreters"
"""Folder of the interpreters in the package."""
NOT_A_NAME = ("", ".", "..", "interpreter")
"""Last parts of a path that no Hub repository has as its name."""


def find_interpreter(
    source: str | Path,
    revision: str | None = None,
    savedir: str | Path | None = None,
    with_classifier: bool = False,
    access: HubAccess = CACHE_FIRST,
) -> tuple[Path, bool]:
    """Find the files of an interpreter, or download them.

    Arguments
    ---------
    source, revision, savedir
        As for ``Interpreter.from_hparams``.
    with_classifier : bool
        Whether to download the weights of a classifier, too, if there are some. Default: False.
    access : HubAccess
        Options of a download. Default: files in the cache are used.

    Returns
    -------
    Path, bool
        Folder of the files, and True if they are from the Hub.

    Raises
    ------
    InputError
        If there is no interpreter, or a local one is given with a revision.
    """
    names = sorted(folder.name for folder in PRETRAINED.glob("*"))
    packaged = [PRETRAINED / str(source)] if str(source) in names else []
    for folder in (*packaged, Path(source) / "interpreter", Path(source)):
        if all(_safely((folder / name).is_file) for name in REQUIRED_FILES):
            if revision is not None:
                raise InputError(
                    f"revision must be left out for {folder}, which is on this machine, got "
                    f"{revision!r}. Leave it out, or run where no folder has the repository's name"
                )
            return folder, False
    if _is_local_path(str(source)):
        raise InputError(
            f"no interpreter at {source}. Give a results folder of train.py, a pretrained "
            f"interpreter ({', '.join(names)}) or a Hub repository USER/NAME"
        )
    optional = [LABELS_FILE, CLASSIFIER_FILE] if with_classifier else [LABELS_FILE]
    return _download(str(source), revision, savedir, optional, access), True


def _safely(check: Callable[[], bool]) -> bool:
    """Return the result of a check of a path; False if the path is too long for any file."""
    try:
        return check()
    except OSError:
        return False


def _is_local_path(source: str) -> bool:
    """Return True if a name is a path on this machine, whether it exists or not."""
    owner, *rest = source.replace("\\", "/").split("/")
    if len(rest) != 1 or owner.startswith((".", "~")) or not owner or rest[0] in NOT_A_NAME:
        return True
    return _safely(Path(owner).is_dir)


def _download(
    repo_id: str,
    revision: str | None,
    savedir: str | Path | None,
    optional: Sequence[str],
    access: HubAccess,
) -> Path:
    if savedir is not None:  # one folder per repository and revision
        savedir = Path(savedir) / "--".join((repo_id, revision or "main")).replace("/", "--")
    folder = hub_folder(
        repo_id,
        [*REQUIRED_FILES, *map(exactly, optional)],
        revision,
        savedir,
        remedy="It is not a local folder either.",
        max_bytes=MAX_DOWNLOADS,
        access=access,
    )
    missing = [name for name in REQUIRED_FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{repo_id} is not an interpreter: it has no {' and no '.join(missing)}")
    return folder
