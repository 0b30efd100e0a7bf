"""Commands with a supervised classifier: classes instead of prompts."""

import json
from pathlib import Path

import pytest
import soundfile

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.utils.percent import percent


@pytest.fixture
def source(labels_source):
    """Option that names an interpreter of AudioSet's labels with random weights."""
    return ["--source", labels_source]


@pytest.fixture
def street(sound_folder):
    """Path of a sound of two seconds."""
    return str(sound_folder / "street.wav")


def predicted(street, source, capsys, top=1):
    """Return the most probable classes of a sound."""
    assert main(["classify", street, "--json", "--top", str(top), *source]) == 0
    return json.loads(capsys.readouterr().out)["labels"]


def test_explain_without_prompts(street, source, tmp_path, capsys):
    """The most probable class is explained; its probability is printed, and no presence."""
    (best,) = predicted(street, source, capsys)
    out = tmp_path / "why"
    assert main(["explain", street, "--output", str(out), *source]) == 0
    text = capsys.readouterr().out
    assert f"“{best['label']}”: probability {percent(best['probability'])}" in text
    lines = [line for line in text.splitlines() if str(tmp_path) not in line]
    assert not any(word in line for line in lines for word in ("presence", "prompt"))
    scores = json.loads((out / "street" / "scores.json").read_text())
    (row,) = scores["prompts"]
    assert row["prompt"] == best["label"] and not row["absent"]
    assert row["probability"] == pytest.approx(best["probability"], abs=1e-5)
    assert row["presence"] == row["probability"]


def test_explain_all_probable_classes(street, source, tmp_path, capsys):
    """Every class with a probability of at least 0.5, most probable first."""
    best = predicted(street, source, capsys, top=527)
    names = [row["label"] for row in best if row["probability"] >= 0.5] or [best[0]["label"]]
    command = ["explain", street, "--all", "--json", "--output", str(tmp_path / "why"), *source]
    assert main(command) == 0
    rows = json.loads(capsys.readouterr().out)["prompts"]
    assert [row["prompt"] for row in rows] == names
    assert all(Path(row["explanation"]).is_file() for row in rows)


def test_class_and_prompt_are_one_option(street, source, tmp_path, capsys):
    """Names are found in any case, and printed as in the head; --against is another class."""
    out = ["--output", str(tmp_path / "why"), *source]
    assert main(["explain", street, "--class", "siren", "--prompt", "RAIN", *out]) == 0
    text = capsys.readouterr().out
    assert "“Siren”" in text and "“Rain”" in text and "RAIN" not in text
    assert main(["explain", street, "--class", "siren", "--against", "rain", *out]) == 0
    assert "“Siren” rather than “Rain”: probability" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["explain", "--class", "sirens"],
        ["explain", "--against", "sirens"],
        ["report", "--class", "sirens"],
        ["classify", "--labels", "sirens", "rain"],
    ],
)
def test_unknown_classes_end_in_one_line(street, source, words, capsys):
    """The error names the nearest classes, before any file is processed."""
    command, *options = words
    with pytest.raises(SystemExit) as stopped:
        main([command, street, *options, *source])
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and len(error.splitlines()) == 1
    assert "must be one of 527, got 'sirens'. Did you mean 'Siren'" in error


def test_long_recording_without_prompts(source, tmp_path, capsys):
    """The class with the highest probability in any window, or all classes from 0.5 on."""
    long = synthesize("siren", seed=2, seconds=16.0)
    soundfile.write(tmp_path / "long.wav", long.numpy(), SAMPLE_RATE)
    for options in ([], ["--all"]):
        command = ["explain", str(tmp_path / "long.wav"), *options, "--json"]
        assert main([*command, "--output", str(tmp_path / "why"), *source]) == 0
        rows = json.loads(capsys.readouterr().out)["prompts"]
        assert rows and all(Path(row["explanation"]).is_file() for row in rows)
        assert len(rows) == 1 or min(row["presence"] for row in rows) >= 0.5


def test_report_and_comparison_say_class(street, source, tmp_path, capsys):
    """No page of a supervised classifier has prompts or a presence among everyday sounds."""
    report, comparison = tmp_path / "report.html", tmp_path / "comparison.html"
    assert main(["report", street, "--output", str(report), *source]) == 0
    assert (
        main(["compare", street, "--methods", "energy", "--output", str(comparison), *source]) == 0
    )
    capsys.readouterr()
    assert "matches with each class" in report.read_text()
    assert "probability of the class" in report.read_text()
    for page in (report, comparison):
        text = page.read_text()
        assert "everyday sounds" not in text and "each prompt" not in text
