"""Registry of the adapters: CLAPs and supervised classifiers."""

import re
from collections.abc import Mapping
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from speechbrain_lmac.utils.errors import InputError

if TYPE_CHECKING:
    from speechbrain_lmac.models.base import AudioClassifier
    from speechbrain_lmac.models.clap.base import CLAP

CLAPS = {
    "mini": "speechbrain_lmac.models.clap.mini.MiniCLAP",
    "efficientat": "speechbrain_lmac.models.clap.efficientat.EfficientATCLAP",
    "laion": "speechbrain_lmac.models.clap.laion.LaionCLAP",
    "microsoft": "speechbrain_lmac.models.clap.microsoft.MicrosoftCLAP",
    "transformers": "speechbrain_lmac.models.clap.transformers.TransformersCLAP",
}
"""Class of each name, imported on demand: some adapters need additional packages."""
SUPERVISED = {
    "efficientat-labels": "speechbrain_lmac.models.classifiers.efficientat.EfficientATLabels",
    "speechbrain-cnn14": "speechbrain_lmac.models.classifiers.speechbrain_cnn14.SpeechBrainCNN14",
    "ast": "speechbrain_lmac.models.classifiers.ast.TransformersAST",
}
"""Class of each name of a supervised classifier."""
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
"""Name of a repository of the Hugging Face Hub."""


def load_clap(name: str, weights: str | Path | None = None, **settings: Any) -> "CLAP":
    """Build a CLAP.

    Arguments
    ---------
    name : str
        Name of the adapter, a key of ``CLAPS``.
    weights : str or Path
        Weights file, or a published name. Default: the default weights of the adapter.
    **settings
        Additional arguments of the adapter, for example ``tokenizer``.

    Returns
    -------
    CLAP

    Raises
    ------
    InputError
        If no adapter has that name, or the weights cannot be loaded.
    """
    return _load(CLAPS, "CLAP", name, weights, settings)


def load_classifier(
    name: str, weights: str | Path | None = None, **settings: Any
) -> "AudioClassifier":
    """Build a CLAP or a supervised classifier.

    Arguments
    ---------
    name : str
        Name of the adapter, a key of ``CLAPS`` or ``SUPERVISED``.
    weights : str or Path
        Weights file, or a published name. Default: the default weights of the adapter.
    **settings
        Additional arguments of the adapter, for example ``head``.

    Returns
    -------
    AudioClassifier

    Raises
    ------
    InputError
        If no adapter has that name, a setting is missing, or the weights cannot be loaded.
    """
    return _load(CLAPS | SUPERVISED, "classifier", name, weights, settings)


def load_described(text: str) -> "AudioClassifier":
    """Build the classifier that a text describes: an adapter, its weights and further settings.

    Arguments
    ---------
    text : str
        ``NAME``, ``NAME:WEIGHTS`` or ``NAME:WEIGHTS,SETTING=VALUE``, where ``NAME`` is an adapter.
        A Hub id ``USER/NAME`` or a folder is a CLAP of transformers.

    Returns
    -------
    AudioClassifier

    Raises
    ------
    InputError
        As for :func:`load_classifier`.
    """
    name, weights, settings = parse_description(text)
    return load_classifier(name, weights, **settings)


def parse_description(text: str) -> tuple[str, str | None, dict[str, Any]]:
    """Split the description of a classifier into adapter, weights and settings.

    Arguments
    ---------
    text : str
        Description, as for :func:`load_described`.

    Returns
    -------
    str, str or None, dict

    Raises
    ------
    InputError
        If the text describes no adapter.

    Example
    -------
    >>> parse_description("laion:music.pt,tokenizer=roberta-base")
    ('laion', 'music.pt', {'tokenizer': 'roberta-base'})
    >>> parse_description("laion/clap-htsat-unfused")
    ('transformers', 'laion/clap-htsat-unfused', {})
    """
    described, *rest = re.split(r",(?=[a-z_]+[a-z_0-9]*=)", text)
    settings = {key: yaml.safe_load(value) for key, _, value in (r.partition("=") for r in rest)}
    adapters = CLAPS | SUPERVISED
    name, colon, weights = described.partition(":")
    if name in adapters:
        return name, weights if colon else None, settings
    if Path(described).is_dir() or HUB_ID.fullmatch(described):
        return "transformers", described, settings
    raise InputError(
        f"the classifier must be NAME, NAME:WEIGHTS, a folder or a Hub id USER/NAME, got {text!r}. "
        f"NAME is one of {', '.join(adapters)}"
    )


def _load(
    adapters: Mapping[str, str],
    kind: str,
    name: str,
    weights: str | Path | None,
    settings: dict[str, Any],
) -> Any:
    if name not in adapters:
        raise InputError(f"the {kind} must be one of {', '.join(adapters)}, got {name!r}")
    module, _, adapter = adapters[name].rpartition(".")
    build = getattr(import_module(module), adapter)
    parameters = signature(build).parameters
    if foreign := sorted(set(settings) - set(parameters)):
        raise InputError(f"the {name} {kind} has no setting {', '.join(foreign)}. Remove it")
    first = next(iter(parameters))  # the weights, or the source that holds them
    given = settings if weights is None else {first: weights, **settings}
    required = [key for key, each in parameters.items() if each.default is Parameter.empty]
    if missing := [key for key in required if key not in given]:
        raise InputError(f"the {name} {kind} must have {' and '.join(missing)}. Give it")
    return build(**given)
