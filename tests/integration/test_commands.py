"""The command line as a user types it."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time

import pytest
import soundfile

from speechbrain_lmac.__main__ import COMMANDS, main
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.cli.files import expand, folders_for
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture, synthesize
from speechbrain_lmac.utils.errors import InputError

MEL = ["--source", "mini-mel"]


@pytest.fixture
def sounds(tmp_path):
    """A folder with two sounds, a broken sound and a text file."""
    folder = tmp_path / "sounds"
    (folder / "below").mkdir(parents=True)
    scene = mixture("siren", "rain", seed=5, seconds=2.0)
    soundfile.write(folder / "street.wav", scene.mixture.numpy(), SAMPLE_RATE)
    soundfile.write(folder / "below" / "street.flac", scene.first.numpy(), SAMPLE_RATE)
    (folder / "broken.wav").write_text("no sound")
    (folder / "notes.txt").write_text("siren\n\n rain \n")
    return folder


def test_expand_files_folders_and_globs(sounds):
    street, below = str(sounds / "street.wav"), str(sounds / "below" / "street.flac")
    assert expand([street, f"{sounds}/./street.wav"]) == [street]
    assert set(expand([str(sounds)])) == {street, below, str(sounds / "broken.wav")}
    assert expand([str(sounds / "s*.wav"), below]) == [street, below]
    assert expand([str(sounds / "**" / "*.flac")]) == [below]
    assert expand(["hf://me/sounds/dog.wav"]) == ["hf://me/sounds/dog.wav"]


def test_expand_skips_hidden_files(sounds):
    """macOS puts a ``._`` file next to each sound on a memory card."""
    for name in ("._street.wav", ".trash/old.wav"):
        (sounds / name).parent.mkdir(exist_ok=True)
        (sounds / name).write_text("no sound")
    assert not any("._street" in name or "old" in name for name in expand([str(sounds)]))
    assert expand([str(sounds / "._street.wav")]) == [str(sounds / "._street.wav")]


def test_expand_skips_the_output_folder(sounds):
    out = sounds / "explanations"
    out.mkdir()
    (out / "original.wav").write_text("of an earlier run")
    assert not any("original" in name for name in expand([str(sounds)], out))
    assert expand([str(out / "original.wav")], out) == [str(out / "original.wav")]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["classify", "{}", "--template", "song"], "song"),
        (["classify", "{}", "--labels", "dog", "dog"], "got 'dog' twice"),
        (
            ["explain", "{}", "--prompt", "a dog", "--against", "the sound of a dog"],
            "must differ in meaning",
        ),
        (
            ["report", "{}", "--prompt", "a dog", "--output", "{}/x.html"],
            "x.html cannot be written",
        ),
        (
            ["compare", "{}", "--prompt", "a dog", "--output", "{}/x.html"],
            "x.html cannot be written",
        ),
    ],
)
def test_commands_check_options_first(sounds, arguments, message, capsys):
    """An invalid option is reported once, before any file is processed."""
    street = str(sounds / "street.wav")
    words = [word.replace("{}", street) for word in arguments]
    with pytest.raises(SystemExit) as refused:
        main(words)
    assert refused.value.code == 2
    output = capsys.readouterr()
    assert output.err.startswith("error: ") and message in output.err and not output.out
    assert "files failed" not in output.err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.wav", "no such sound file"),
        ("*.mp3", "must match a sound file"),
        ("empty", "must contain sound files"),
    ],
)
def test_expand_refuses_names_without_sounds(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        expand([name])


def test_folders_for_gives_each_file_its_own(tmp_path):
    files = ["a/x.wav", "b/x.wav", "X.ogg", "x-2.wav", "...wav"]
    folders = folders_for(files, tmp_path)
    assert len({str(folder).lower() for folder in folders}) == 5
    assert all(folder.resolve().parent == tmp_path.resolve() for folder in folders)


def test_explain_writes_a_folder_per_file(sounds, tmp_path, capsys):
    """One of the three files is not a sound: status 1."""
    out = tmp_path / "why"
    command = ["explain", str(sounds), "--prompts-file", str(sounds / "notes.txt")]
    assert main([*command, "--output", str(out), *MEL]) == 1
    output = capsys.readouterr()
    assert "cannot read" in output.err and "1 of 3 files failed" in output.err
    assert "“siren”: presence" in output.out and "masked-in" in output.out
    for folder in (out / "street", out / "street-2"):
        scores = json.loads((folder / "scores.json").read_text())
        assert [row["prompt"] for row in scores["prompts"]] == ["siren", "rain"]
        for prompt in ("0-siren", "1-rain"):
            sound = load_audio(folder / f"{prompt}-explanation.wav", SAMPLE_RATE)
            assert 0 < sound.abs().max() < 1


def test_explain_json_is_one_object_per_line(sounds, tmp_path, capsys):
    command = ["explain", str(sounds / "street.wav"), str(sounds / "broken.wav"), "--json"]
    command += ["--prompt", "siren", "--against", "rain", "--output", str(tmp_path / "why"), *MEL]
    assert main(command) == 1
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    (row,) = good["prompts"]
    assert good["against"] == "rain" and 0 <= row["probability"] <= 1
    assert "cannot read" in bad["error"]


def test_explain_json_fields_of_short_and_long(sounds, tmp_path, capsys):
    """Records of short and long sounds have the same fields."""
    long = synthesize("siren", seed=2, seconds=16.0)
    soundfile.write(tmp_path / "long.wav", long.numpy(), SAMPLE_RATE)
    files = [str(sounds / "street.wav"), str(tmp_path / "long.wav")]
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


def test_explain_keeps_files_of_one_name_apart(sounds, tmp_path, monkeypatch):
    """Recorders use the same names on every card: a second call writes to another folder."""
    out, below = tmp_path / "why", sounds / "below"
    common = ["--prompt", "siren", "--output", str(out), *MEL]
    assert main(["explain", str(sounds / "street.wav"), *common]) == 0
    first = (out / "street" / "0-siren-explanation.wav").read_bytes()
    monkeypatch.chdir(below)
    for _ in range(2):  # the second time, it is the same folder
        assert main(["explain", "street.flac", *common]) == 0
    assert (out / "street" / "0-siren-explanation.wav").read_bytes() == first
    explained = {
        folder.name: json.loads((folder / "scores.json").read_text())["file"]
        for folder in out.iterdir()
        if folder.is_dir()
    }
    assert explained == {
        "street": str((sounds / "street.wav").resolve()),
        "street-2": str((below / "street.flac").resolve()),
    }
    with open(out / "regions.csv") as file:
        rows = [(row["file"], row["start"]) for row in csv.DictReader(file)]
    assert {name for name, _ in rows} == set(explained.values())
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize(
    ("threshold", "message"),
    [("5", "above 0 and at most 1, got 5"), ("0", "above 0"), ("half", "valid number")],
)
def test_explain_refuses_thresholds(sounds, capsys, threshold, message):
    with pytest.raises(SystemExit) as refused:
        main(["explain", str(sounds), "--prompt", "siren", "--threshold", threshold, *MEL])
    error = capsys.readouterr().err
    assert refused.value.code == 2 and "'--threshold'" in error and message in error


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "a.wav", "--prompt", "a", "--prompt", "b"],
        ["explain", "a.wav", "--prompt", "a", "--against", "b", "--against", "c"],
        ["explain", "a.wav", "--prompt", "a", "--output", "x", "--output=y"],
        ["classify", "a.wav", "--top", "3", "--top", "4"],
    ],
)
def test_commands_refuse_repeated_options(words, capsys):
    """The last value does not win without a message."""
    with pytest.raises(SystemExit) as refused:
        main(words)
    assert refused.value.code == 2 and "must be given once" in capsys.readouterr().err


def test_commands_read_undecodable_file_names(sounds, tmp_path, monkeypatch):
    """A file name in Latin-1, from an old archive, is explained and reported."""
    monkeypatch.chdir(tmp_path)
    odd = os.fsdecode(b"q/bad\xff.wav")
    os.mkdir("q")
    shutil.copy(sounds / "street.wav", odd)
    shutil.copy(sounds / "street.wav", "q/fine.wav")
    assert main(["explain", "q", "--prompt", "siren", "--output", "why", *MEL]) == 0
    assert main(["explain", odd, "--prompt", "siren", "--output", "again", *MEL]) == 0
    assert main(["report", "q", "--prompt", "siren", "--output", "q.html", *MEL]) == 0
    assert "bad\\udcff.wav" in (tmp_path / "q.html").read_text()
    assert len(list((tmp_path / "why").glob("*/scores.json"))) == 2


@pytest.mark.parametrize(
    "words",
    [["{}", "--prompt", "rain", "--output", ""], ["", "--prompt", "rain"], ["{}", "--prompt", ""]],
)
def test_commands_refuse_empty_values(sounds, words, capsys):
    """An empty --output is not the current folder."""
    with pytest.raises(SystemExit) as refused:
        main(["explain", *(word.replace("{}", str(sounds)) for word in words)])
    assert refused.value.code == 2 and "must not be empty" in capsys.readouterr().err


def test_explain_reads_truncated_long_files(tmp_path, capsys):
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


def test_commands_end_when_the_reader_ends(sounds):
    command = f"{sys.executable} -m speechbrain_lmac classify {sounds}/street.wav --help | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr


def test_report_is_written_on_interruption(sounds, tmp_path, monkeypatch, capsys):
    from speechbrain_lmac.cli import report

    real, shown = report.show, []

    def show(interpreter, file, *options):
        shown.append(file)
        if len(shown) == 2:
            raise KeyboardInterrupt
        return real(interpreter, file, *options)

    monkeypatch.setattr(report, "show", show)
    files = [str(sounds / "street.wav"), str(sounds / "below" / "street.flac")]
    path = tmp_path / "page.html"
    with pytest.raises(SystemExit) as stopped:
        main(["report", *files, "--prompt", "siren", "--output", str(path), *MEL])
    error = capsys.readouterr().err
    assert stopped.value.code == 130 and "interrupted" in error and "go on" not in error
    assert path.read_text().count("<h2") == 1


def test_explain_leaves_nothing_on_termination(tmp_path):
    sound = synthesize("rain", seed=2, seconds=20.0).repeat(30)
    soundfile.write(tmp_path / "long.wav", sound.numpy(), SAMPLE_RATE)
    out = tmp_path / "why"
    command = [sys.executable, "-m", "speechbrain_lmac", "explain", str(tmp_path / "long.wav")]
    running = subprocess.Popen(
        [*command, "--prompt", "rain", "--output", str(out), *MEL],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    while not list(out.glob("long/.speechbrain-lmac-*/.speechbrain-lmac-*.partial")):
        assert running.poll() is None
        time.sleep(0.05)
    running.terminate()
    assert running.wait(timeout=60) == 143
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
    written = out / "long" / "0-the-sound-of-siren-explanation.wav"
    assert soundfile.info(written).duration == pytest.approx(20)
    assert not list(out.rglob(".*.partial"))


def test_classify_prints_labels(sounds, capsys):
    street = str(sounds / "street.wav")
    assert main(["classify", street, "--labels", "siren", "dog", "--top", "1", *MEL]) == 0
    assert "street.wav: siren 100%" in capsys.readouterr().out
    assert main(["classify", street, "--json", *MEL]) == 0
    assert len(json.loads(capsys.readouterr().out)["labels"]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "gone.wav", "--prompt", "x"], "no such sound file: gone.wav"),
        (["explain", "gone.wav"], "a prompt must be given"),
        (["explain", "gone.wav", "--prompts-file", "gone.txt"], "gone.txt cannot be read"),
        (["report", "gone.wav", "--prompt", "x"], "no such sound file"),
        (["publish", "gone", "--repo", "me/it"], "no finished run"),
        (["nothing"], "no such command 'nothing'"),
        (["compare", "gone.wav"], "missing option '--prompt'"),
        (["train"], "HPARAMS must be given"),
        (["classify", "gone.wav", "--labels", "dog"], "at least two labels must be given"),
    ],
)
def test_commands_report_errors_in_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    """An error of the user is one line on standard error and status 2."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and len(error.splitlines()) == 1


def test_source_error_lists_the_pretrained(sounds, capsys):
    with pytest.raises(SystemExit):
        main(["classify", str(sounds / "street.wav"), "--source", "./gone"])
    assert "mini-mel, mini-stft" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_imports_nothing_heavy(command):
    code = (
        "import sys\nfrom speechbrain_lmac.__main__ import main\n"
        f"try:\n    main({[*command, '--help']!r})\nexcept SystemExit as done:\n"
        "    assert not done.code\n"
        "print(sorted({'torch', 'speechbrain', 'transformers', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: speechbrain-lmac" in done.stdout
    assert (
        "_"
        not in done.stdout.replace("lmac_zs", "").partition("Options:")[2].partition("Examples:")[0]
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_train_passes_settings_through(monkeypatch):
    """Words after the YAML file reach the other parser as they are."""
    from speechbrain_lmac.training import train

    received = []
    monkeypatch.setattr(train, "main", received.append)
    words = ["lmac_zs.yaml", "--seed=1", "--lr", "-1e-3", "--loss_weights", "{a: 1}", "--debug"]
    assert main(["train", *words]) == 0
    assert received == [words]
