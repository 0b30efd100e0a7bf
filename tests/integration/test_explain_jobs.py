"""explain on many files: several processes, one line per file, and the summary."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
import soundfile

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.cli import explain
from speechbrain_lmac.cli.explain_jobs import ProcessPool
from speechbrain_lmac.cli.explain_tables import FileTables
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.interruptions import interrupt_after
from tests.helpers.killing import is_auxiliary, read_tree

TABLES = ("scores.csv", "regions.csv", "regions.selections.txt", "areas.csv")
PROMPTS = ["--prompt", "siren", "--prompt", "a dog"]


@pytest.fixture
def sounds(tmp_path, interpreter, monkeypatch):
    """Names of five files: two of one name, one cut short, and one that is no sound."""
    monkeypatch.setattr(explain, "load_interpreter", lambda *options: interpreter)
    names = []
    for name, kind in (("a/x", "siren"), ("b/x", "rain"), ("cut", "siren"), ("y", "siren")):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, synthesize(kind, seed=2, seconds=1.0).numpy(), SAMPLE_RATE)
        names.append(str(path))
    (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:-20_000])
    (tmp_path / "bad.wav").write_text("no sound")
    return [*names[:2], str(tmp_path / "bad.wav"), *names[2:]]


def run(sounds, *options, status=1):
    """Explain the sounds with two prompts; return the output folder."""
    out = Path(os.path.commonpath(sounds)) / "why"
    shutil.rmtree(out, ignore_errors=True)
    command = ["explain", *sounds, *PROMPTS, "--no-areas", "--figures", "none"]
    assert main([*command, "--output", str(out), *options]) == status
    return out


def results(folder):
    """Return path -> content of the files below a folder, without auxiliary files."""
    return {name: content for name, content in read_tree(folder).items() if not is_auxiliary(name)}


def test_jobs_do_not_change_results(sounds, capsys):
    """Files, tables, text and errors are equal for one and three processes, in order."""
    expected = results(run(sounds, "--jobs", "1"))
    text = capsys.readouterr()
    assert results(run(sounds, "--jobs", "3")) == expected
    again = capsys.readouterr()
    assert (again.out, again.err.splitlines()[-2:]) == (text.out, text.err.splitlines()[-2:])
    assert {"x/scores.json", "x-2/scores.json", "cut/scores.json"} <= expected.keys()
    assert "announces 1.0 s" in text.out and "cannot read" in text.err
    rows = expected["scores.csv"].decode().splitlines()[1:]
    assert [row.split(",")[0] for row in rows[::2]] == [s for s in sounds if "bad" not in s]


def test_jobs_end_with_an_interruption(sounds, monkeypatch):
    """Ctrl-C ends all processes; it leaves no temporary files and no empty folder."""
    interrupt_after(monkeypatch, FileTables, "add", 1)
    with pytest.raises(SystemExit) as stopped:
        run(sounds, "--jobs", "2")
    assert stopped.value.code == 130 and not multiprocessing.active_children()
    out = Path(os.path.commonpath(sounds)) / "why"
    assert not [name for name in read_tree(out) if ".partial" in name]
    folders = [path for path in out.iterdir() if path.is_dir()]
    assert folders and all((folder / "scores.json").exists() for folder in folders)


def test_killed_process_is_one_sentence(sounds, monkeypatch, capsys):
    """A process that the system kills ends the command with a hint, and it does not hang."""
    monkeypatch.setattr(explain, "explain", lambda *args: os._exit(9))
    with pytest.raises(SystemExit) as stopped:
        run(sounds, "--jobs", "2")
    assert stopped.value.code == 2
    assert "a process of --jobs was killed" in " ".join(capsys.readouterr().err.split())


def wait_for_idle_death(interpreter, index, folder):
    """Work of two files: the first one waits, and the process of the second one is killed."""
    if index:
        (folder / str(os.getpid())).touch()
        return {}, []
    while not (found := list(folder.iterdir())):
        time.sleep(0.01)
    time.sleep(0.2)  # the other process waits for a call and holds the lock of their queue
    os.kill(int(found[0].name), signal.SIGKILL)
    time.sleep(60)
    return {}, []


def test_killed_idle_process_ends_the_command(tmp_path):
    """A process that is killed while it waits for a file ends the command, and it does not hang."""

    def command():
        files = (lambda index: (index, tmp_path), 2, 2, "fork", lambda: None)
        with (
            pytest.raises(InputError, match="a process of --jobs was killed"),
            ProcessPool(wait_for_idle_death, *files) as pool,
        ):
            pool.result(0)
        os._exit(7)

    child = multiprocessing.get_context("fork").Process(target=command)
    child.start()
    child.join(40)
    child.kill()
    child.join()
    assert child.exitcode == 7


def test_many_files_have_a_line_each(sounds, monkeypatch, capsys):
    """Each file has one line with its present prompts, and the summary counts them."""
    monkeypatch.setattr(explain, "MAX_DETAILED", 2)
    out = run(sounds)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"{sounds[0]}: “siren” 100 %; 1 absent", f"{sounds[1]}: 2 absent"]
    assert lines[-4] == "5 files: 4 explained, 1 failed"
    assert lines[-3:-1] == ["  “siren”: present in 3 files", "  “a dog”: present in 0 files"]
    assert lines[-1] == f"tables in {out}: {', '.join(TABLES)}"
    run(sounds, "--against", "rain")
    lines = capsys.readouterr().out.splitlines()
    assert "  “siren”: preferred to “rain” in 3 files" in lines
    run(sounds, "--json")
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(records) == 5


def test_many_files_have_areas_on_request(sounds, monkeypatch, capsys, tmp_path):
    """Areas are left out by default, and said once; existing ones suffice to skip a file."""
    monkeypatch.setattr(explain, "MAX_DETAILED", 0)
    command = ["explain", sounds[0], "--prompt", "siren", "--output", str(tmp_path / "why")]
    assert main(command) == 0
    assert capsys.readouterr().err.count("no figures and smallest areas of more than 0 files") == 1
    scores = tmp_path / "why" / "x" / "scores.json"
    assert "sufficient_area" not in json.loads(scores.read_text())["prompts"][0]
    assert main([*command, "--areas", "--skip-existing"]) == 0
    areas = scores.read_bytes()
    assert json.loads(areas)["prompts"][0]["sufficient_area"] > 0
    assert main([*command, "--skip-existing"]) == 0
    assert scores.read_bytes() == areas and "skipped" in capsys.readouterr().out
