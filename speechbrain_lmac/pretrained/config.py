"""Description of an interpreter in ``hyperparams.yaml``, read safely.

A file is read to plain values first. Only if they describe an interpreter, part by part, does
:mod:`~speechbrain_lmac.pretrained.building` build the parts, from classes of this package.
"""

import os
import re
from typing import Any, NamedTuple

import yaml

from speechbrain_lmac.pretrained.strict_yaml import (
    RefusedError,
    check_reference,
    compose,
    mapping_items,
    plain_value,
    setting_value,
)
from speechbrain_lmac.utils.errors import InputError, first_line

HPARAMS_FILE = "hyperparams.yaml"
OWN_CLASSIFIER = "models.classifiers.hooked.HookedClassifier"
"""Class that stands for a classifier of the user, which no file can build."""
AST = "models.classifiers.ast.TransformersAST"
CLASSIFIERS = (
    *("models.clap.mini.MiniCLAP", "models.clap.efficientat.EfficientATCLAP"),
    *("models.clap.laion.LaionCLAP", "models.clap.microsoft.MicrosoftCLAP"),
    "models.clap.transformers.TransformersCLAP",
    "models.classifiers.efficientat.EfficientATLabels",
    "models.classifiers.speechbrain_cnn14.SpeechBrainCNN14",
    AST,
    OWN_CLASSIFIER,
)
DOMAINS = ("domains.StftDomain", "domains.MelDomain", "log1p.Log1pStftDomain")
PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "audio_classifier": (CLASSIFIERS, ()),
    "domain": (tuple(f"masking.{name}" for name in DOMAINS), ("audio_classifier",)),
    "classifier": (("masking.masked_classifier.MaskedClassifier",), ("domain",)),
    "decoder": (("masking.decoder.MaskDecoder", "masking.psi_decoder.PsiDecoder"), ()),
    "model": (("masking.interpreter_network.InterpreterNetwork",), ("classifier", "decoder")),
}
"""Parts of an interpreter: the classes of each, and the parts that it takes as arguments. A file
can build no other class."""
NOTES = ("method", "classifier_name", "classifier_revision", "classifier_sha256")
"""Texts of a file, in addition to its parts."""
CLASS = "!new:speechbrain_lmac."
PUBLIC_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
"""Names of published files and Hub repositories."""
COMMIT = re.compile(r"[0-9a-f]{40}")
PINNED = {
    "models.clap.transformers.TransformersCLAP": "laion/clap-htsat-unfused",
    AST: "MIT/ast-finetuned-audioset-10-10-0.4593",
}
"""Repositories whose commits the adapters of transformers pin."""
TOKENIZERS = ("FacebookAI/roberta-base", "google-bert/bert-base-uncased")
"""Tokenizers of LAION's and Microsoft's CLAPs, whose commits are pinned."""
TOKENIZED = (
    *("models.clap.laion.LaionCLAP", "models.clap.microsoft.MicrosoftCLAP"),
    "models.clap.transformers.TransformersCLAP",
)
"""Adapters with a tokenizer."""
UNPINNED = ("models.clap.microsoft.MicrosoftCLAP",)
"""Adapters that download the latest commit by default. The other adapters pin one."""
WITHOUT_WEIGHTS_OPTION = (
    *("models.clap.mini.MiniCLAP", "models.clap.efficientat.EfficientATCLAP"),
    "models.classifiers.efficientat.EfficientATLabels",
)
"""Adapters whose weights are in the package or at one fixed address."""


class Part(NamedTuple):
    """A part of an interpreter before it is built."""

    kind: str
    """Class of the part, relative to this package."""
    settings: dict[str, Any]
    """Plain values."""


class InterpreterConfig(NamedTuple):
    """An interpreter before it is built."""

    notes: dict[str, str]
    parts: dict[str, Part]


def read_interpreter_config(text: str, name: str, downloaded: bool = False) -> InterpreterConfig:
    """Read the contents of ``hyperparams.yaml`` without building anything.

    Arguments
    ---------
    text : str
        Contents of the file.
    name : str
        Name of the file in error messages.
    downloaded : bool
        Whether the file is from the Hub. If so, no setting may be a local path, and everything
        that is downloaded must have a fixed commit. Default: False.

    Returns
    -------
    InterpreterConfig

    Raises
    ------
    InputError
        With the line, and the tag if it is refused.

    Example
    -------
    >>> read_interpreter_config("wipe: !apply:os.system ['rm -rf .']", "hyperparams.yaml")
    Traceback (most recent call last):
    ...
    speechbrain_lmac.utils.errors.InputError: hyperparams.yaml, line 1: the tag !apply:os.system ...
    """
    kinds = [kind for allowed, _ in PARTS.values() for kind in allowed]
    try:
        tags = {*(f"{CLASS}{kind}" for kind in kinds), "!ref"}
        return _read_config(compose(text, tags, ", ".join(kinds)), downloaded)
    except RefusedError as error:
        raise InputError(f"{name}, line {error.line}: {error}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # OverflowError: of an escape
        raise InputError(f"{name} is not valid YAML: {first_line(error)}") from error


def _read_config(node: Any, downloaded: bool) -> InterpreterConfig:
    items = mapping_items(node, "map", "an interpreter's file must be a mapping")
    allowed = {*NOTES, *PARTS, "modules"}
    for key, value in items.items():
        if key not in allowed:
            known = ", ".join(sorted(allowed))
            raise RefusedError(value, f"{key[:40]!r} is refused. The keys are {known}")
    if missing := sorted(allowed - set(items)):
        raise RefusedError(node, f"{', '.join(missing)} must be given")
    notes = {key: _read_note(items[key], key) for key in NOTES}
    parts = {key: _read_part(items[key], key, downloaded) for key in PARTS}
    modules = mapping_items(items["modules"], "map", "modules must be a mapping")
    if set(modules) != {"model"}:
        raise RefusedError(items["modules"], "modules must be model: !ref <model> only")
    check_reference(modules["model"], "model")
    return InterpreterConfig(notes, parts)


def _read_note(node: Any, key: str) -> str:
    value = plain_value(node)
    if not isinstance(value, str) or not value.isprintable():
        raise RefusedError(node, f"{key} must be a text of one line")
    return value


def _read_part(node: Any, name: str, downloaded: bool) -> Part:
    kinds, takes = PARTS[name]
    kind = node.tag.removeprefix(CLASS)
    if kind not in kinds:
        raise RefusedError(node, f"{name} must be {' or '.join(kinds)}, got {node.tag[:60]}")
    is_empty = isinstance(node, yaml.ScalarNode) and not node.value
    message = f"settings of {name} must be a mapping"
    items = {} if is_empty else mapping_items(node, f"{CLASS}{kind}", message)
    settings = {}
    for key, value in items.items():
        if key in takes:
            check_reference(value, key)
            continue
        settings[key] = setting_value(value)
        texts = settings[key] if isinstance(settings[key], list) else [settings[key]]
        for text in texts:
            if downloaded and isinstance(text, str) and not PUBLIC_NAME.fullmatch(text):
                raise RefusedError(value, f"{key}: {text[:60]!r} is refused: not a public name")
    if missing := sorted(set(takes) - set(items)):
        raise RefusedError(node, f"{name} must have {', '.join(missing)}")
    if downloaded:
        _check_downloads(node, kind, settings)
    return Part(kind, settings)


def _check_downloads(node: Any, kind: str, settings: dict[str, Any]) -> None:
    """Refuse downloads without a fixed commit, and unknown tokenizers.

    The tokenizer of a stranger may hold patterns that never end, or end the process.
    """
    default = PINNED.get(kind)
    source, revision = settings.get("source", default), settings.get("revision")
    is_pinned = source == default and kind not in UNPINNED
    if not COMMIT.fullmatch(str(revision)) and (revision is not None or not is_pinned):
        raise RefusedError(node, "revision must be a commit of 40 hexadecimal digits")
    tokenizer, is_own = settings.get("tokenizer"), kind in TOKENIZED and source != default
    if tokenizer not in TOKENIZERS and (tokenizer is not None or is_own):
        raise RefusedError(node, f"tokenizer must be {' or '.join(TOKENIZERS)}")
    if kind in WITHOUT_WEIGHTS_OPTION and settings.get("weights") is not None:
        raise RefusedError(node, "weights must be left out: no weights of this model are published")


def check_no_local_files(config: InterpreterConfig, name: str) -> None:
    """Refuse settings of a downloaded file that are names of local files, folders or pipes.

    Arguments
    ---------
    config : InterpreterConfig
        Contents of the downloaded file.
    name : str
        Name of the file in error messages.
    """
    for part in config.parts.values():
        for key, text in part.settings.items():
            if isinstance(text, str) and os.path.lexists(text):
                raise InputError(
                    f"{name}: {key}: {text!r} is refused because a file of that name exists in the "
                    "current folder. Run it in another folder"
                )
