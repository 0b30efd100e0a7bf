"""Options of explain: which prompts are explained, and which files have figures."""

import json

import pytest
import soundfile

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize

MEL = ["--source", "mini-mel"]


def test_explain_lists_absent_prompts(tmp_path, capsys):
    """A prompt that is absent from a clip is listed; it has no sound and no measurements."""
    sound, out = tmp_path / "siren.wav", tmp_path / "why"
    soundfile.write(sound, synthesize("siren", seed=2, seconds=2.0).numpy(), SAMPLE_RATE)
    command = ["explain", str(sound), "--prompt", "a dog", "--prompt", "siren", *MEL]
    command += ["--output", str(out), "--no-areas"]
    for options, count in (["--explain-above", "0"], 2), ([], 1):  # the sounds of before go
        assert main([*command, *options]) == 0
        text = capsys.readouterr().out
        assert ("  absent: “a dog” (" in text) == (count == 1)
        names = [path.name for path in (out / "siren").glob("*-explanation.wav")]
        assert len(names) == count and "1-siren-explanation.wav" in names
    absent, explained = json.loads((out / "siren" / "scores.json").read_text())["prompts"]
    assert absent["absent"] and not absent["explained"] and absent["presence"] < 0.05
    assert absent["regions"] == [] and explained["explained"] and explained["regions"]
    for name in ("presence_masked_in", "similarity_masked_out", "level_db", "activity"):
        assert absent[name] is None and explained[name] is not None
    assert main([*command, "--json"]) == 0
    row, _ = json.loads(capsys.readouterr().out)["prompts"]
    assert row["explanation"] is None and not row["explained"]


@pytest.mark.parametrize(
    "options, count", [(["--figures", "2"], 2), (["--figures", "none"], 0), ([], 3)]
)
def test_explain_draws_the_chosen_figures(tmp_path, options, count):
    """``--figures N`` draws the figures of the first N files; few files all have one."""
    files = [tmp_path / f"{i}.wav" for i in range(3)]
    for i, file in enumerate(files):
        soundfile.write(file, synthesize("siren", seed=i, seconds=0.5).numpy(), SAMPLE_RATE)
    command = ["explain", *map(str, files), "--prompt", "siren", "--no-areas", *MEL]
    assert main([*command, "--output", str(tmp_path / "why"), *options]) == 0
    drawn = [path.parent.name for path in (tmp_path / "why").rglob("figure.png")]
    assert sorted(drawn) == [str(i) for i in range(count)]


def test_explain_draws_many_figures_on_request(tmp_path, monkeypatch, capsys):
    """More files than ``MAX_DETAILED`` have no figures by default, and the summary says so."""
    monkeypatch.setattr("speechbrain_lmac.cli.explain.MAX_DETAILED", 0)
    sound = tmp_path / "siren.wav"
    soundfile.write(sound, synthesize("siren", seed=2, seconds=0.5).numpy(), SAMPLE_RATE)
    command = ["explain", str(sound), "--prompt", "siren", "--no-areas", *MEL]
    for options, drawn in ([], False), (["--figures", "all"], True):
        out = tmp_path / f"why-{drawn}"
        assert main([*command, "--output", str(out), *options]) == 0
        assert (out / "siren" / "figure.png").exists() == drawn
        assert ("see --figures" in capsys.readouterr().err) == (not drawn)


def test_explain_checks_figures(capsys):
    """Other values of ``--figures`` are refused before any work."""
    with pytest.raises(SystemExit) as status:
        main(["explain", "a.wav", "--figures", "-1"])
    assert status.value.code == 2
    assert "must be all, none or a number of files" in " ".join(capsys.readouterr().err.split())
