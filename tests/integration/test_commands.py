"""Commands explain, classify and report, as a user types them."""

import csv
import json
import time
from pathlib import Path

import pytest
import soundfile

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.utils.percent import percent
from tests.helpers.forked import Forked
from tests.helpers.interruptions import interrupt_after

MEL = ["--source", "mini-mel"]


def test_explain_writes_a_folder_per_file(sound_folder, tmp_path, capsys):
    """One of the three files is not a sound: status 1."""
    out = tmp_path / "why"
    command = ["explain", str(sound_folder), "--prompts-file", str(sound_folder / "notes.txt")]
    assert main([*command, "--explain-above", "0", "--output", str(out), *MEL]) == 1
    output = capsys.readouterr()
    assert "cannot read" in output.err and "1 of 3 files failed" in output.err
    assert "“siren”: presence" in output.out and "masked-in" in output.out
    for folder in (out / "street", out / "below" / "street"):
        scores = json.loads((folder / "scores.json").read_text())
        assert [row["prompt"] for row in scores["prompts"]] == ["siren", "rain"]
        for prompt in ("0-siren", "1-rain"):
            sound = load_audio(folder / f"{prompt}-explanation.wav", SAMPLE_RATE)
            assert 0 < sound.abs().max() < 1


def test_explain_json_is_one_object_per_line(sound_folder, tmp_path, capsys):
    """A file that cannot be read has an object with its error."""
    command = [
        "explain",
        str(sound_folder / "street.wav"),
        str(sound_folder / "broken.wav"),
        "--json",
    ]
    command += ["--prompt", "siren", "--against", "rain", "--output", str(tmp_path / "why"), *MEL]
    assert main(command) == 1
    valid, invalid = map(json.loads, capsys.readouterr().out.splitlines())
    (row,) = valid["prompts"]
    assert valid["against"] == "rain" and 0 <= row["probability"] <= 1
    assert "cannot read" in invalid["error"]


def test_explain_json_fields_of_short_and_long(sound_folder, tmp_path, capsys):
    """Records of short and long sounds have the same fields."""
    long = synthesize("siren", seed=2, seconds=16.0)
    soundfile.write(tmp_path / "long.wav", long.numpy(), SAMPLE_RATE)
    files = [str(sound_folder / "street.wav"), str(tmp_path / "long.wav")]
    out = tmp_path / "why"
    command = ["explain", *files, "--prompt", "siren", "--json", "--output", str(out), *MEL]
    assert main(command) == 0
    short, long = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(short) == set(long) and set(short["prompts"][0]) == set(long["prompts"][0])
    assert (short["seconds"], long["seconds"]) == (2.0, 16.0)
    for record in (short, long):
        (row,) = record["prompts"]
        assert row["presence"] > 0.5 and row["regions"]
        written = json.loads((out / record["folder"].split("/")[-1] / "scores.json").read_text())
        assert written["prompts"][0]["regions"] == row["regions"]
        assert (out / record["folder"].split("/")[-1] / "figure.png").is_file()
    with open(out / "regions.csv") as file:
        assert {row["file"] for row in csv.DictReader(file)} == set(files)


def test_explain_states_the_smallest_areas(sound_folder, tmp_path, capsys):
    """Text, JSON, scores.json and the common table agree; a recording has no areas."""
    soundfile.write(tmp_path / "long.wav", synthesize("siren", seed=2, seconds=16.0), SAMPLE_RATE)
    street, out = str(sound_folder / "street.wav"), tmp_path / "why"
    command = ["explain", street, str(tmp_path / "long.wav"), "--output", str(out), *MEL]
    command += ["--prompt", "siren", "--prompt", "dog"]
    assert main([*command, "--json"]) == 0
    short, long = (json.loads(line)["prompts"] for line in capsys.readouterr().out.splitlines())
    areas = [[row["sufficient_area"], row["necessary_area"]] for row in short]
    assert areas[0][0] <= 0.2 and areas[1] == [None, None]
    assert all(row["sufficient_area"] is row["necessary_area"] is None for row in long)
    written = json.loads((out / "street" / "scores.json").read_text())["prompts"]
    assert [[row["sufficient_area"], row["necessary_area"]] for row in written] == areas
    with open(out / "areas.csv") as file:
        (row,) = csv.DictReader(file)
    assert (row["file"], row["prompt"]) == (street, "siren")
    assert [float(row["sufficient_area"]), float(row["necessary_area"])] == areas[0]
    assert main(command) == 0
    assert capsys.readouterr().out.count(f"    {percent(areas[0][0])} of the sound suffices;") == 1
    assert main([*command, "--no-areas"]) == 0
    assert "suffices" not in capsys.readouterr().out
    assert len((out / "areas.csv").read_text().splitlines()) == 1


def test_explain_keeps_files_of_one_name_apart(sound_folder, tmp_path, monkeypatch):
    """Files of one name in two folders have separate folders and rows of the common table."""
    out, below = tmp_path / "why", sound_folder / "below"
    common = ["--prompt", "siren", "--output", str(out), *MEL]
    assert main(["explain", str(sound_folder / "street.wav"), *common]) == 0
    first = (out / "street" / "0-siren-explanation.wav").read_bytes()
    monkeypatch.chdir(below)
    for _ in range(2):  # a repeated call writes to the same folder
        assert main(["explain", "street.flac", *common]) == 0
    assert (out / "street" / "0-siren-explanation.wav").read_bytes() == first
    explained = {
        folder.name: json.loads((folder / "scores.json").read_text())["file"]
        for folder in out.iterdir()
        if folder.is_dir()
    }
    assert explained == {
        "street": str((sound_folder / "street.wav").resolve()),
        "street-2": str((below / "street.flac").resolve()),
    }
    with open(out / "regions.csv") as file:
        rows = [(row["file"], row["start"]) for row in csv.DictReader(file)]
    assert {name for name, _ in rows} == set(explained.values())
    assert len(set(rows)) == len(rows)


def test_explain_reads_truncated_long_files(tmp_path, capsys):
    """A truncated file is explained to its end, with one warning."""
    sound = synthesize("rain", seed=2, seconds=20.0)
    path = tmp_path / "long.flac"
    soundfile.write(path, sound.numpy(), SAMPLE_RATE)
    path.write_bytes(path.read_bytes()[:-200_000])
    out = tmp_path / "why"
    assert main(["explain", str(path), "--prompt", "rain", "--output", str(out), *MEL]) == 0
    assert capsys.readouterr().out.count("announces 20.0 s and holds") == 1
    assert 10 < json.loads((out / "long" / "scores.json").read_text())["seconds"] < 19


def test_explain_removes_folders_of_failures(tmp_path, capsys):
    """A long file with NaN near its end leaves no output folder."""
    sound = synthesize("rain", seed=2, seconds=20.0).numpy()
    sound[-5] = float("nan")
    path, out = tmp_path / "long.wav", tmp_path / "why"
    soundfile.write(path, sound, SAMPLE_RATE, "FLOAT")
    assert main(["explain", str(path), "--prompt", "rain", "--output", str(out), *MEL]) == 1
    assert "NaN" in capsys.readouterr().err
    assert not (out / "long").exists()


def test_report_is_written_on_interruption(sound_folder, tmp_path, monkeypatch, capsys):
    """After Ctrl-C, the page has the files that are complete."""
    from speechbrain_lmac.cli import report

    interrupt_after(monkeypatch, report, "show", 1)
    files = [str(sound_folder / "street.wav"), str(sound_folder / "below" / "street.flac")]
    path = tmp_path / "page.html"
    with pytest.raises(SystemExit) as stopped:
        main(["report", *files, "--prompt", "siren", "--output", str(path), *MEL])
    error = capsys.readouterr().err
    assert stopped.value.code == 130 and "interrupted" in error and "go on" not in error
    assert path.read_text().count("<h2") == 1


def test_explain_leaves_nothing_on_termination(tmp_path):
    """SIGTERM ends with status 143 and removes the partial folder."""
    sound = synthesize("rain", seed=2, seconds=20.0).repeat(30)
    soundfile.write(tmp_path / "long.wav", sound.numpy(), SAMPLE_RATE)
    out = tmp_path / "why"
    words = ["explain", tmp_path / "long.wav", "--prompt", "rain", "--output", out, *MEL]
    running = Forked(words, tmp_path / "log.txt")
    while not list(out.glob("long/.speechbrain-lmac-*/.speechbrain-lmac-*.partial")):
        assert running.process.is_alive()
        time.sleep(0.05)
    running.process.terminate()
    assert running.wait(timeout=60).status == 143
    assert not (out / "long").exists()


def test_explain_finds_regions_of_long_files(tmp_path, capsys):
    """A siren from 6 to 9 s in 20 s of faint rain."""
    sound = 0.05 * synthesize("rain", seed=1, seconds=20.0)
    sound[6 * SAMPLE_RATE : 9 * SAMPLE_RATE] += synthesize("siren", seed=2, seconds=3.0)
    soundfile.write(tmp_path / "long.wav", sound.numpy(), SAMPLE_RATE)
    out = tmp_path / "why"
    prompts = ["--prompt", "the sound of siren", "--prompt", "the sound of dog"]
    assert main(["explain", str(tmp_path / "long.wav"), *prompts, "--output", str(out), *MEL]) == 0
    assert "“the sound of siren”: 1 region: " in capsys.readouterr().out
    with open(out / "long" / "regions.csv") as file:
        (region,) = csv.DictReader(file)
    assert region["prompt"] == "the sound of siren"
    assert float(region["start"]) == pytest.approx(6, abs=0.5)
    assert float(region["stop"]) == pytest.approx(9, abs=0.5)
    with open(out / "long" / "long.Table.1.selections.txt") as file:
        (selection,) = csv.DictReader(file, delimiter="\t")
    assert selection["Begin Time (s)"] == region["start"]
    assert float(selection["Low Freq (Hz)"]) < float(selection["High Freq (Hz)"])
    written = out / "long" / "0-the-sound-of-siren-explanation.flac"
    assert soundfile.info(written).duration == pytest.approx(20)
    command = ["explain", str(tmp_path / "long.wav"), *prompts, "--output", str(out), *MEL]
    for options, end in ([], ".flac"), (["--stems"], ".wav"), (["--stems"], ".wav"):
        assert main([*command, *options, "--skip-existing", "--json"]) == 0
        record = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert all(row["explanation"].endswith(end) for row in record["prompts"])
        assert all(Path(row["explanation"]).exists() for row in record["prompts"])
    assert record["skipped"] and not list(out.rglob("*.flac"))
    assert not list(out.rglob(".*.partial"))


def test_classify_prints_labels(sound_folder, capsys):
    """As text and as JSON, with the given and the default labels."""
    street = str(sound_folder / "street.wav")
    assert main(["classify", street, "--labels", "siren", "dog", "--top", "1", *MEL]) == 0
    assert "street.wav: siren 100 %" in capsys.readouterr().out
    assert main(["classify", street, "--json", *MEL]) == 0
    assert len(json.loads(capsys.readouterr().out)["labels"]) == 3
