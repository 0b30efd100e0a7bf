"""Publishing of an interpreter from Python."""

from pathlib import Path

from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.publishing.repository import write_repository
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.hub_upload import push

UNSTATED = (
    "license must be stated to publish, got none: without one, others may not use the decoder. "
    "Give an id of the Hub, such as cc-by-4.0, apache-2.0 or mit"
)
"""Message about a missing license."""


def publish(
    results: str | Path,
    repo_id: str,
    folder: str | Path | None = None,
    license: str | None = None,
    private: bool = False,
    audio_classifier: AudioClassifier | None = None,
) -> str:
    """Upload a trained interpreter to the Hugging Face Hub.

    Arguments
    ---------
    results : str or Path
        Results folder of a training.
    repo_id : str
        Name of the repository, ``user/name``. It is created if it does not exist.
    folder : str or Path
        Folder to write the repository to. Default: ``hub`` in ``results``.
    license : str
        License of the decoder, as an id of the Hub such as ``cc-by-4.0``. Default: not stated,
        which a private repository may leave.
    private : bool
        Whether a new repository is private. Default: False.
    audio_classifier : AudioClassifier
        Classifier of the user that is explained. Default: built from its settings.

    Returns
    -------
    str
        Address of the repository.

    Raises
    ------
    InputError
        If the run is not finished, a public repository has no license, or the Hub refuses the
        upload.
    """
    check_stated(license, private)
    folder = Path(results) / "hub" if folder is None else Path(folder)
    write_repository(results, repo_id, folder, license, audio_classifier)
    return push(folder, repo_id, private)


def check_stated(license: str | None, private: bool) -> None:
    """Raise InputError if a public repository would have no license."""
    if license is None and not private:
        raise InputError(UNSTATED)
