"""Settings and output folders that a training refuses with one sentence."""

import re
import shutil

import numpy as np
import pytest
import soundfile

from speechbrain_lmac.training import loggers, train
from tests.helpers.runs import stop_after
from tests.helpers.runs import training_arguments as arguments


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"valid_interval": 0},
            {"encoded_prompts_per_clip": 4},
            {"feature_dropout": 1},
            {"lr": -1},
            {"lr": "abc"},
        ),
        *({"mix_probability": 7}, {"clip_seconds": -1}, {"num_scales": 9}, {"batch_size": 2.5}),
    ],
    ids=str,
)
def test_training_refuses_invalid_numbers(small_set, tmp_path, capsys, changes):
    """The error names the setting, and the folder stays free."""
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, tmp_path / "out", **changes))
    assert next(iter(changes)) in capsys.readouterr().err
    assert not (tmp_path / "out" / "run_config.json").exists()


def test_training_refuses_text_for_epochs(small_set, tmp_path, capsys):
    """The error has the value."""
    with pytest.raises(SystemExit) as refused:
        train.main(arguments(small_set, tmp_path / "out", number_of_epochs="one"))
    assert refused.value.code == 2 and "'one'" in capsys.readouterr().err


def test_run_folder_refuses_changed_sounds(small_set, tmp_path, capsys, monkeypatch):
    """Moved sounds resume the run; other sounds of the same names are refused."""
    sounds, moved = tmp_path / "sounds", tmp_path / "moved"
    shutil.copytree(small_set, sounds)
    stop_after(monkeypatch, 0)
    with pytest.raises(SystemExit):
        train.main(arguments(sounds, tmp_path / "out"))
    shutil.move(sounds, moved)
    with pytest.raises(SystemExit) as interrupted:
        train.main(arguments(moved, tmp_path / "out"))
    assert interrupted.value.code == 130
    first, second = sorted((moved / "audio").iterdir())[:2]
    shutil.copy(second, first)
    with pytest.raises(SystemExit):
        train.main(arguments(moved, tmp_path / "out"))
    assert "holds a run with other settings: sha256 of data was" in capsys.readouterr().err


@pytest.mark.parametrize(
    "setting, message",
    [
        ("epochs", "no such setting in .*: epochs. Did you mean --number_of_epochs?"),
        ("batchsize", "Did you mean --batch_size?"),
        ("data-folder", "Did you mean --data_folder?"),
        ("unicorns", "unicorns. Add --help for all settings"),
    ],
)
def test_training_suggests_settings(small_set, tmp_path, capsys, setting, message):
    """An unknown setting is answered by the closest ones."""
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, tmp_path / "out", **{setting: 3}))
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("value, message", [("True", "pip install tensorboard"), ("3", "got 3")])
def test_training_refuses_tensorboard(small_set, tmp_path, capsys, monkeypatch, value, message):
    """A missing package is an error before the folder is locked."""
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, tmp_path / "out", use_tensorboard=value))
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_training_refuses_missing_decoder(small_set, tmp_path, capsys):
    """A missing decoder is an error before the folder is locked."""
    output = tmp_path / "out"
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, output, pretrained_decoder="gone.safetensors"))
    assert "gone.safetensors does not hold this decoder's weights" in capsys.readouterr().err
    assert not (output / "run_config.json").exists()


def test_training_checks_all_noise(small_set, tmp_path, capsys):
    """A silent noise is an error at the start, not in the epoch that draws it."""
    noise = tmp_path / "noise"
    noise.mkdir()
    soundfile.write(noise / "late.wav", np.zeros(32000), 32000)
    output = tmp_path / "out"
    with pytest.raises(SystemExit):
        train.main(arguments(small_set, output, noise_folder=noise))
    assert "late.wav is all silence" in capsys.readouterr().err
    assert not (output / "run_config.json").exists()
