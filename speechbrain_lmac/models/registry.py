"""Registry of the adapters: CLAPs and supervised classifiers."""

from collections.abc import Mapping
from importlib import import_module
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
