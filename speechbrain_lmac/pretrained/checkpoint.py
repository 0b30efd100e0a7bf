"""Check and load an interpreter."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from hyperpyyaml import load_hyperpyyaml

from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.pretrained.building import CLASSIFIER, NAMES, build
from speechbrain_lmac.pretrained.classifier_weights import load_classifier
from speechbrain_lmac.pretrained.config import (
    HPARAMS_FILE,
    InterpreterConfig,
    check_no_local_files,
    read_interpreter_config,
)
from speechbrain_lmac.pretrained.decoder_weights import (
    DECODER_FILE,
    load_decoder,
    parse_safetensors,
    read_decoder_weights,
)
from speechbrain_lmac.pretrained.files import CLASSIFIER_FILE, Files, read_files
from speechbrain_lmac.pretrained.finding import find_interpreter
from speechbrain_lmac.pretrained.labels import LABELS_FILE, parse_labels
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import CACHE_FIRST, HubAccess


class Checkpoint(NamedTuple):
    """A checked interpreter before it is built."""

    folder: Path
    config: InterpreterConfig
    files: Files
    weights: dict[str, torch.Tensor]
    """Weights of the decoder by name."""
    labels: tuple[str, ...] | None
    """Class names of a supervised classifier."""


def load_interpreter(
    source: str | Path,
    overrides: dict[str, Any] | str | None = None,
    revision: str | None = None,
    savedir: str | Path | None = None,
    sha256: str | None = None,
    trust_source: bool = False,
    audio_classifier: AudioClassifier | None = None,
    access: HubAccess = CACHE_FIRST,
) -> tuple[dict[str, Any], str]:
    """Load an interpreter.

    Arguments
    ---------
    source, overrides, revision, savedir, sha256, trust_source, audio_classifier
        As for ``Interpreter.from_hparams``.
    access : HubAccess
        Options of a download, without ``trust_source``. Default: files in the cache are used.

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
        folder, hparams, files, weights = _run(
            source, overrides, revision, savedir, sha256, audio_classifier
        )
    else:
        with_classifier = audio_classifier is not None
        folder, config, files, weights, labels = read_interpreter(
            source, revision, savedir, sha256, with_classifier, access
        )
        hparams = build(config, _parse_overrides(overrides), labels, audio_classifier)
        hparams["modules"] = {"model": hparams["model"]}
    model = hparams["modules"]["model"]
    if audio_classifier is not None and (folder / CLASSIFIER_FILE).is_file():
        load_classifier(audio_classifier, folder / CLASSIFIER_FILE)
    check_classifier(hparams, model.classifier.audio_classifier, folder)
    _check_decoder_fits(model, folder)
    load_decoder(model.decoder, folder / DECODER_FILE, weights)
    return hparams, files.fingerprint


def _run(
    source: str | Path,
    overrides: dict[str, Any] | str | None,
    revision: str | None,
    savedir: str | Path | None,
    sha256: str | None,
    audio_classifier: AudioClassifier | None,
) -> tuple[Path, dict[str, Any], Files, dict[str, torch.Tensor]]:
    """Run an interpreter's file, whatever it contains."""
    if audio_classifier is not None:
        raise InputError("trust_source must be False with audio_classifier. Leave it out")
    folder, _ = find_interpreter(source, revision, savedir)
    files, path = read_files(folder, sha256), folder / HPARAMS_FILE
    warnings.warn(f"trust_source: whatever {path} contains is run unread", stacklevel=5)
    if files.labels is not None:
        overrides = _parse_overrides(overrides) or {}
        names = list(parse_labels(files.labels, folder / LABELS_FILE))
        overrides[CLASSIFIER] = {NAMES: names, **overrides.get(CLASSIFIER, {})}
    hparams = load_hyperpyyaml(_as_text(files.hparams, path), overrides)
    return folder, hparams, files, parse_safetensors(files.decoder, folder / DECODER_FILE)


def read_interpreter(
    source: str | Path,
    revision: str | None = None,
    savedir: str | Path | None = None,
    sha256: str | None = None,
    with_classifier: bool = False,
    access: HubAccess = CACHE_FIRST,
) -> Checkpoint:
    """Find an interpreter and check its files, without building anything.

    Arguments
    ---------
    source, revision, savedir, sha256
        As for ``Interpreter.from_hparams``.
    with_classifier : bool
        Whether to download the weights of a classifier, too, if there are some. Default: False.
    access : HubAccess
        Options of a download. Default: files in the cache are used.

    Returns
    -------
    Checkpoint

    Raises
    ------
    InputError
        If there is no interpreter, or its files are invalid or have another SHA-256.
    """
    folder, downloaded = find_interpreter(source, revision, savedir, with_classifier, access)
    files, path = read_files(folder, sha256), folder / HPARAMS_FILE
    config = read_interpreter_config(_as_text(files.hparams, path), str(path), downloaded)
    if downloaded:
        check_no_local_files(config, str(path))
    weights = read_decoder_weights(*config.parts["decoder"], files.decoder, folder / DECODER_FILE)
    labels = None
    if files.labels is not None:
        labels = parse_labels(files.labels, folder / LABELS_FILE)
    return Checkpoint(folder, config, files, weights, labels)


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
