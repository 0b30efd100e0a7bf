"""Classifier that a Python program gives to a training run, whose settings are YAML."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.utils.errors import InputError

SETTING = "audio_classifier: !apply:speechbrain_lmac.training.given.given_classifier []"
"""YAML that takes the given classifier instead of building one."""
_given: ContextVar[AudioClassifier | None] = ContextVar("given", default=None)


@contextlib.contextmanager
def giving(classifier: AudioClassifier) -> Iterator[None]:
    """Give a classifier to the settings that are loaded in this context."""
    token = _given.set(classifier)
    try:
        yield
    finally:
        _given.reset(token)


def given_classifier() -> AudioClassifier:
    """Classifier of the context; InputError outside of one."""
    classifier = _given.get()
    if classifier is None:
        raise InputError(
            "the settings need a classifier that exists in Python only. Use "
            "speechbrain_lmac.training.api.train_interpreter"
        )
    return classifier
