"""A results folder of the training or the benchmark accepts one run only."""

import json
import shutil

import pytest

from speechbrain_lmac.evaluation.benchmark import run
from speechbrain_lmac.evaluation.benchmark.config import BenchmarkConfig
from speechbrain_lmac.training import train
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.utils.run_lock import run_lock
from speechbrain_lmac.utils.run_metadata import METADATA_FILE, RUN_FILE
from tests.helpers.runs import benchmark_arguments, training_arguments

REFUSED, INTERRUPTED = 2, 130
"""Exit statuses of an InputError and of a run that is interrupted where its work begins."""


def interrupt(*_, **__):
    """Stop like Ctrl-C."""
    raise KeyboardInterrupt


@pytest.fixture
def start(monkeypatch):
    """Start a program and interrupt it where its work begins; return the exit status."""
    monkeypatch.setattr(LMACBrain, "fit", interrupt)
    monkeypatch.setattr(BenchmarkConfig, "draw_plans", interrupt)

    def start(program, arguments):
        with pytest.raises(SystemExit) as stopped:
            program.main(arguments)
        return stopped.value.code

    return start


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("opt_class", "!name:torch.optim.SGD"),
        ("train_loader", "{shuffle: False}"),
        ("calibrate", "null"),
        ("precision", "bf16"),
    ],
)
def test_training_folder_refuses_setting(start, small_set, tmp_path, capsys, setting, value):
    """A setting that changes the interpreter is named, and the folder does not change."""
    assert start(train, training_arguments(small_set, tmp_path)) == INTERRUPTED
    files = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.suffix != ".txt"}
    changed = training_arguments(small_set, tmp_path, **{setting: value})
    assert start(train, changed) == REFUSED
    assert f"holds a run with other settings: {setting}" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in files} == files


def test_training_folder_accepts_free_settings(start, small_set, tmp_path):
    """Device, path of the sounds and number of workers may change. Each command is recorded."""
    moved = shutil.copytree(small_set, tmp_path / "moved")
    output = tmp_path / "output"
    changes = [
        {},
        {"device": "cpu:0"},
        {"data_folder": moved},
        {"train_loader": "{num_workers: 1}", "chunk_size": 2, "ckpt_interval_steps": 5},
    ]
    for change in changes:
        assert start(train, training_arguments(small_set, output, **change)) == INTERRUPTED
    commands = [entry["command"] for entry in json.loads((output / METADATA_FILE).read_text())]
    assert len(commands) == len(changes)
    assert str(moved) in commands[2] and str(moved) not in commands[0]


def test_training_folder_accepts_more_epochs(start, small_set, tmp_path, capsys):
    """A finished training continues with more epochs; fewer epochs are refused."""
    for epochs in (2, 3):
        words = training_arguments(small_set, tmp_path, number_of_epochs=epochs)
        assert start(train, words) == INTERRUPTED
    assert start(train, training_arguments(small_set, tmp_path)) == REFUSED
    assert "number_of_epochs was 3, got 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("clip_seconds", "0.4"),
        ("num_clips", "{clips: 5}"),
        ("explainers", "[energy]"),
    ],
)
def test_benchmark_folder_refuses_setting(start, small_set, tmp_path, capsys, setting, value):
    """A setting that changes a measured value is named."""
    assert start(run, benchmark_arguments(small_set, tmp_path)) == INTERRUPTED
    changed = benchmark_arguments(small_set, tmp_path, **{setting: value})
    assert start(run, changed) == REFUSED
    _, _, differences = capsys.readouterr().err.partition("holds a run with other settings: ")
    assert setting in differences


def test_benchmark_folder_accepts_free_settings(start, small_set, tmp_path):
    """Batch size, processes, the gallery and the path of the same sounds change no row."""
    moved = shutil.copytree(small_set, tmp_path / "moved")
    output = tmp_path / "output"
    for change in ({}, {"batch_size": 1}, {"processes": 1, "gallery": False, "data_folder": moved}):
        assert start(run, benchmark_arguments(small_set, output, **change)) == INTERRUPTED
    assert "data_folder" not in json.loads((output / RUN_FILE).read_text())
    assert len(json.loads((output / METADATA_FILE).read_text())) == 3


def test_folder_of_a_running_training_is_refused(small_set, tmp_path, capsys):
    """A second training would remove the checkpoint that the first one is writing."""
    folder = tmp_path / "run"
    with run_lock(folder), pytest.raises(SystemExit):
        train.main(training_arguments(small_set, folder))
    assert "run is in use by another run. Wait for its end" in capsys.readouterr().err
    assert not list(folder.iterdir())
