"""Parsing of the command line: files, options, help and errors."""

import os
import shutil
import subprocess
import sys

import pytest

from speechbrain_lmac.__main__ import COMMANDS, main
from speechbrain_lmac.cli.files import SoundFile, expand, folders_for
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.processes import run_code

MEL = ["--source", "mini-mel"]


def test_expand_files_folders_and_globs(sound_folder):
    """Files, folders, patterns and addresses of the Hub give a list without repetitions."""
    street, below = str(sound_folder / "street.wav"), str(sound_folder / "below" / "street.flac")
    assert expand([street, f"{sound_folder}/./street.wav"]) == [street]
    assert set(expand([str(sound_folder)])) == {street, below, str(sound_folder / "broken.wav")}
    assert expand([str(sound_folder / "s*.wav"), below]) == [street, below]
    assert expand([str(sound_folder / "**" / "*.flac")]) == [below]
    assert expand(["hf://me/sound_folder/dog.wav"]) == ["hf://me/sound_folder/dog.wav"]


def test_expand_skips_hidden_files(sound_folder):
    """macOS writes a hidden ``._`` file for each sound on a memory card."""
    for name in ("._street.wav", ".trash/old.wav"):
        (sound_folder / name).parent.mkdir(exist_ok=True)
        (sound_folder / name).write_text("no sound")
    assert not any("._street" in name or "old" in name for name in expand([str(sound_folder)]))
    assert expand([str(sound_folder / "._street.wav")]) == [str(sound_folder / "._street.wav")]


def test_expand_skips_the_output_folder(sound_folder):
    """Sounds from an earlier run are not explained, unless they are given by name."""
    out = sound_folder / "explanations"
    out.mkdir()
    (out / "original.wav").write_text("from an earlier run")
    assert not any("original" in name for name in expand([str(sound_folder)], out))
    assert expand([str(out / "original.wav")], out) == [str(out / "original.wav")]
    with pytest.raises(InputError, match=f"--output must differ from the input folder, got {out}$"):
        expand([str(out)], out)
    with pytest.raises(InputError, match="must name sounds outside the output folder"):
        expand([str(out / "*.wav")], out)


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
        (["explain", "{}", "--jobs", "0"], "--jobs must be 1 or more, got 0"),
    ],
)
def test_commands_check_options_first(sound_folder, arguments, message, capsys):
    """An invalid option is reported once, before any file is processed."""
    street = str(sound_folder / "street.wav")
    words = [word.replace("{}", street) for word in arguments]
    with pytest.raises(SystemExit) as refused:
        main(words)
    assert refused.value.code == 2
    output = capsys.readouterr()
    assert output.err.startswith("error: ") and message in output.err and not output.out
    assert "failed" not in output.err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.wav", "no such sound file"),
        ("*.mp3", "must match a sound file, got none$"),
        ("empty", "must contain sound files, got none$"),
    ],
)
def test_expand_refuses_names_without_sounds(tmp_path, monkeypatch, name, message):
    """Missing files, patterns without a match and empty folders are named."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        expand([name])


def test_folders_for_gives_each_file_its_own(tmp_path):
    """Output folders differ, also on file systems that ignore case."""
    files = ["a/x.wav", "b/x.wav", "X.ogg", "x-2.wav", "...wav"]
    folders = folders_for([SoundFile(file) for file in files], tmp_path)
    assert len({str(folder).lower() for folder in folders}) == 5
    assert all(folder.resolve().parent == tmp_path.resolve() for folder in folders)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--threshold", "5", "above 0 and at most 1, got 5"),
        ("--threshold", "0", "above 0"),
        ("--threshold", "half", "valid number"),
        ("--merge-gap", "-1", "at least 0 and finite, got -1"),
        ("--min-duration", "inf", "at least 0 and finite, got inf"),
    ],
)
def test_explain_refuses_region_options(sound_folder, capsys, option, value, message):
    """The error names the option and its range."""
    with pytest.raises(SystemExit) as refused:
        main(["explain", str(sound_folder), "--prompt", "siren", option, value, *MEL])
    error = capsys.readouterr().err
    assert refused.value.code == 2 and f"'{option}'" in error and message in error


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
    """A repeated option is an error, so no value is ignored."""
    with pytest.raises(SystemExit) as refused:
        main(words)
    assert refused.value.code == 2 and "must be given once" in capsys.readouterr().err


def test_commands_read_undecodable_file_names(sound_folder, tmp_path, monkeypatch):
    """A file name in Latin-1, from an old archive, is explained and reported."""
    monkeypatch.chdir(tmp_path)
    latin = os.fsdecode(b"q/bad\xff.wav")
    os.mkdir("q")
    shutil.copy(sound_folder / "street.wav", latin)
    shutil.copy(sound_folder / "street.wav", "q/fine.wav")
    assert main(["explain", "q", "--prompt", "siren", "--output", "why", *MEL]) == 0
    assert main(["explain", latin, "--prompt", "siren", "--output", "again", *MEL]) == 0
    assert main(["report", "q", "--prompt", "siren", "--output", "q.html", *MEL]) == 0
    assert "bad\\udcff.wav" in (tmp_path / "q.html").read_text()
    assert len(list((tmp_path / "why").glob("*/scores.json"))) == 2


@pytest.mark.parametrize(
    "words",
    [["{}", "--prompt", "rain", "--output", ""], ["", "--prompt", "rain"], ["{}", "--prompt", ""]],
)
def test_commands_refuse_empty_values(sound_folder, words, capsys):
    """An empty --output is not the current folder."""
    with pytest.raises(SystemExit) as refused:
        main(["explain", *(word.replace("{}", str(sound_folder)) for word in words)])
    assert refused.value.code == 2 and "must not be empty" in capsys.readouterr().err


def test_commands_end_when_the_reader_ends(sound_folder):
    """A closed pipe gives no traceback."""
    command = (
        f"{sys.executable} -m speechbrain_lmac classify {sound_folder}/street.wav --help | head -1"
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "gone.wav", "--prompt", "x"], "no such sound file: gone.wav"),
        (["explain", "gone.wav", "--all", "--class", "dog"], "--all must be given without"),
        (["explain", "gone.wav", "--prompts-file", "gone.txt"], "gone.txt cannot be read"),
        (["report", "gone.wav", "--prompt", "x"], "no such sound file"),
        (["publish", "gone", "--repo", "me/it", "--dry-run"], "no finished run"),
        (["publish", "gone", "--repo", "me/it"], "license must be stated"),
        (["publish", "gone", "--repo", "me/it", "--license", "CC BY"], "must be an id of the Hub"),
        (["nothing"], "no such command 'nothing'"),
        (["compare", "gone.wav"], "no such sound file"),
        (["report", "gone.wav", "--class", " "], "must not be blank"),
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


def test_source_error_lists_the_pretrained(sound_folder, capsys):
    """A mistyped source is answered with the names of the pretrained interpreters."""
    with pytest.raises(SystemExit):
        main(["classify", str(sound_folder / "street.wav"), "--source", "./gone"])
    assert "mini-mel, mini-stft" in capsys.readouterr().err


SHOW_EACH = """
import os, sys
from speechbrain_lmac.__main__ import main
for words in sys.argv[1:]:
    if not os.fork():
        try:
            main(words.split())
        except SystemExit as done:
            assert not done.code
        print(sorted({'torch', 'speechbrain', 'transformers', 'rich'} & set(sys.modules)))
        print('END', flush=True)
        os._exit(0)
    assert os.wait()[1] == 0, words
"""
"""Show the help of every command in a process of its own, and the heavy packages it loads."""


def test_help_imports_nothing_heavy():
    """Help is quick and writes options with hyphens."""
    commands = ["--help", *(f"{name} --help" for name in COMMANDS)]
    pages = run_code(SHOW_EACH, *commands).split("END\n")
    assert len(pages) == len(commands)
    for words, page in zip(commands, pages):
        assert "Usage: speechbrain-lmac" in page, words
        options = page.partition("Options:")[2].partition("Examples:")[0]
        assert "_" not in options.replace("lmac_zs", ""), words
        assert page.removesuffix("END").splitlines()[-1] == "[]", words


def test_train_passes_settings_through(monkeypatch):
    """Words after the YAML file reach SpeechBrain's parser unchanged."""
    from speechbrain_lmac.training import train

    received = []
    monkeypatch.setattr(train, "main", lambda *given: received.append(given))
    words = ["lmac_zs.yaml", "--seed=1", "--lr", "-1e-3", "--loss_weights", "{a: 1}", "--debug"]
    assert main(["train", *words]) == 0
    assert received == [(words, ["speechbrain-lmac", "train", *words])]
