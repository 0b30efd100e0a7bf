"""Pretrained interpreters, and an exported one with random weights."""

import pytest

from speechbrain_lmac import Interpreter
from speechbrain_lmac.pretrained.export import export_interpreter

CPU = {"device": "cpu"}
PROMPTS = ["this is the sound of siren", "this is the sound of rain"]


@pytest.fixture(scope="session", params=["mini-stft", "mini-mel"])
def interpreter(request):
    return Interpreter.from_hparams(source=request.param, run_opts=CPU)


@pytest.fixture(scope="session", params=["mini-stft", "mini-mel", "labels"])
def any_interpreter(request, labels_source):
    """Interpreter of a CLAP, and of a supervised classifier with random weights."""
    source = {"labels": labels_source}.get(request.param, request.param)
    return Interpreter.from_hparams(source=source, run_opts=CPU)


def questions(interpreter, *names):
    """Return the prompts of class names, or the names in the head of a supervised classifier."""
    classifier = interpreter.audio_classifier
    return classifier.spell([classifier.question(name) for name in names])


@pytest.fixture
def exported(model, tmp_path):
    return export_interpreter(model, "LMAC-ZS", tmp_path / "results" / "interpreter")
