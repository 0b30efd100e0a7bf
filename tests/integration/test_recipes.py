"""The commands as a user runs them."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile

from experiments.cross_validation import crossfit
from experiments.paper_table import miniature
from experiments.result_pages import pages
from speechbrain_lmac import Interpreter
from speechbrain_lmac.data.captions import read_captions
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.models.clap.microsoft import MicrosoftCLAP
from speechbrain_lmac.training import train as training
from speechbrain_lmac.utils.config import path_of
from tests.conftest import REPOSITORY

QUICK = {"clip_seconds": 0.5, "number_of_epochs": 1, "batch_size": 4, "device": "cpu"}


def train(cwd=REPOSITORY, hparams="hparams/lmac_zs.yaml", **settings):
    words = [word for name, value in {**QUICK, **settings}.items() for word in (f"--{name}", value)]
    command = [sys.executable, str(REPOSITORY / "train.py"), hparams, *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_train_from_an_empty_folder(small_set, tmp_path):
    hparams = str(path_of("lmac_zs.yaml"))
    run = train(tmp_path, hparams, data_folder=small_set, masking="stft", output_folder="out")
    assert run.returncode == 0, run.stderr
    rows = pd.read_csv(tmp_path / "out" / "metrics.csv")
    assert set(rows.method) == {
        *(
            "LMAC-ZS-D",
            "gradcam++",
            "energy",
            "random",
            "full-mask",
        )
    }
    assert len(rows) == 10 * 5  # clips x methods
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| gradcam++ " in table and table in run.stdout + run.stderr
    assert "less energy: AD" in table
    assert len(pd.read_csv(tmp_path / "out" / "train.csv")) == 30
    Interpreter.from_hparams(source=tmp_path / "out", run_opts={"device": "cpu"})


def test_evaluate_from_an_empty_folder(small_set, tmp_path):
    """From the command line, with a settings file of the package."""
    settings = {
        "data_folder": small_set,
        "clip_seconds": 0.5,
        "conditions": "[clean]",
        "explainers": "[lmac, energy]",
        "num_clips": "{clips: 3, valid_clips: 1, subset: 1, randomized: 0}",
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    run = subprocess.run(
        [sys.executable, "-m", "speechbrain_lmac", "evaluate", "evaluate.yaml", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "encoder passes to be made, at most" in run.stdout
    rows = pd.read_csv(tmp_path / "results" / "evaluate" / "rows.csv")
    assert set(rows.masking) == {"mel", "stft"}


def refused(settings, capsys):
    """What is said; within this process, for to start another for each takes a minute."""
    words = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
    with pytest.raises(SystemExit) as stopped:
        training.main([str(path_of("lmac_zs.yaml")), *words])
    assert stopped.value.code == 2
    return capsys.readouterr()


def spoil_wav(folder, samples):
    path = sorted((folder / "audio").iterdir())[0]
    soundfile.write(path, samples, 32000, "FLOAT")


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"data_folder": "/gone"}, "no such data folder: /gone"),
        ({"data_folder": REPOSITORY}, "holds no meta/esc50.csv"),
        ({"valid_folds": "[3]"}, "folds overlap: train and valid both hold 3"),
        ({"number_of_epoch": 3}, "number_of_epoch"),
        ({"masking": "cqt"}, "masking must be mel or stft, got 'cqt'"),
        ({"baselines": "[shap]"}, "got 'shap'"),
        ({"baselines": "[oracle-irm]"}, "Run evaluate.py for it"),
        ({"classes": "some"}, "classes is dataset or present"),
        ({"train_folds": 1}, "train_folds is a list such as [1, 2], not 1"),
        ({"gate_fractions": 0.1}, "gate_fractions must be a list"),
        ({"batch_size": 64}, "batch_size must be at most the number of training clips, 30, got 64"),
        ({"train_folds": "[1, 2"}, "the settings cannot be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_settings_end_in_one_sentence(small_set, tmp_path, capsys, setting, message):
    settings = {**QUICK, "data_folder": small_set, "output_folder": tmp_path, **setting}
    said = refused(settings, capsys)
    assert said.err.splitlines()[-1].startswith("error: ")
    assert message in said.err.splitlines()[-1]
    assert "Traceback" not in said.out + said.err
    assert not (
        tmp_path / "run_config.json"
    ).exists()  # the folder is still free for the right settings


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.full(16000, np.nan, dtype=np.float32), "NaN or infinite"),
        (np.zeros(16000, dtype=np.float32), "all silence"),
    ],
)
def test_bad_sounds_end_in_one_sentence(small_set, tmp_path, capsys, samples, message):
    folder = shutil.copytree(small_set, tmp_path / "set")
    spoil_wav(folder, samples)
    settings = {**QUICK, "data_folder": folder, "output_folder": tmp_path / "out"}
    said = refused(settings, capsys)
    assert message in said.err and "Traceback" not in said.out + said.err


def test_scores_of_the_shipped_interpreters_are_json(tmp_path, siren_file):
    why = Interpreter.from_hparams(source="mini-mel", run_opts={"device": "cpu"})
    why.interpret_file(siren_file, ["siren", "rain"]).save(tmp_path)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["prompts"][scores["target"]]["prompt"] == "siren"


def test_the_poster_in_small_is_laid_out_as_the_sets_are(tmp_path):
    """What the reproduction's miniature writes is read by what reads the real sets."""
    made = miniature.make(tmp_path)
    clips = read_captions({name: made[name] for name in ("clotho", "macs")})
    assert {clip.split for clip in clips} == {"train", "valid"}
    assert len(read_clips(made["esc50"])) == 40
    assert MicrosoftCLAP(made["clap"], made["tokenizer"]).sample_rate == 44100


def test_a_page_of_the_bench_shows_its_tables_and_figures(tmp_path, monkeypatch):
    results = tmp_path / "results"
    (results / "figures").mkdir(parents=True)
    (results / "summary.md").write_text("# what; 9 minutes on cpu\n\n| a table |\n")
    (results / "rows.csv").write_text("clap,decoder\nabc,def\n")
    (results / "figures" / "mel_two_source_metrics.png").write_bytes(b"png")
    page = tmp_path / "page.md"
    monkeypatch.setattr("sys.argv", ["pages", str(results), str(page)])
    pages.main()
    text = page.read_text()
    assert text.startswith("# what\n") and "| a table |" in text
    assert "abc" in text and "def" in text
    assert "equal budgets, two_source, mel](page/mel_two_source_metrics.png)" in text
    assert (tmp_path / "page" / "mel_two_source_metrics.png").read_bytes() == b"png"


@pytest.mark.parametrize("fold", crossfit.FOLDS)
def test_no_fold_is_tested_by_whom_it_taught(fold):
    held = crossfit.split(fold)
    assert held["test_folds"] == [fold]
    assert sorted(fold for folds in held.values() for fold in folds) == sorted(crossfit.FOLDS)
