"""Files that cannot be explained: one row each, and all others are unaffected."""

import csv
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

from speechbrain_lmac import explain_dataset
from speechbrain_lmac.bulk.journal import MAX_DEATHS
from speechbrain_lmac.utils.errors import InputError
from tests.unit.bulk.conftest import PROMPTS, read_parts, read_table, write_clip, write_clips

REPOSITORY = Path(__file__).parents[3]


def explain(interpreter, sources, output, **options):
    return explain_dataset(
        [str(source) for source in sources],
        PROMPTS,
        str(output),
        interpreter=interpreter,
        progress=False,
        **options,
    )


def write_bad_files(folder):
    """Write one file of each kind and return file name -> part of its reason."""
    good = write_clip(folder / "good.wav")
    data = good.read_bytes()
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("no sound\n" * 50)
    (folder / "header.wav").write_bytes(data[:44])
    soundfile.write(folder / "silent.wav", np.zeros(16000), 32000)
    soundfile.write(folder / "nan.wav", np.full(16000, np.nan), 32000, subtype="FLOAT")
    (folder / "broken_link.wav").symlink_to(folder / "nowhere.wav")
    (folder / "folder.wav").mkdir()
    shutil.copy(good, os.fsencode(folder) + b"/caf\xe9.wav")
    return {
        "empty.wav": "cannot read",
        "text.wav": "no known sound format",
        "header.wav": "no samples",
        "silent.wav": "all silence",
        "nan.wav": "NaN",
        "broken_link.wav": "no such sound file",
        r"caf\xe9.wav": "must be UTF-8",
    }


def test_bad_files_are_one_row_each(interpreter, tmp_path):
    """A bad file is one row with its reason, and the rows of good files do not change."""
    expected = write_bad_files(tmp_path / "clips")
    result = explain(interpreter, [tmp_path / "clips"], tmp_path / "out")
    rows = {Path(row["file"]).name: row for row in read_table(tmp_path / "out")}
    assert set(rows) == {*expected, "good.wav"} and result.failed == len(expected)
    assert rows["good.wav"]["status"] == "ok"
    for name, reason in expected.items():
        assert rows[name]["status"] == "error" and reason in rows[name]["error"], rows[name]
    with open(tmp_path / "out" / "errors.csv", newline="", encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    assert sorted(Path(row["file"]).name for row in listed) == sorted(expected)


def test_cut_files_are_explained_with_a_warning(interpreter, tmp_path):
    """A file that ends early, or whose header lies, is explained as far as it goes."""
    data = write_clip(tmp_path / "clips" / "a.wav", seconds=2).read_bytes()
    (tmp_path / "clips" / "a.wav").write_bytes(data[: len(data) // 2])
    explain(interpreter, [tmp_path / "clips"], tmp_path / "out")
    (row,) = read_table(tmp_path / "out")
    assert row["status"] == "ok" and row["stop"] == pytest.approx(1, abs=0.01)
    assert "announces 2.0 s" in row["warnings"][0]


def test_retry_reads_only_failed_files(interpreter, tmp_path):
    """A repaired file gets its row; the rows of its part do not change."""
    write_clips(tmp_path / "clips", 3)
    (tmp_path / "clips" / "bad.wav").write_bytes(b"")
    assert explain(interpreter, [tmp_path / "clips"], tmp_path / "out").failed == 1
    before = {row["id"]: row for row in read_table(tmp_path / "out")}
    write_clip(tmp_path / "clips" / "bad.wav", "siren")
    assert explain(interpreter, [tmp_path / "clips"], tmp_path / "out").failed == 1
    result = explain(interpreter, [tmp_path / "clips"], tmp_path / "out", retry_failed=True)
    after = {row["id"]: row for row in read_table(tmp_path / "out")}
    assert result.failed == 0 and not (tmp_path / "out" / "errors.csv").exists()
    changed = [row for key, row in after.items() if row != before[key]]
    assert [Path(row["file"]).name for row in changed] == ["bad.wav"]


def test_sound_of_a_removed_file_is_left_out(interpreter, tmp_path):
    """A hit whose file is gone has a row without sound; the others have theirs."""
    gone, kept = (write_clip(tmp_path / "in" / f"{n}.wav", "siren") for n in "ab")
    (tmp_path / "in" / "text.wav").write_text("no sound")
    explain(interpreter, [tmp_path / "in"], tmp_path / "out")
    gone.unlink()
    with pytest.warns(UserWarning, match=r"a\.wav gets no sound: no such sound file"):
        result = explain(interpreter, [tmp_path / "in"], tmp_path / "out", sounds_above=0.05)
    assert result.complete and result.failed == 1 and (tmp_path / "out" / "errors.csv").is_file()
    with open(tmp_path / "out" / "sounds.csv", newline="") as file:
        sounds = {row["file"]: row["sound"] for row in csv.DictReader(file)}
    assert sounds[str(gone)] == "" and (tmp_path / "out" / sounds[str(kept)]).is_file()


def test_start_after_the_end_is_named(interpreter, tmp_path):
    """The reason of the row is the list, not the file."""
    write_clip(tmp_path / "short.wav")
    (tmp_path / "list.csv").write_text("file,start,stop\nshort.wav,9,12\n")
    explain(interpreter, [tmp_path / "list.csv"], tmp_path / "out")
    (row,) = read_table(tmp_path / "out")
    assert "start must be before the end of" in row["error"] and "0.5 s, got 9" in row["error"]


def test_bug_in_one_file_does_not_end_the_job(interpreter, tmp_path, monkeypatch):
    """An unexpected exception is the reason of its row."""
    write_clips(tmp_path / "clips", 2)

    def fail(self, *args):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("speechbrain_lmac.bulk.explaining.clip_hits", fail)
    result = explain(interpreter, [tmp_path / "clips"], tmp_path / "out")
    assert result.failed == 2
    assert "ZeroDivisionError: a bug" in read_table(tmp_path / "out")[0]["error"]


KILLER = """
import builtins, os, signal
opened = builtins.open
def open_or_die(path, *args, **kwargs):
    if str(path).endswith("killer.wav"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return opened(path, *args, **kwargs)
builtins.open = open_or_die
"""
"""A sitecustomize module with which opening a file of a certain name kills the process."""
COMMAND = [sys.executable, "-m", "speechbrain_lmac", "explain-many"]


def run_command(arguments, **variables):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **variables}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_file_that_kills_its_reader_is_found(tmp_path):
    """The second attempt names the file that killed the first one, and completes."""
    write_clips(tmp_path / "clips", 3)
    write_clip(tmp_path / "clips" / "0" / "killer.wav")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(KILLER)
    paths = os.pathsep.join([str(tmp_path / "site"), str(REPOSITORY)])
    arguments = [tmp_path / "clips", "--prompt", PROMPTS[0], "--output", tmp_path / "out"]
    first = run_command(arguments, PYTHONPATH=paths)
    assert first.returncode == -signal.SIGSEGV
    second = run_command(arguments, PYTHONPATH=paths)
    assert second.returncode == 1, second.stderr
    rows = {Path(row["file"]).name: row for row in read_table(tmp_path / "out")}
    assert [name for name, row in rows.items() if row["status"] != "ok"] == ["killer.wav"]
    assert rows["killer.wav"]["status"] == "crashed"
    assert "kills its reader (signal 11)" in rows["killer.wav"]["error"]
    assert not list((tmp_path / "out" / "journal").iterdir())


def test_deaths_outside_the_reader_end(interpreter, tmp_path):
    """A file with which processes die again and again counts as crashed, though it is valid."""
    (path,) = write_clips(tmp_path / "clips", 1)
    explain(interpreter, [path], tmp_path / "out")
    (row,) = read_table(tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "parts")
    journal = tmp_path / "out" / "journal" / "00000000"
    journal.write_text(f"attempt\n{row['id']}\n" * (MAX_DEATHS - 1))
    explain(interpreter, [path], tmp_path / "out")
    assert read_table(tmp_path / "out") == [row]  # decoded in a process of its own, and explained
    shutil.rmtree(tmp_path / "out" / "parts")
    journal.write_text(f"attempt\n{row['id']}\n" * MAX_DEATHS)
    explain(interpreter, [path], tmp_path / "out")
    assert read_table(tmp_path / "out")[0]["status"] == "crashed"


def test_stopped_attempts_suspect_no_file(interpreter, tmp_path):
    """A signal that was caught, or a full disk, is no death of the file in work."""
    (path,) = write_clips(tmp_path / "clips", 1)
    explain(interpreter, [path], tmp_path / "out")
    before = read_table(tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "parts")
    journal = tmp_path / "out" / "journal" / "00000000"
    journal.write_text(f"attempt\n{before[0]['id']}\nstopped\n" * MAX_DEATHS)
    explain(interpreter, [path], tmp_path / "out")
    assert read_table(tmp_path / "out") == before


def test_threads_of_torch_are_restored(interpreter, tmp_path):
    """The job computes in one thread, and the program that calls it keeps its number."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        explain(interpreter, write_clips(tmp_path / "clips", 1), tmp_path / "out")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_full_disk_is_one_sentence(interpreter, tmp_path, monkeypatch):
    """A full disk ends the job with one sentence; the same call completes it later."""
    paths = write_clips(tmp_path / "clips", 4)
    explain(interpreter, paths, tmp_path / "whole", unit_files=2)
    written = []

    def fail(descriptor):
        written.append(descriptor)
        if len(written) > 3:  # job.json, the manifest and the first part
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(InputError, match=r"parts.00000001.parquet cannot be written.*No space"):
        explain(interpreter, paths, tmp_path / "out", unit_files=2)
    monkeypatch.undo()
    assert explain(interpreter, paths, tmp_path / "out", unit_files=2).complete
    assert read_parts(tmp_path / "out") == read_parts(tmp_path / "whole")
