"""Two processes on one machine train as one does at the same batch."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

from speechbrain_lmac.training import train
from tests.helpers.runs import training_arguments

STEPS = 14
"""Training steps of two epochs."""


def settings(small_set, output):
    """Return the arguments of a short training."""
    return training_arguments(small_set, output)


def command(small_set, output):
    """Return the command of a short training with two processes."""
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={free_port()}"]
    program = [sys.executable, *launcher, "-m", "speechbrain_lmac", "train"]
    return [*program, *settings(small_set, output)]


def environment():
    """Return the environment of the processes, with one thread each."""
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def free_port():
    """Return an unused port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run(small_set, output):
    """Run a training with two processes that must succeed."""
    done = subprocess.run(
        command(small_set, output),
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def weights(output):
    """Return the exported weights of a decoder."""
    return load_file(output / "interpreter" / "decoder.safetensors")


@pytest.fixture(scope="module")
def two_processes(small_set, tmp_path_factory):
    """Output folder of a training with two processes."""
    output = tmp_path_factory.mktemp("two")
    run(small_set, output)
    return output


def test_two_processes_train_like_one(small_set, two_processes, tmp_path):
    """Weights and losses agree at the same batch size."""
    train.main(settings(small_set, tmp_path))
    expected, trained = weights(tmp_path), weights(two_processes)
    for name in expected:
        assert (trained[name] - expected[name]).abs().max() < 1e-5 * STEPS, name
    logs = [(folder / "train_log.txt").read_text() for folder in (tmp_path, two_processes)]
    losses = [[float(x) for x in re.findall(r"\d\.\d+e[-+]\d+", log)] for log in logs]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_killed_process_resumes(small_set, two_processes, tmp_path):
    """If one of two processes is killed, the same command ends with the same weights."""
    running = subprocess.Popen(
        command(small_set, tmp_path),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while len(list(tmp_path.glob("save/CKPT*/CKPT.yaml"))) < 1:
        assert running.poll() is None
        time.sleep(0.05)
    children = subprocess.run(
        ["pgrep", "-P", str(running.pid)], capture_output=True, text=True, check=True
    )
    os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
    assert running.wait(timeout=120) != 0
    assert not (tmp_path / "results.md").exists()
    run(small_set, tmp_path)
    expected, trained = weights(two_processes), weights(tmp_path)
    for name in expected:
        assert (trained[name] - expected[name]).abs().max() < 1e-6, name
