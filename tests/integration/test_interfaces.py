"""Public interfaces: one result type per method, scores in one call, settings that stay."""

from pathlib import Path
from typing import get_type_hints

import pytest

import speechbrain_lmac
from speechbrain_lmac import Interpretation, Interpreter, evaluate_explainers
from speechbrain_lmac.evaluation.benchmark import run
from speechbrain_lmac.evaluation.benchmark.config import BenchmarkConfig
from speechbrain_lmac.inference.timeline import Timeline
from speechbrain_lmac.training import train
from tests.helpers.runs import benchmark_arguments, training_arguments

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "compare_explainers.md"


@pytest.fixture(scope="module")
def interpreter():
    """Pretrained interpreter of the mel domain."""
    return Interpreter.from_hparams(source="mini-mel", run_opts={"device": "cpu"})


def test_interpret_methods_have_one_type_each(interpreter, siren_file, tmp_path):
    """``interpret_file`` gives an Interpretation, ``interpret_recording`` a Timeline."""
    clip = interpreter.interpret_file(siren_file, ["siren"])
    recording = interpreter.interpret_recording(siren_file, ["siren"], tmp_path / "why")
    assert type(clip) is Interpretation and type(recording) is Timeline
    assert get_type_hints(Interpreter.interpret_file)["return"] is Interpretation
    assert get_type_hints(Interpreter.interpret_recording)["return"] is Timeline
    with pytest.raises(TypeError, match="save_to"):
        interpreter.interpret_file(siren_file, ["siren"], save_to=tmp_path)


def test_evaluate_explainers_scores_one_file(interpreter, siren_file):
    """One clip is scored by one public function, and the tutorial calls it."""
    sounds = ([siren_file], ["siren", "rain"], ["energy"])
    scores = evaluate_explainers(interpreter, *sounds, other_fills=True)
    assert {"AD", "AD_noise_floor", "AD_mean"} <= set(scores.metric)
    silence = scores[~scores.metric.str.contains("_noise_floor|_mean")]
    assert silence.reset_index(drop=True).equals(evaluate_explainers(interpreter, *sounds))
    assert {"method", "metric", "fraction", "value"} <= set(scores.columns)
    assert set(scores.method) == {"energy"}
    assert "evaluate_explainers" in speechbrain_lmac.__all__
    page = TUTORIAL.read_text()
    assert "evaluate_explainers(" in page and "evaluation.scoring" not in page


def plain(hparams):
    """Copy the settings that are plain values; give the id of other objects."""
    if isinstance(hparams, dict):
        return {key: plain(value) for key, value in hparams.items()}
    if isinstance(hparams, (list, tuple)):
        return [plain(value) for value in hparams]
    if isinstance(hparams, (str, int, float, bool, type(None))):
        return hparams
    return id(hparams)


@pytest.fixture
def record_settings(monkeypatch):
    """Function that records the settings that a program loads, with a copy of their values."""

    def record(program):
        loaded, load = [], program.load_hparams

        def load_and_record(*args):
            hparams = load(*args)
            loaded.append((hparams, plain(hparams)))
            return hparams

        monkeypatch.setattr(program, "load_hparams", load_and_record)
        return loaded

    return record


def test_training_does_not_change_settings(small_set, tmp_path, record_settings):
    """Values are passed on; after a training, the settings are as they were loaded."""
    loaded = record_settings(train)
    train.main(training_arguments(small_set, tmp_path, number_of_epochs=1))
    ((hparams, before),) = loaded
    assert hparams["lr"] and plain(hparams) == before


def test_benchmark_does_not_change_settings(small_set, tmp_path, record_settings, monkeypatch):
    """After a benchmark is prepared, the settings are as they were loaded."""

    def stop(*args):
        raise KeyboardInterrupt

    draw_plans = BenchmarkConfig.draw_plans
    monkeypatch.setattr(BenchmarkConfig, "draw_plans", lambda self: draw_plans(self) or stop())
    loaded = record_settings(run)
    with pytest.raises(SystemExit):
        run.main(benchmark_arguments(small_set, tmp_path))
    ((hparams, before),) = loaded
    assert plain(hparams) == before
