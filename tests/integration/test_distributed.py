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

STEPS = 14
"""Of two epochs of seven."""


def command(small_set, output, processes, port=None):
    program = [sys.executable, "-m", "speechbrain_lmac"]
    if processes > 1:
        launcher = ["-m", "torch.distributed.run", f"--nproc_per_node={processes}"]
        program = [sys.executable, *launcher, f"--master_port={port}", "-m", "speechbrain_lmac"]
    settings = {
        **{"data_folder": small_set, "output_folder": output, "clip_seconds": 0.5},
        **{"number_of_epochs": 2, "batch_size": 4, "valid_interval": 1, "masking": "mel"},
        **{"ckpt_interval_minutes": 0, "ckpt_interval_steps": 1, "feature_dropout": 0.2},
        **{"baselines": "[energy]", "device": "cpu"},
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return [*program, "train", "lmac_zs.yaml", *words]


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1"}


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def run(*arguments):
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def weights(output):
    return load_file(output / "interpreter" / "decoder.safetensors")


@pytest.fixture(scope="module")
def of_two(small_set, tmp_path_factory):
    output = tmp_path_factory.mktemp("two")
    run(small_set, output, 2, free_port())
    return output


def test_two_processes_train_like_one(small_set, of_two, tmp_path):
    """Weights and losses agree at the same batch size."""
    run(small_set, tmp_path, 1)
    expected, found = weights(tmp_path), weights(of_two)
    for name in expected:
        assert (found[name] - expected[name]).abs().max() < 1e-5 * STEPS, name
    logs = [(folder / "train_log.txt").read_text() for folder in (tmp_path, of_two)]
    figures = [[float(x) for x in re.findall(r"\d\.\d+e[-+]\d+", log)] for log in logs]
    assert figures[0] == pytest.approx(figures[1], rel=0.02)


def test_killed_process_resumes(small_set, of_two, tmp_path):
    """If one of two processes is killed, the same command ends with the same weights."""
    port = free_port()
    running = subprocess.Popen(
        command(small_set, tmp_path, 2, port),
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
    run(small_set, tmp_path, 2, free_port())
    expected, found = weights(of_two), weights(tmp_path)
    for name in expected:
        assert (found[name] - expected[name]).abs().max() < 1e-6, name
