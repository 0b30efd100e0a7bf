"""Find, check and load an interpreter: from the package, a folder or the Hugging Face Hub."""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from hyperpyyaml import load_hyperpyyaml

from speechbrain_lmac.pretrained.config import (
    HPARAMS_FILE,
    InterpreterConfig,
    build,
    check_no_local_files,
    read_interpreter_config,
)
from speechbrain_lmac.pretrained.decoder_weights import (
    DECODER_FILE,
    MAX_DECODER_BYTES,
    load_decoder,
    parse_safetensors,
    read_decoder_weights,
)
from speechbrain_lmac.pretrained.strict_yaml import MAX_BYTES
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import hub_folder
from speechbrain_lmac.utils.single_read import read_bounded

PRETRAINED = Path(__file__).parent / "interpreters"
"""Folder of the interpreters in the package."""
NOT_A_NAME = ("", ".", "..", "interpreter")
"""Last parts of a path that no Hub repository has as its name."""
MAX_FILE_BYTES = {HPARAMS_FILE: MAX_BYTES, DECODER_FILE: MAX_DECODER_BYTES}
"""Files of an interpreter and their maximum sizes, in bytes."""


class Files(NamedTuple):
    """Contents of an interpreter's two files, each read once."""

    hparams: bytes
    decoder: bytes

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the two contents, concatenated, in hexadecimal digits."""
        return hashlib.sha256(self.hparams + self.decoder).hexdigest()


class Checkpoint(NamedTuple):
    """A checked interpreter before it is built."""

    folder: Path
    config: InterpreterConfig
    files: Files
    weights: dict[str, torch.Tensor]
    """Weights of the decoder by name."""


def load_interpreter(
    source: str | Path,
    overrides: dict[str, Any] | str | None = None,
    revision: str | None = None,
    savedir: str | Path | None = None,
    sha256: str | None = None,
    trust_source: bool = False,
) -> tuple[dict[str, Any], str]:
    """Load an interpreter.

    Arguments
    ---------
    source, overrides, revision, savedir, sha256, trust_source
        As for ``Interpreter.from_hparams``.

    Returns
    -------
    dict, str
        Hyperparameters with the built ``modules``, and the fingerprint of the files.

    Raises
    ------
    InputError
        As for ``Interpreter.from_hparams``.
    """
    if trust_source:
        folder, _ = find_interpreter(source, revision, savedir)
        files, path = read_files(folder, sha256), folder / HPARAMS_FILE
        warnings.warn(f"trust_source: whatever {path} contains is run unread", stacklevel=4)
        hparams = load_hyperpyyaml(_as_text(files.hparams, path), overrides)
        weights = parse_safetensors(files.decoder, folder / DECODER_FILE)
    else:
        folder, config, files, weights = read_interpreter(source, revision, savedir, sha256)
        hparams = build(config, _parse_overrides(overrides))
        hparams["modules"] = {"model": hparams["model"]}
    model = hparams["modules"]["model"]
    check_classifier(hparams, model.classifier.audio_classifier, folder)
    _check_decoder_fits(model, folder)
    load_decoder(model.decoder, folder / DECODER_FILE, weights)
    return hparams, files.fingerprint


def read_interpreter(
    source: str | Path,
    revision: str | None = None,
    savedir: str | Path | None = None,
    sha256: str | None = None,
) -> Checkpoint:
    """Find an interpreter and check its files, without building anything.

    Arguments
    ---------
    source, revision, savedir, sha256
        As for ``Interpreter.from_hparams``.

    Returns
    -------
    Checkpoint

    Raises
    ------
    InputError
        If there is no interpreter, or its files are invalid or have another SHA-256.
    """
    folder, downloaded = find_interpreter(source, revision, savedir)
    files, path = read_files(folder, sha256), folder / HPARAMS_FILE
    config = read_interpreter_config(_as_text(files.hparams, path), str(path), downloaded)
    if downloaded:
        check_no_local_files(config, str(path))
    settings = config.parts["decoder"].settings
    weights = read_decoder_weights(settings, files.decoder, folder / DECODER_FILE)
    return Checkpoint(folder, config, files, weights)


def read_files(folder: Path, sha256: str | None = None) -> Files:
    """Read the two files of an interpreter; InputError if they have another fingerprint."""
    files = Files(*(read_bounded(folder / name, size) for name, size in MAX_FILE_BYTES.items()))
    if sha256 is not None and files.fingerprint != sha256.lower():
        raise InputError(f"sha256 of {folder} must be {sha256}, got {files.fingerprint}")
    return files


def _as_text(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read as text: {first_line(error)}") from error


def _parse_overrides(overrides: dict[str, Any] | str | None) -> Any:
    if not isinstance(overrides, str):
        return overrides
    try:
        return yaml.safe_load(overrides)
    except yaml.YAMLError as error:
        raise InputError(f"overrides must be valid YAML: {first_line(error)}") from error


def find_interpreter(
    source: str | Path, revision: str | None = None, savedir: str | Path | None = None
) -> tuple[Path, bool]:
    """Return the folder of an interpreter's files, and True if they are from the Hub."""
    names = sorted(folder.name for folder in PRETRAINED.glob("*"))
    packaged = [PRETRAINED / str(source)] if str(source) in names else []
    for folder in (*packaged, Path(source) / "interpreter", Path(source)):
        if all(_safely((folder / name).is_file) for name in MAX_FILE_BYTES):
            return folder, False
    if _is_local_path(str(source)):
        raise InputError(
            f"no interpreter at {source}. Give a results folder of train.py, a pretrained "
            f"interpreter ({', '.join(names)}) or a Hub repository USER/NAME"
        )
    return _download(str(source), revision, savedir), True


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


def _download(repo_id: str, revision: str | None, savedir: str | Path | None) -> Path:
    if savedir is not None:  # one folder per repository and revision
        savedir = Path(savedir) / "--".join((repo_id, revision or "main")).replace("/", "--")
    names, remedy = list(MAX_FILE_BYTES), "It is not a local folder either."
    folder = hub_folder(repo_id, names, revision, savedir, remedy=remedy, max_bytes=MAX_FILE_BYTES)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{repo_id} is not an interpreter: it has no {' and no '.join(missing)}")
    return folder


def fingerprint(folder: str | Path) -> str:
    """Return the SHA-256 of an interpreter's two files, concatenated.

    It is the output of ``cat hyperparams.yaml decoder.safetensors | sha256sum``.
    """
    return read_files(Path(folder)).fingerprint


def _check_decoder_fits(model: Any, folder: Path) -> None:
    """Refuse a decoder for other hidden maps or queries than those of its classifier."""
    audio_classifier, config = model.classifier.audio_classifier, model.decoder.config
    hidden = list(config["hidden_channels"])
    fits = hidden and hidden == list(audio_classifier.hidden_channels)[: len(hidden)]
    if not fits or config["query_dim"] != audio_classifier.query_dim:
        raise InputError(f"{folder} describes a decoder that does not fit its classifier: {config}")


def check_classifier(notes: Any, audio_classifier: Any, folder: Path) -> None:
    """Refuse an interpreter that was trained on other classifier weights.

    Arguments
    ---------
    notes : dict
        Notes of the interpreter.
    audio_classifier : AudioClassifier
        Classifier that is loaded.
    folder : Path
        Folder of the interpreter in error messages.
    """
    loaded = audio_classifier.reference
    if notes["classifier_sha256"] != loaded.sha256:
        trained_on = f"{notes['classifier_name']} revision {notes['classifier_revision']}"
        raise InputError(
            f"{folder} was trained on the classifier {trained_on}, not on {loaded.name} "
            f"{loaded.revision}. Load the classifier that it was trained on"
        )
