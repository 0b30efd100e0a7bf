"""Training, evaluation and experiment scripts as commands."""

import json
import shutil

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
from speechbrain_lmac.evaluation.benchmark.scores import CONTROLS
from speechbrain_lmac.models.clap.microsoft import MicrosoftCLAP
from speechbrain_lmac.training import train as training
from speechbrain_lmac.utils.config import hparams_path
from tests.conftest import REPOSITORY
from tests.helpers.forked import finish

QUICK = {"clip_seconds": 0.5, "number_of_epochs": 1, "batch_size": 4, "device": "cpu"}


def test_training_runs_from_an_empty_folder(small_set, tmp_path):
    """All test clips and methods are scored, and the interpreter loads."""
    settings = {**QUICK, "data_folder": small_set, "masking": "stft", "output_folder": "out"}
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    run = finish(["train", "lmac_zs.yaml", *words], tmp_path / "log.txt", cwd=tmp_path)
    scores = pd.read_csv(tmp_path / "out" / "metrics.csv")
    assert set(scores.method) == {
        "LMAC-ZS-D",
        "gradcam++",
        "energy",
        "random",
        "full-mask",
    }
    drops = scores[(scores.metric == "AD") & (scores.fraction == 0.05)]
    assert len(drops) == 10 * 5  # clips x methods
    table = (tmp_path / "out" / "results.md").read_text()
    assert "| gradcam++ " in table and table in run.output
    assert "minus energy: AD" in table
    assert len(pd.read_csv(tmp_path / "out" / "train.csv")) == 30
    Interpreter.from_hparams(source=tmp_path / "out", run_opts={"device": "cpu"})


def test_evaluation_runs_from_an_empty_folder(small_set, tmp_path):
    """From the command line, with a settings file of the package."""
    settings = {
        "data_folder": small_set,
        "clip_seconds": 0.5,
        "conditions": "[clean]",
        "explainers": "[lmac, energy]",
        "num_clips": "{clips: 2, valid_clips: 1, subset: 1, randomized: 0}",
        "processes": 1,
        "gallery": False,
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    run = finish(["evaluate", "evaluate.yaml", *words], tmp_path / "log.txt", cwd=tmp_path)
    assert "results, tables and figures: results/evaluate" in run.output
    scores = pd.read_csv(tmp_path / "results" / "evaluate" / "results.csv.gz")
    assert set(scores.domain) == {"mel", "stft"}


def refused(settings, capsys):
    """Run a training in this process that must end with status 2; return its output."""
    words = [str(word) for name, value in settings.items() for word in (f"--{name}", value)]
    with pytest.raises(SystemExit) as stopped:
        training.main([str(hparams_path("lmac_zs.yaml")), *words])
    assert stopped.value.code == 2
    return capsys.readouterr()


def replace_wav(folder, samples):
    """Replace the samples of the first clip."""
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
        ({"classes": "some"}, "classes must be dataset or present, got 'some'"),
        ({"train_folds": 1}, "train_folds must be a list such as [1, 2], got 1"),
        ({"gate_fractions": 0.1}, "gate_fractions must be a list"),
        ({"contrast_probability": 25}, "contrast_probability must be a number from 0 to 1, got 25"),
        ({"batch_size": 64}, "batch_size must be at most the number of training clips, 30, got 64"),
        ({"train_folds": "[1, 2"}, "the settings cannot be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_training_reports_settings_in_one_line(small_set, tmp_path, capsys, setting, message):
    """No traceback, and the folder stays free for valid settings."""
    settings = {**QUICK, "data_folder": small_set, "output_folder": tmp_path, **setting}
    output = refused(settings, capsys)
    assert output.err.splitlines()[-1].startswith("error: ")
    assert message in output.err.splitlines()[-1]
    assert "Traceback" not in output.out + output.err
    assert not (tmp_path / "run_config.json").exists()


@pytest.mark.parametrize(
    "samples, message",
    [
        (np.full(16000, np.nan, dtype=np.float32), "NaN or infinite"),
        (np.zeros(16000, dtype=np.float32), "all silence"),
    ],
)
def test_training_reports_audio_in_one_line(small_set, tmp_path, capsys, samples, message):
    """NaN and silence are named."""
    folder = shutil.copytree(small_set, tmp_path / "set")
    replace_wav(folder, samples)
    settings = {**QUICK, "data_folder": folder, "output_folder": tmp_path / "out"}
    output = refused(settings, capsys)
    assert message in output.err and "Traceback" not in output.out + output.err


def test_pretrained_interpreter_writes_scores(tmp_path, siren_file):
    """``scores.json`` names the explained prompt."""
    interpreter = Interpreter.from_hparams(source="mini-mel", run_opts={"device": "cpu"})
    interpreter.interpret_file(siren_file, ["siren", "rain"]).save(tmp_path)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["prompts"][scores["target"]]["prompt"] == "siren"


def test_miniature_has_the_layout_of_the_sets(tmp_path):
    """The readers of the real data sets read the miniature."""
    folders = miniature.write_inputs(tmp_path)
    clips = read_captions({name: folders[name] for name in ("clotho", "macs")})
    assert {clip.split for clip in clips} == {"train", "valid"}
    assert len(read_clips(folders["esc50"])) == 40
    assert MicrosoftCLAP(folders["clap"], folders["tokenizer"]).sample_rate == 44100


@pytest.fixture
def results(tmp_path):
    """Results of a run with three methods, a tie and a win, and one figure."""
    folder = tmp_path / "results"
    (folder / "figures").mkdir(parents=True)
    rows = [
        {"method": method, "metric": metric, "fraction": "mean", "mean": mean, "verdict": verdict}
        for method, mean, verdict in (
            ("ours", 30, None),
            ("cam", 50, "better"),
            ("energy", 40, "tie"),
        )
        for metric in ("AD", "FF", "Fid-In")
    ]
    facts = {"domain": "mel", "condition": "two_source", "clips": 80, "low": None, "high": None}
    pd.DataFrame([{**facts, **row} for row in rows]).to_csv(folder / "summary.csv", index=False)
    (folder / "summary.md").write_text("# 80 clips\n\nUnchecked.\n\n▲ legend\n")
    (folder / "results_mel.jsonl").write_text(
        json.dumps({"classifier": "abc", "decoder": "def"}) + "\n"
    )
    (folder / "run_metadata.json").write_text(json.dumps([{"packages": {"torch": "2.11"}}]))
    (folder / "figures" / "mel_two_source_metrics.png").write_bytes(b"png")
    return folder


def test_result_page_shows_table_and_verdicts(results, tmp_path):
    """One figure, one table and one line per score; complete tables in a folder of the page."""
    page = tmp_path / "page.md"
    pages.main([str(results), str(page)])
    text = page.read_text()
    assert text.startswith("# 80 clips\n") and "abc" in text and "def" in text
    assert " Unchecked. " in text and "legend" not in text and "## Mel masking, two" in text
    assert "(page/mel_two_source_metrics.png)" in text and "page/summary.csv" in text
    assert (tmp_path / "page" / "mel_two_source_metrics.png").read_bytes() == b"png"
    assert "| ours " in text and "50.0 ▲" in text and "40.0 =" in text
    assert "AD ↓: ours is better than 1 of 2 (cam), ties with 1 of 2 (energy)." in text
    assert max(map(len, (line for line in text.splitlines() if line.startswith("- ")))) < 120


def test_result_page_keeps_other_files(results, tmp_path, capsys):
    """A second run replaces the files of the page, and no file of the user."""
    page, folder = tmp_path / "page.md", tmp_path / "page"
    pages.main([str(results), str(page)])
    (folder / "mine.csv").write_text("mine")
    (results / "figures" / "mel_two_source_metrics.png").write_bytes(b"new")
    pages.main([str(results), str(page)])
    assert (folder / "mel_two_source_metrics.png").read_bytes() == b"new"
    assert (folder / "mine.csv").read_text() == "mine"
    (results / "mine.csv").write_text("results")
    (tmp_path / "own.md").write_text("# Own page\n")
    for name in ("page.md", "own.md"):
        with pytest.raises(SystemExit):
            pages.main([str(results), str(tmp_path / name)])
    assert (folder / "mine.csv").read_text() == "mine"
    assert (tmp_path / "own.md").read_text() == "# Own page\n"
    error = capsys.readouterr().err
    assert "mine.csv must be a file of" in error and "page must be new or a page" in error


def test_result_page_needs_a_finished_run(results, tmp_path, capsys):
    """Missing results and other file names are refused."""
    for arguments in ([str(tmp_path), "page.md"], [str(results), "page.html"]):
        with pytest.raises(SystemExit):
            pages.main(arguments)
    error = capsys.readouterr().err
    assert "must be a folder with summary.csv" in error and "page must end in .md" in error


def test_result_page_has_at_most_ten_methods():
    """The reference, the best baselines and controls, and the oracle."""
    names = ["ours", *(f"cam {i}" for i in range(9)), "cam 0 (default)", *CONTROLS, "oracle-irm"]
    rows = pd.DataFrame({"method": names, "mean": range(len(names))})
    chosen = pages.choose_methods(rows.assign(metric="AD", fraction="mean"), "ours")
    assert chosen[:5] == ["ours", "cam 0", "cam 1", "cam 2", "cam 3"] and len(chosen) == 10
    assert chosen[-1] == "oracle-irm" and set(chosen[5:9]) == set(CONTROLS[:4])


@pytest.mark.parametrize("fold", crossfit.FOLDS)
def test_folds_are_disjoint(fold):
    """Each fold is trained on, selected on or tested, never two of these."""
    folds_of = crossfit.split_folds(fold)
    assert folds_of["test_folds"] == [fold]
    assert sorted(fold for folds in folds_of.values() for fold in folds) == sorted(crossfit.FOLDS)
