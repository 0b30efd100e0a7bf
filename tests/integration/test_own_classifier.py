"""The tutorial on a user's own classifier runs, and training from Python is resumed."""

import re
from pathlib import Path

import pytest
import torch

from speechbrain_lmac import Interpreter, train_interpreter
from speechbrain_lmac.training.given import given_classifier
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.small_networks import hooked, small_cnn

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "own_classifier.md"
CODE_LINES = 25
"""Lines of code in the tutorial, with imports."""
QUICKER = {
    "number_of_epochs=8": "number_of_epochs=1",
    'write_dataset("sounds", seconds=1.0)': 'write_dataset("sounds", 2, seconds=1.0)',
}
"""Settings in the tutorial, and their replacements in the test: one epoch, half of the clips."""


def test_own_classifier_tutorial_runs(hub, monkeypatch, tmp_path):
    """A network is trained, explained, published and loaded; one epoch trains its interpreter."""
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= CODE_LINES
    for long, short in QUICKER.items():
        assert long in code
        code = code.replace(long, short)
    names = {}
    exec(compile(code, str(PAGE), "exec"), names)  # the code of this repository
    with torch.no_grad():
        accuracy = (names["network"](names["inputs"]).argmax(1) == names["labels"]).float().mean()
    assert accuracy > 0.8
    assert list(Path("explanation").glob("*.wav"))
    files = set(hub.files("me/my-classifier"))
    assert {"labels.txt", "classifier.safetensors", "decoder.safetensors"} <= files
    interpreter = names["interpreter"]
    assert interpreter.audio_classifier is names["model"]
    explained = interpreter.interpret_file(names["clips"][0].wav)
    assert explained.waveform.isfinite().all()


def test_train_interpreter_is_resumed(small_set, tmp_path):
    """The same call changes nothing; other settings and weights are refused."""
    settings = {"clip_seconds": 0.5, "number_of_epochs": 1, "batch_size": 4, "device": "cpu"}
    settings |= {"valid_interval": 1, "baselines": ["energy"], "output_folder": tmp_path / "own"}
    folder = train_interpreter(hooked(), small_set, **settings)
    before = (folder / "interpreter" / "decoder.safetensors").read_bytes()
    assert train_interpreter(hooked(), small_set, **settings) == folder
    assert (folder / "interpreter" / "decoder.safetensors").read_bytes() == before
    assert Interpreter.from_hparams(folder, audio_classifier=hooked(), run_opts={"device": "cpu"})
    with pytest.raises(InputError, match="holds a run with other settings: lr"):
        train_interpreter(hooked(), small_set, lr=0.1, **settings)
    with pytest.raises(InputError, match="sha256 of audio_classifier"):
        train_interpreter(hooked(small_cnn(seed=1)), small_set, **settings)


def test_train_interpreter_needs_a_classifier():
    """A network must be wrapped, and the settings need the function."""
    with pytest.raises(InputError, match="Wrap a network of yours in HookedClassifier"):
        train_interpreter(small_cnn())
    with pytest.raises(InputError, match="train_interpreter"):
        given_classifier()
