"""``speechbrain-lmac train --on``: a short training on sounds of one's own."""

import json
import shutil

import pandas as pd
import pytest

from speechbrain_lmac import Interpreter
from speechbrain_lmac.__main__ import main
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.training.improvement import PRETRAINED, TRAINING_FREE
from speechbrain_lmac.training.preset import preset_for
from speechbrain_lmac.utils.errors import InputError


@pytest.fixture(scope="module")
def sounds(small_set, tmp_path_factory):
    """One subfolder per class of the synthetic set."""
    folder = tmp_path_factory.mktemp("own") / "sounds"
    for clip in read_clips(small_set):
        (folder / clip.label).mkdir(parents=True, exist_ok=True)
        shutil.copy(clip.wav, folder / clip.label)
    return folder


def test_train_on_folder_ends_with_a_verdict(sounds, tmp_path, monkeypatch, capsys):
    """The folder is all that a user gives; the rest shortens the test."""
    monkeypatch.chdir(tmp_path)
    quick = ["--masking", "mel", "--clip_seconds", "0.5", "--number_of_epochs", "1"]
    words = ["train", "--on", str(sounds), *quick, "--device", "cpu"]
    assert main(words) == 0
    output = capsys.readouterr()
    assert output.out.startswith("50 sounds of 10 classes: 30 train, 10 select the epoch, 10 are")
    folder = tmp_path / "results" / "own" / "sounds" / "mel"
    text = (folder / "results.md").read_text()
    assert text in output.out + output.err
    assert text.splitlines()[-1].startswith("Verdict: on held-out clips, the trained decoder is ")
    methods = set(pd.read_csv(folder / "metrics.csv").method)
    assert methods == {"LMAC-ZS-G", PRETRAINED, *TRAINING_FREE}
    (entry,) = json.loads((folder / "run_metadata.json").read_text())
    assert entry["command"] == " ".join(["speechbrain-lmac", *words])
    assert Interpreter.from_hparams(source=str(folder)).sample_rate == 32000


def test_preset_leaves_settings_of_the_user(sounds):
    """Given settings replace those of the preset; the decoder is that of the domain."""
    preset = preset_for(sounds, ["--lr", "0.1", "--masking=mel"])
    assert preset.arguments.count("--lr") == 1
    decoder = preset.arguments[preset.arguments.index("--pretrained_decoder") + 1]
    assert "mini-mel" in decoder
    assert preset.arguments[preset.arguments.index("--batch_size") + 1] == "16"


@pytest.mark.parametrize(
    "words, message",
    [
        (["lmac_zs.yaml"], "--on must be given without a settings file"),
        (["--masking", "cqt"], "masking must be stft or mel, got 'cqt'"),
    ],
)
def test_preset_refuses_other_settings(sounds, words, message):
    """A settings file and a domain without a pretrained decoder are errors."""
    with pytest.raises(InputError, match=message):
        preset_for(sounds, words)
