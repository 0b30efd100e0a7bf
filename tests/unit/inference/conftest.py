"""Pretrained interpreters, and an exported one with random weights."""

import pytest

from speechbrain_lmac import Interpreter
from speechbrain_lmac.pretrained.export import export_interpreter

CPU = {"device": "cpu"}
PROMPTS = ["this is the sound of siren", "this is the sound of rain"]


@pytest.fixture(scope="session", params=["mini-stft", "mini-mel"])
def interpreter(request):
    return Interpreter.from_hparams(source=request.param, run_opts=CPU)


@pytest.fixture
def exported(model, tmp_path):
    return export_interpreter(model, "LMAC-ZS", tmp_path / "results" / "interpreter")
