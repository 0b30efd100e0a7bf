"""Commands that explain a classifier without a trained decoder."""

import json

import pytest

from speechbrain_lmac.__main__ import main
from tests.helpers import reference_models


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory):
    """Return a ClapModel of random weights in the layout of LAION's repository."""
    return reference_models.write_transformers(tmp_path_factory.mktemp("clap"))


def test_explain_any_clap(clap_folder, siren_file, tmp_path, monkeypatch, capsys):
    """A local checkpoint is explained at once; scores name the explainer. Random weights."""
    monkeypatch.chdir(tmp_path)
    command = ["explain", str(siren_file), "--prompt", "a siren", "--no-areas"]
    command += ["--explain-above", "0", "--figures", "none"]
    command += ["--clap", str(clap_folder), "--explainer", "gradcam++"]
    assert main(command) == 0
    (scores,) = (tmp_path / "explanations").glob("*/scores.json")
    assert json.loads(scores.read_text())["explainer"] == "gradcam++"
    assert list(scores.parent.glob("*-explanation.wav"))
    assert "gradcam++ needs no training, and 2 encoder passes" in capsys.readouterr().err


def test_report_and_compare_without_decoder(siren_file, tmp_path, capsys):
    """A report names the explainer. A comparison leaves the decoder out."""
    page = tmp_path / "report.html"
    options = ["--prompt", "siren", "--output", str(page)]
    assert main(["report", str(siren_file), "--explainer", "gradcam", "--no-areas", *options]) == 0
    assert "Explained by gradcam. Classifier mini" in page.read_text(encoding="utf-8")
    page = tmp_path / "comparison.html"
    options[-1:] = [str(page), "--json", "--classifier", "mini"]
    assert main(["compare", str(siren_file), *options, "--methods", "gradcam", "energy"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (clip,) = json.loads(lines[-1])["clips"]
    assert set(clip["presence"]) == set(clip["sufficient_area"]) == {"gradcam", "energy"}
    with pytest.raises(SystemExit):
        main(["compare", str(siren_file), *options, "--methods", "lmac"])
    assert "methods must not have lmac" in capsys.readouterr().err


def test_classify_with_a_classifier(siren_file, capsys):
    """The classifier of a source and the same classifier alone give one answer."""
    command = ["classify", str(siren_file), "--json"]
    answers = []
    for options in ([], ["--classifier", "mini"]):
        assert main([*command, *options]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]


def test_explain_many_without_decoder(siren_file, tmp_path, capsys):
    """Jobs of two explainers are different jobs."""
    pytest.importorskip("pyarrow")
    command = ["explain-many", str(siren_file), "--prompt", "siren", "--output"]
    command += [str(tmp_path / "out"), "--explainer"]
    assert main([*command, "gradcam"]) == 0
    assert main([*command, "gradcam"]) == 0
    with pytest.raises(SystemExit):
        main([*command, "gradcam++"])
    assert "holds a job with other settings: interpreter was" in capsys.readouterr().err
