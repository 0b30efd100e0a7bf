"""Jobs on collections are killed and resumed: the table equals that of an undisturbed job."""

import os
import random
import resource
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip("pyarrow")

from speechbrain_lmac import Interpreter, explain_dataset
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.killing import KillTest, check_complete, kill_at_points
from tests.unit.bulk.conftest import PROMPTS, read_parts, write_clips

KILLS = 10


@pytest.fixture(scope="module")
def interpreter():
    return Interpreter.from_hparams(source="mini-stft", run_opts={"device": "cpu"})


def explain(interpreter, clips, output, **options):
    defaults = {"interpreter": interpreter, "unit_files": 2, "progress": False}
    return explain_dataset(str(clips), PROMPTS[:2], str(output), **{**defaults, **options})


def killed_after(seconds, work):
    """Run work in a fork and kill it after a time; return whether it was still at work."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_random_kills_change_nothing(interpreter, tmp_path):
    """After kills at random moments, parts are identical and keep their time stamps."""
    write_clips(tmp_path / "clips", 16)
    begin = time.monotonic()
    explain(interpreter, tmp_path / "clips", tmp_path / "whole")
    duration, chance, killed = time.monotonic() - begin, random.Random(1), 0
    stamps = {}
    for _ in range(KILLS):
        delay = chance.uniform(0.05, 0.3) * duration
        killed += killed_after(
            delay, lambda: explain(interpreter, tmp_path / "clips", tmp_path / "out")
        )
        parts = tmp_path / "out" / "parts"
        found = {p.name: p.stat().st_mtime_ns for p in parts.iterdir()} if parts.exists() else {}
        assert {name: found[name] for name in stamps} == stamps
        stamps = found
    assert killed >= 3
    result = explain(interpreter, tmp_path / "clips", tmp_path / "out")
    assert result.complete and not result.failed
    assert read_parts(tmp_path / "out") == read_parts(tmp_path / "whole")


def test_sigterm_changes_nothing(tmp_path):
    """A scheduler's SIGTERM ends the command at once; the same command completes the job."""
    write_clips(tmp_path / "clips", 40)
    words = [tmp_path / "clips", "--output", tmp_path / "out", "--unit-files", "2"]
    prompts = [word for prompt in PROMPTS[:2] for word in ("--prompt", prompt)]
    command = [sys.executable, "-m", "speechbrain_lmac", "explain-many", *map(str, words), *prompts]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while process.poll() is None and not list((tmp_path / "out").glob("parts/*")):
        time.sleep(0.02)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode != 0
    done = len(list((tmp_path / "out").glob("parts/*")))
    interpreter = "mini-stft"
    assert 0 < done < 20
    assert explain(interpreter, tmp_path / "clips", tmp_path / "out").complete
    explain(interpreter, tmp_path / "clips", tmp_path / "whole")
    assert read_parts(tmp_path / "out") == read_parts(tmp_path / "whole")


def test_file_size_limit_is_one_sentence(interpreter, tmp_path):
    """A part that exceeds a limit of the system is one sentence, and no part is torn."""
    write_clips(tmp_path / "clips", 4)
    explain(interpreter, tmp_path / "clips", tmp_path / "whole")

    def work():
        sys.dont_write_bytecode = True  # Python would install byte code that is cut at the limit
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            explain(interpreter, tmp_path / "clips", tmp_path / "out")
        except InputError as error:
            os._exit(7 if "parts" in str(error) and "\n" not in str(error) else 8)

    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert not list((tmp_path / "out").glob("parts/*"))
    assert explain(interpreter, tmp_path / "clips", tmp_path / "out").complete
    assert read_parts(tmp_path / "out") == read_parts(tmp_path / "whole")


def test_kills_at_file_operations(interpreter, tmp_path):
    """Killed before any file operation, the same call completes; no file is ever torn."""
    clips = tmp_path / "clips"
    write_clips(clips, 3)
    (clips / "bad.wav").write_bytes(b"")

    def check(remaining, before, after):
        whole = {name: data for name, data in remaining.items() if "journal" not in name}
        check_complete(whole, before, after)

    def work():
        explain(interpreter, clips, tmp_path / "out", sounds_above=0.05, sounds_per_prompt=1)

    test = KillTest(tmp_path / "out", lambda folder: None, work, check)
    kill_at_points(test)
