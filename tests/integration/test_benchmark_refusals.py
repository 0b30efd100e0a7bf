"""Benchmark settings, interpreters and clips that are refused with one sentence."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from speechbrain_lmac.data import contamination, manifest
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.evaluation.benchmark import results, run
from speechbrain_lmac.evaluation.benchmark.conditions import parse
from speechbrain_lmac.evaluation.benchmark.results import RecordFile
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.models.input_window import FixedLengthInput
from speechbrain_lmac.pretrained.finding import PRETRAINED
from speechbrain_lmac.pretrained.training_sources import (
    read_training_sources,
    write_earlier_sources,
)
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.runs import benchmark_arguments as arguments

RECORD = {"domain": "mel", "condition": "clean", "method": "full-mask", "clip": "a", "scores": []}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"conditions": "[thunder]"}, "conditions must be clean, absent_prompt or one of"),
        ({"conditions": "[speech]"}, "condition speech needs a folder of sounds"),
        ({"explainers": "[shap]"}, "explainers must be from"),
        ({"explainer_kwargs": "{gradcam: {color: red}}"}, "got 'color'"),
        ({"interpreters": "[mel]"}, "interpreters must be a mapping"),
        ({"interpreters": "{mel: mini-stft}"}, "another masking domain"),
        ({"interpreters": "{mel: nowhere}"}, "no interpreter at nowhere"),
        ({"valid_folds": "[]"}, "valid_folds"),
        ({"yamnet_weights": "nowhere.tflite"}, "nowhere.tflite"),
        ({"conditions": "clean"}, "conditions must be written as [a, b], got 'clean'"),
        ({"num_clips": "{clip: 3}"}, "num_clips must have the keys clips"),
        ({"explainer_kwargs": "{gradcamm: {layer: 1}}"}, "got 'gradcamm'"),
        ({"top_k_fractions": "[0.1]"}, "top_k_fractions must be [] or include"),
        ({"conditions": "[two_source@5, two_source@-5]"}, "each two_source level once"),
    ],
)
def test_invalid_settings_are_refused(small_set, tmp_path, capsys, changes, message):
    """Each error is one sentence that names the setting."""
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, tmp_path, **changes))
    assert message in capsys.readouterr().err


def test_interpreters_must_share_a_method(small_set, tmp_path, capsys):
    """Different methods are refused."""
    for masking in ("mel", "stft"):
        shutil.copytree(PRETRAINED / f"mini-{masking}", tmp_path / masking)
    path = tmp_path / "stft" / "hyperparams.yaml"
    path.write_text(path.read_text().replace("LMAC-ZS-G", "LMAC-ZS-G-others"))
    domains = {m: str(tmp_path / m) for m in ("mel", "stft")}
    with pytest.raises(SystemExit):
        both = {"maskings": "[mel, stft]", "interpreters": json.dumps(domains)}
        run.main(arguments(small_set, tmp_path / "out", **both))
    assert "of one method, got LMAC-ZS-G and LMAC-ZS-G-others" in capsys.readouterr().err


def test_test_clips_must_be_held_out(small_set, tmp_path, capsys):
    """Training recordings of the interpreter are refused."""
    pretrained = PRETRAINED / "mini-mel"
    shutil.copytree(pretrained, tmp_path / "run" / "interpreter")
    clips = read_clips(small_set)
    for name, folds in (("train", [1, 2, 3]), ("valid", [4])):
        manifest.write(tmp_path / "run" / f"{name}.csv", [c for c in clips if c.fold in folds])
    changes = {"interpreters": f"{{mel: {tmp_path / 'run'}}}", "explainers": "[lmac]"}
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, tmp_path / "out", test_folds="[3]", **changes))
    assert "interpreter was trained or selected on" in capsys.readouterr().err


def test_recordings_of_earlier_trainings_count(small_set, tmp_path):
    """A run that starts from a decoder knows its recordings, over several runs; none is lost."""
    clips = read_clips(small_set)
    runs = [tmp_path / name for name in ("first", "second", "third")]
    for number, folder in enumerate(runs):
        folder.mkdir()
        manifest.write(folder / "train.csv", [clips[number]])
        manifest.write(folder / "valid.csv", [clips[3]])
        if number:
            earlier = runs[number - 1] / "interpreter" / "decoder.safetensors"
            write_earlier_sources(folder, earlier)
    known = read_training_sources(runs[2])
    assert known == ({clip.src_file for clip in clips[:4]}, True)
    write_earlier_sources(runs[2], PRETRAINED / "mini-mel" / "decoder.safetensors")
    known = read_training_sources(runs[2])
    assert known == ({clips[2].src_file, clips[3].src_file}, False)


def test_clips_must_fit_the_input_window():
    """Longer clips are refused."""
    clap = MiniCLAP()
    clap.window = FixedLengthInput(10 * clap.sample_rate, 512, whole_repeats=True)
    clap.window.check_seconds(10.0, clap.sample_rate)
    with pytest.raises(InputError, match="clip_seconds must be at most 10"):
        clap.window.check_seconds(10.5, clap.sample_rate)


def test_record_file_has_one_writer(tmp_path):
    """A second writer is refused."""
    first, second = (RecordFile(tmp_path / "results.jsonl") for _ in range(2))
    first.add([RECORD])
    with pytest.raises(InputError, match="in use by another run"):
        second.add([RECORD])


def test_records_of_another_run_are_not_added_again(tmp_path):
    """A record that another run has added meanwhile stays alone, in the file and in memory."""
    path = tmp_path / "results.jsonl"
    first, second = (RecordFile(path) for _ in range(2))
    first.add([RECORD])
    first._file.close()  # the first run ends
    second.add([RECORD])
    assert second.records == [RECORD] and len(path.read_text().splitlines()) == 1


def test_clips_of_one_class_cannot_be_mixed(small_set):
    """Too many clips of a class are refused."""
    clips = read_clips(small_set)
    alike = [clip for clip in clips if clip.label == clips[0].label]
    with pytest.raises(InputError, match="too many are of its class"):
        contamination.draw_mixtures(alike, "two_source", 0.0, seed=0)


def test_silent_beginnings_are_refused(small_set, tmp_path, capsys):
    """A clip that is silent for its first seconds is refused."""
    late = tmp_path / "late"
    shutil.copytree(small_set, late)
    for clip in read_clips(late):
        wave, rate = soundfile.read(clip.wav)
        soundfile.write(clip.wav, np.concatenate([np.zeros(rate), wave]), rate)
    with pytest.raises(SystemExit):
        run.main(arguments(late, tmp_path / "out"))
    assert "must not be silent, for the rest is not used" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["clean@3", "two_source@loud", "", "two_source@nan"])
def test_unknown_conditions_are_refused(name):
    """Wrong names and levels."""
    with pytest.raises(InputError, match="conditions must be"):
        parse(name)


def test_torn_first_line_is_dropped(tmp_path):
    """The file starts anew."""
    path = tmp_path / "results.jsonl"
    path.write_text('{"domain": "mel", "cond')
    records = RecordFile(path)
    assert records.records == []
    records.add([RECORD])
    assert [json.loads(line) for line in path.read_text().splitlines()] == [RECORD]


@pytest.mark.parametrize("name", results.OLD_FILES)
def test_old_results_are_refused(small_set, tmp_path, capsys, name):
    """A folder of an older version is refused in one sentence, before anything is measured."""
    (tmp_path / name).write_text("")
    with pytest.raises(SystemExit):
        run.main(arguments(small_set, tmp_path))
    assert f"got {name} of an older version" in capsys.readouterr().err
    assert not (tmp_path / "run_config.json").exists()
