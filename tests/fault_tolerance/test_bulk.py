"""Jobs on collections are killed and resumed: the table equals that of an undisturbed job."""

import os
import random
import signal
import time

import pytest

pytest.importorskip("pyarrow")

from speechbrain_lmac import Interpreter, explain_dataset
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
