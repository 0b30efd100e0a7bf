"""Data preparation scripts of the recipes."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from speechbrain_lmac.data import contamination, manifest
from speechbrain_lmac.data.datasets import class_names, read_clips
from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.utils.errors import InputError
from tests.conftest import REAL_ESC10, REAL_US8K, REPOSITORY, needs_esc10, needs_us8k


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a script in this process; return the completed process."""

    def run(recipe, *arguments):
        command = [REPOSITORY / "recipes" / recipe / "prepare.py", *arguments]
        monkeypatch.setattr(sys, "argv", [str(word) for word in command])
        status = 0
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as stopped:
            status = stopped.code
        output = capsys.readouterr()
        return subprocess.CompletedProcess(sys.argv, status, output.out, output.err)

    return run


@pytest.fixture
def prepare(run):
    """Run a script that must succeed; return its output."""

    def prepare(recipe, *arguments):
        done = run(recipe, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return prepare


def test_prepare_runs_as_command(small_set, tmp_path):
    """As a new process in another folder."""
    recipe = REPOSITORY / "recipes" / "ESC50" / "prepare.py"
    command = [sys.executable, recipe, small_set, "--manifest", "set.csv"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert len(manifest.read(tmp_path / "set.csv")) == 50


def test_prepare_esc50_writes_manifest(prepare, small_set, tmp_path):
    """The manifest has all clips."""
    output = prepare("ESC50", small_set, "--manifest", tmp_path / "set.csv")
    assert output.startswith("50 clips")
    assert len(manifest.read(tmp_path / "set.csv")) == 50


def test_prepare_detects_other_classes(prepare, small_set, tmp_path):
    """A data set in the layout of ESC-50 with another class is not called ESC-50."""
    own = tmp_path / "own"
    shutil.copytree(small_set, own)
    meta = own / "meta" / "esc50.csv"
    meta.write_text(meta.read_text().replace(",siren,", ",tawny_owl,"))
    prepare("ESC50", own)
    clips = manifest.read(own / "manifest.csv")
    assert {"tawny_owl", "rain"} <= {clip.label for clip in clips}
    assert {(clip.dataset, clip.license) for clip in clips} == {("", "")}
    with pytest.raises(InputError, match="classes present"):
        class_names(own, clips, "dataset")


@needs_esc10
@pytest.mark.exhaustive
def test_prepare_real_esc10(prepare, tmp_path):
    """ESC-10 has 400 clips."""
    prepare("ESC50", REAL_ESC10, "--manifest", tmp_path / "set.csv")
    assert len(manifest.read(tmp_path / "set.csv")) == 400


@needs_us8k
@pytest.mark.exhaustive
def test_prepare_real_urbansound8k(prepare, tmp_path):
    """The manifest has ten classes and the license of the data set."""
    prepare("UrbanSound8k", REAL_US8K, "--manifest", tmp_path / "set.csv")
    clips = manifest.read(tmp_path / "set.csv")
    assert len({clip.label for clip in clips}) == 10
    assert {clip.license for clip in clips} == {"CC BY-NC 3.0"}


@pytest.mark.parametrize("kind", ["mixture", "white_noise", "speech", "wham"])
def test_prepare_contamination_is_repeatable(prepare, small_set, tmp_path, kind):
    """The same command writes the same plan for ten clips."""
    (tmp_path / "corpus").mkdir()
    voice = synthesize("siren", seed=1, seconds=0.3)
    soundfile.write(tmp_path / "corpus" / "voice.wav", voice.numpy(), 32000)
    plan = tmp_path / "plan.csv"
    common = [plan, "--data_folder", small_set, "--kind", kind, "--corpus", tmp_path / "corpus"]
    assert prepare("Contamination", *common).startswith("10 clips with")
    first = plan.read_text()
    prepare("Contamination", *common)
    assert plan.read_text() == first
    assert len(contamination.read(plan)) == 10


@pytest.mark.parametrize(
    "recipe, arguments, message",
    [
        ("ESC50", ["/gone"], "no such data folder: /gone"),
        ("UrbanSound8k", [REPOSITORY], "Unpack the set and give the folder above it"),
        (
            "Captions",
            ["x.csv"],
            "at least one data set must be given. Give a folder with one of --clotho",
        ),
        ("Captions", ["x.csv", "--macs", REPOSITORY], "Unpack macs"),
        (
            "Contamination",
            ["x.csv", "--data_folder", "SET", "--kind", "speech"],
            "kind speech needs a folder of sounds. Give it with --corpus",
        ),
        (
            "Contamination",
            ["x.csv", "--data_folder", "SET", "--kind", "mixture", "--test_folds", "9"],
            "--test_folds must contain clips",
        ),
    ],
)
def test_prepare_reports_errors_in_one_line(run, small_set, recipe, arguments, message):
    """An error of the user is the last line and gives status 2."""
    done = run(recipe, *(small_set if word == "SET" else word for word in arguments))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert message in done.stderr.splitlines()[-1]


def test_prepare_invalid_sound_removes_manifest(run, prepare, small_set, tmp_path):
    """An earlier manifest does not remain if a sound is invalid now."""
    folder = shutil.copytree(small_set, tmp_path / "set")
    prepare("ESC50", folder)
    sorted((folder / "audio").iterdir())[7].write_bytes(b"")
    done = run("ESC50", folder)
    assert done.returncode == 2 and "sounds are invalid" in done.stderr.splitlines()[-1]
    assert not (folder / "manifest.csv").exists()


def test_prepare_skips_invalid_sounds(run, small_set, tmp_path):
    """Three invalid sounds are named, and excluded with ``--skip-invalid``."""
    folder = shutil.copytree(small_set, tmp_path / "set")
    files = sorted((folder / "audio").iterdir())
    files[7].write_bytes(files[7].read_bytes()[:30])
    files[20].write_text("no sound")
    files[31].unlink()
    done = run("ESC50", folder)
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and not (folder / "manifest.csv").exists()
    assert all(files[i].name in error for i in (7, 20, 31)) and "3 of 50 sounds" in error
    done = run("ESC50", folder, "--skip-invalid")
    assert done.returncode == 0 and "3 of 50 sounds were left out" in done.stdout
    remaining = {Path(clip.wav).name for clip in read_clips(folder / "manifest.csv")}
    assert remaining == {file.name for file in files} - {files[i].name for i in (7, 20, 31)}
