"""Ray as the engine of large jobs: the same bytes as one process, also after a kill."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("ray")

from speechbrain_lmac import explain_dataset
from tests.unit.bulk.conftest import PROMPTS, read_parts, write_clips

REPOSITORY = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "speechbrain_lmac", "explain-many"]


def descendants(process):
    """Return process id -> command line of all processes below a process."""
    parents, commands = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            commands[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        parents[int(folder.name)] = int(stat[1])
    below = {process}
    for _ in range(10):
        below |= {pid for pid, parent in parents.items() if parent in below}
    return {pid: commands[pid] for pid in below - {process}}


def start(clips, output, *options):
    words = [clips, "--output", output, "--engine", "ray", "--unit-files", "4", *options]
    prompts = [word for prompt in PROMPTS for word in ("--prompt", prompt)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, *map(str, words), *prompts],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_part(process, output):
    while process.poll() is None and not list(output.glob("parts/*.parquet")):
        time.sleep(0.05)


def test_ray_equals_serial_after_kills(tmp_path):
    """A worker and then the driver are killed; the parts equal those of the serial engine."""
    clips, output = tmp_path / "clips", tmp_path / "out"
    write_clips(clips, 32)
    process = start(clips, output, "--workers", "2")
    wait_for_part(process, output)
    workers = [p for p, command in descendants(process.pid).items() if "RayWorker" in command]
    for worker in workers[:1]:
        os.kill(worker, signal.SIGKILL)
    time.sleep(0.5)
    process.kill()
    process.communicate()
    process = start(clips, output, "--workers", "1")
    text, _ = process.communicate(timeout=240)
    assert process.returncode == 0, text
    serial = explain_dataset(str(clips), PROMPTS, str(tmp_path / "serial"), unit_files=4)
    assert serial.complete
    assert read_parts(output) == read_parts(tmp_path / "serial")
    assert "Actor" not in text  # logs of Ray stay away


@pytest.mark.exhaustive
def test_too_many_gpus_are_refused(tmp_path):
    """Workers that never fit are refused: Ray would wait for them without a word."""
    write_clips(tmp_path / "clips", 1)
    process = start(tmp_path / "clips", tmp_path / "out", "--gpus-per-worker", "64")
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "workers must be at most 0" in text
