"""Sample sounds of the documentation: levels, authors, and what their README states of them."""

import re
from pathlib import Path

import pytest
import torch

from experiments.pretrained_interpreters.listen import EXAMPLES
from experiments.pretrained_interpreters.samples import LEVEL, RATE, RECORDINGS, SECONDS
from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio

SAMPLES = Path(__file__).parents[2] / "docs" / "samples"
README = (SAMPLES / "README.md").read_text()
ROWS = re.findall(r"^\| \[\w+\]\((\w+)\.ogg\) \| (.+?) \| (.+?) \| (.+?) \|", README, re.M)
"""Stem of the file, prompt, predicted class and three percentages."""


@pytest.fixture(scope="module")
def interpreter():
    return Interpreter.from_hparams("mini-stft", run_opts={"device": "cpu"})


def test_samples_are_complete():
    """Twelve files, each with an author, a lesson and an example of the listening page."""
    stems = sorted(path.stem for path in SAMPLES.glob("*.ogg"))
    assert len(stems) == 12 and stems == sorted(RECORDINGS)
    credited = re.findall(r"^\| `(\w+)\.ogg` \| \[.+\]\(http.+\) \| .+ \| CC0 \|$", README, re.M)
    assert stems == sorted(credited) == sorted(row[0] for row in ROWS)
    assert set(stems) <= {name for example in EXAMPLES for name in example.sounds}


@pytest.mark.parametrize("name", sorted(RECORDINGS))
def test_samples_have_one_level(name):
    """Each lasts 5 s, has the stated level within 0.3 dB, and does not clip."""
    wav = load_audio(SAMPLES / f"{name}.ogg", RATE)
    assert len(wav) == SECONDS * RATE
    decibels = 20 * torch.log10(wav.square().mean().sqrt() / LEVEL)
    assert abs(decibels) < 0.3
    assert wav.abs().max() < 0.9


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_samples_teach_what_the_readme_states(interpreter, row):
    """The predicted class and the presences are those of the table, within 3 %."""
    stem, word, predicted, percentages = row
    path = SAMPLES / f"{stem}.ogg"
    assert interpreter.classify_file(path).top(1)[0][0] == predicted
    scores = interpreter.interpret_file(path, [f"the sound of {word}"]).scores
    names = ("presence", "presence_masked_in", "presence_masked_out")
    found = [100 * scores[name].item() for name in names]
    assert found == pytest.approx([float(value) for value in percentages.split(", ")], abs=3)
