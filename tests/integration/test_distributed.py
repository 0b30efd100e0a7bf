"""Two processes on one machine train as one does at the same batch."""

import os
import re
import socket
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

from speechbrain_lmac.training import train
from tests.helpers.forked import Forked
from tests.helpers.runs import training_arguments

STEPS = 10
"""Training steps of two epochs."""


def settings(small_set, output):
    """Return the arguments of a short training."""
    return training_arguments(small_set, output, train_folds="[1, 2]")


def command(small_set, output):
    """Return the command of a short training with two processes."""
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", f"--master_port={free_port()}"]
    program = [sys.executable, *launcher, "-m", "speechbrain_lmac", "train"]
    return [*program, *settings(small_set, output)]


def free_port():
    """Return an unused port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ranks(small_set, output, folder):
    """Start the two processes of the same training without the launcher."""
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    words = ["train", *settings(small_set, output)]
    return [
        Forked(
            words, folder / f"{rank}.txt", variables={**common, "RANK": rank, "LOCAL_RANK": rank}
        )
        for rank in "01"
    ]


def complete(small_set, output, folder):
    """Run the two processes of a training to their end."""
    for process in ranks(small_set, output, folder):
        done = process.wait()
        assert done.status == 0, done.output[-2000:]


def weights(output):
    """Return the exported weights of a decoder."""
    return load_file(output / "interpreter" / "decoder.safetensors")


@pytest.fixture(scope="module")
def two_processes(small_set, tmp_path_factory):
    """Output folder of a training with two processes."""
    output = tmp_path_factory.mktemp("two")
    complete(small_set, output, tmp_path_factory.mktemp("logs"))
    return output


@pytest.mark.exhaustive
def test_launcher_trains_like_the_processes(small_set, two_processes, tmp_path):
    """``torchrun`` starts the same processes, which train the same weights."""
    done = subprocess.run(
        command(small_set, tmp_path),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    expected, trained = weights(two_processes), weights(tmp_path)
    for name in expected:
        assert (trained[name] - expected[name]).abs().max() < 1e-6, name


def test_two_processes_train_like_one(small_set, two_processes, tmp_path):
    """Weights and losses agree at the same batch size."""
    train.main(settings(small_set, tmp_path))
    expected, trained = weights(tmp_path), weights(two_processes)
    for name in expected:
        assert (trained[name] - expected[name]).abs().max() < 1e-5 * STEPS, name
    logs = [(folder / "train_log.txt").read_text() for folder in (tmp_path, two_processes)]
    losses = [[float(x) for x in re.findall(r"\d\.\d+e[-+]\d+", log)] for log in logs]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_killed_process_resumes(small_set, two_processes, tmp_path, tmp_path_factory):
    """If one of two processes is killed, the same command ends with the same weights."""
    logs = tmp_path_factory.mktemp("logs")
    other, killed = ranks(small_set, tmp_path, logs)
    while len(list(tmp_path.glob("save/CKPT*/CKPT.yaml"))) < 1:
        assert other.process.is_alive() and killed.process.is_alive(), other.log.read_text()[-2000:]
        time.sleep(0.05)
    killed.kill()
    assert other.wait(timeout=120).status != 0
    assert not (tmp_path / "results.md").exists()
    complete(small_set, tmp_path, logs)
    expected, trained = weights(two_processes), weights(tmp_path)
    for name in expected:
        assert (trained[name] - expected[name]).abs().max() < 1e-6, name
