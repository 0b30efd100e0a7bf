"""Construction of an interpreter's parts from their checked description."""

from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.pretrained.config import OWN_CLASSIFIER, PARTS, InterpreterConfig
from speechbrain_lmac.pretrained.labels import LABELS_FILE
from speechbrain_lmac.utils.errors import InputError, first_line

CLASSIFIER = "audio_classifier"
NAMES = "class_names"
"""Argument of an adapter for the class names in ``labels.txt``."""
BUILD_ERRORS = (
    *(TypeError, ValueError, LookupError, RuntimeError, OSError),
    *(ImportError, ArithmeticError, AttributeError),
)
"""Errors that a part raises if its settings are invalid."""


def build(
    config: InterpreterConfig,
    overrides: dict[str, Any] | None = None,
    labels: Sequence[str] | None = None,
    audio_classifier: AudioClassifier | None = None,
) -> dict[str, Any]:
    """Build the parts of an interpreter.

    Arguments
    ---------
    config : InterpreterConfig
        Description of the interpreter.
    overrides : dict
        Part -> settings that replace those of ``config``. Default: none.
    labels : sequence of str
        Contents of ``labels.txt``. Default: there is no such file.
    audio_classifier : AudioClassifier
        Classifier to use. Default: built from its settings.

    Returns
    -------
    dict
        Notes and parts by name.

    Raises
    ------
    InputError
        If a part does not take its settings, or the classifier must be given.
    """
    overrides = {} if overrides is None else overrides
    is_nested = isinstance(overrides, dict) and all(isinstance(o, dict) for o in overrides.values())
    if not is_nested:
        raise InputError(
            'overrides must be settings of parts, such as {"audio_classifier": {"weights": '
            f'"here.pt"}}}}, got {overrides!r}'
        )
    if unknown := sorted(set(overrides) - set(PARTS), key=str):
        raise InputError(f"overrides must be for {', '.join(PARTS)}, got {unknown[0]}")
    built: dict[str, Any] = dict(config.notes)
    for name, (_, takes) in PARTS.items():
        kind, settings = config.parts[name]
        settings = {**settings, **overrides.get(name, {})}
        if name == CLASSIFIER:
            built[name] = _classifier(config, settings, labels, audio_classifier)
        else:
            parts = {part: built[part] for part in takes}
            built[name] = _build_part(name, class_of(kind), {**settings, **parts})
    return built


def _classifier(
    config: InterpreterConfig,
    settings: dict[str, Any],
    labels: Sequence[str] | None,
    given: AudioClassifier | None,
) -> AudioClassifier:
    """Classifier that is given, or built from its settings."""
    kind = config.parts[CLASSIFIER].kind
    if given is not None:
        return check_given(given, labels)
    if kind == OWN_CLASSIFIER:
        raise InputError(
            f"the interpreter explains {config.notes['classifier_name']}, a classifier that exists "
            "in Python only. Load it by Interpreter.from_hparams(source, audio_classifier=...)"
        )
    make = class_of(kind)
    if takes_class_names(make):
        settings = _with_labels(make, settings, labels)
    elif labels is not None:
        raise InputError(f"{LABELS_FILE} is refused: {make.__name__} takes no class names")
    return _build_part(CLASSIFIER, make, settings)


def check_given(given: AudioClassifier, labels: Sequence[str] | None) -> AudioClassifier:
    """Return a classifier; InputError unless it is one, with the class names ``labels``."""
    if not isinstance(given, AudioClassifier):
        raise InputError(f"audio_classifier must be an AudioClassifier, got {type(given).__name__}")
    names = given.class_names
    if labels is not None and names is not None and tuple(names) != tuple(labels):
        wrong = [pair for pair in zip(labels, names) if pair[0] != pair[1]]
        difference = " and ".join(map(repr, wrong[0])) if wrong else f"{len(names)} names"
        raise InputError(
            f"class_names of audio_classifier must be the {len(labels)} names in {LABELS_FILE}, in "
            f"their order, got {difference}"
        )
    return given


def _with_labels(
    make: Callable[..., Any], settings: dict[str, Any], labels: Sequence[str] | None
) -> dict[str, Any]:
    """Settings of an adapter with the class names of the file."""
    if labels is not None:
        return {NAMES: tuple(labels), **settings}
    if signature(make).parameters[NAMES].default is Parameter.empty and NAMES not in settings:
        raise InputError(f"the interpreter has no {LABELS_FILE}. Download it again")
    return settings


def takes_class_names(make: Callable[..., Any]) -> bool:
    """Whether a class takes the class names of a head as an argument."""
    return NAMES in signature(make).parameters


def class_of(kind: str) -> Any:
    """Class of this package by its name relative to the package."""
    module, _, name = f"speechbrain_lmac.{kind}".rpartition(".")
    return getattr(import_module(module), name)


def _build_part(name: str, make: Any, settings: dict[str, Any]) -> Any:
    if unknown := sorted(set(settings) - set(signature(make).parameters), key=str):
        raise InputError(f"{name} has no setting {unknown[0]}")
    try:
        return make(**settings)
    except InputError:
        raise
    except BUILD_ERRORS as error:
        raise InputError(f"{name} cannot be built: {first_line(error)}") from error
