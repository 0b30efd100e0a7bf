"""Kills, full disks, NaN losses and exhausted memory: no partial result is used as complete."""

import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.evaluation.benchmark import figures, tables
from speechbrain_lmac.training import train as training
from speechbrain_lmac.training.brain import LMACBrain
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write, write_text
from speechbrain_lmac.utils.run_metadata import METADATA_FILE
from tests.helpers.forked import Forked, finish, run
from tests.helpers.runs import training_arguments as arguments

KILLS = int(os.environ.get("SPEECHBRAIN_LMAC_RANDOM_KILLS", "2"))
"""Number of kills of each long job, at random moments. test_kills.py kills at file operations."""


def kill_at_random(words, seed, max_seconds, log):
    """Start a command and kill it after a random time from 0.1 s to ``max_seconds``."""
    running = Forked(words, log, prepare=summarize_nothing)
    time.sleep(random.Random(seed).uniform(0.1, max_seconds))
    running.kill()


def summarize_nothing(set_attribute=setattr):
    """Leave out the summary and the figures of a benchmark, which no score depends on."""
    set_attribute(tables, "write_summary", lambda *facts: None)
    set_attribute(figures, "draw_all", lambda *facts: None)


def hashes(folder, patterns):
    """Return path -> SHA-256 of the files that match the patterns."""
    paths = sorted(path for pattern in patterns for path in folder.glob(pattern))
    assert paths
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def train(small_set, output):
    """Return the arguments of a short training."""
    return ["train", *arguments(small_set, output)]


def evaluate(small_set, output):
    """Return the arguments of a small benchmark."""
    return [
        *("evaluate", "evaluate.yaml", "--data_folder", str(small_set), "--clip_seconds", "0.5"),
        *("--output_folder", str(output), "--maskings", "[mel]", "--conditions", "[clean]"),
        *("--interpreters", "{mel: mini-mel}", "--explainers", "[lmac, gradcam++, energy]"),
        *("--subset_only_explainers", "[]", "--gallery", "False", "--device", "cpu"),
        *("--num_clips", "{clips: 3, valid_clips: 1, subset: 1, randomized: 1}"),
    ]


@pytest.fixture
def log(tmp_path_factory):
    """File for the output of a process."""
    return tmp_path_factory.mktemp("log") / "output.txt"


@pytest.fixture(scope="module")
def trained(small_set, tmp_path_factory):
    """Output folder of an uninterrupted training, and its duration."""
    output = tmp_path_factory.mktemp("trained")
    log = tmp_path_factory.mktemp("log") / "train.txt"
    return output, finish(train(small_set, output), log).seconds


def test_training_killed_gives_equal_bits(small_set, trained, tmp_path, log):
    """Weights, metrics and manifests equal those of an uninterrupted training."""
    undisturbed, seconds = trained
    for seed in range(KILLS):
        kill_at_random(train(small_set, tmp_path), seed, seconds, log)
    assert main(train(small_set, tmp_path)) == 0
    patterns = ["interpreter/*", "metrics.csv", "results.md", "*.csv"]
    assert hashes(tmp_path, patterns) == hashes(undisturbed, patterns)


def test_evaluation_killed_gives_equal_rows(small_set, tmp_path, log, monkeypatch):
    """All scores equal those of an uninterrupted evaluation, which records one command."""
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    seconds = finish(evaluate(small_set, undisturbed), log, prepare=summarize_nothing).seconds
    for seed in range(KILLS):
        kill_at_random(evaluate(small_set, killed), seed, seconds, log)
    summarize_nothing(monkeypatch.setattr)
    assert main(evaluate(small_set, killed)) == 0
    assert rows_of(killed) == rows_of(undisturbed)
    (entry,) = json.loads((undisturbed / METADATA_FILE).read_text())
    assert entry["command"].startswith("speechbrain-lmac evaluate evaluate.yaml ")


PARENT = """
import multiprocessing
from speechbrain_lmac.evaluation.benchmark.run import end_with_parent
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=end_with_parent)
    child.start()
    print(child.pid, flush=True)
    child.join()
"""


def test_worker_ends_with_its_parent(tmp_path):
    """A worker process of the benchmark does not continue after its parent is killed."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline()
    time.sleep(0.5)
    assert parent.poll() is None
    parent.kill()
    parent.communicate(timeout=60)  # until the worker has closed the pipe


def rows_of(folder):
    """Return all sorted scores except durations."""
    scores = pd.read_csv(folder / "results.csv.gz")
    scores = scores[scores.metric != "seconds"]
    keys = ["condition", "method", "clip", "metric", "fraction"]
    return scores.sort_values(keys).to_csv(index=False)


def test_run_metadata_names_command(trained):
    """``run_metadata.json`` has the command, the threads and the versions of packages."""
    (entry,) = json.loads((trained[0] / METADATA_FILE).read_text())
    assert entry["command"].startswith("speechbrain-lmac train ")
    assert str(trained[0]) in entry["command"] and entry["threads"] == 1
    assert entry["packages"]["torch"] == version("torch")


def test_atomic_write_leaves_no_partial_file(tmp_path):
    """After an exception in the block, the file is as before."""
    path = tmp_path / "a.txt"
    write_text(path, "before")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(InputError, match="cannot be written"):
        write_text("/proc/nowhere/a.txt", "x")


def limit_file_size():
    """Limit files to 200 kB, as if the disk was full.

    Python would install byte code that is cut at the limit.
    """
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def test_training_resumes_after_full_disk(small_set, tmp_path, log):
    """A full disk is an error; the same command completes when there is room."""
    words = ["train", *arguments(small_set, tmp_path, number_of_epochs=1)]
    done = run(words, log, prepare=limit_file_size)
    assert done.status == 2, done.output[-1000:]
    assert "error: no checkpoint can be written" in done.output and "Traceback" not in done.output
    assert main(words) == 0
    assert (tmp_path / "results.md").is_file()


def test_explain_full_disk_leaves_no_sound(tmp_path, log):
    """A full disk is an error, and no WAV file remains."""
    sound = synthesize("siren", seed=1, seconds=5.0).repeat(4)
    soundfile.write(tmp_path / "long.wav", sound.numpy(), SAMPLE_RATE)
    words = ["explain", str(tmp_path / "long.wav"), "--prompt", "siren", "--source", "mini-mel"]
    done = run([*words, "--output", str(tmp_path / "why")], log, prepare=limit_file_size)
    assert done.status != 0 and "Traceback" not in done.output
    assert not list((tmp_path / "why").rglob("*.wav*"))


def test_training_nan_loss_names_clips(small_set, tmp_path, monkeypatch, capsys):
    """A learning rate of 1e30 gives NaN. The error names the four clips of the batch."""
    with pytest.raises(SystemExit):
        training.main(arguments(small_set, tmp_path, lr=1e30, max_grad_norm=1e30))
    error = capsys.readouterr().err
    assert "error: the loss must be finite, got nan" in error and "lr" in error
    assert sum(clip.stem in error for clip in (small_set / "audio").iterdir()) == 4


def limit_memory():
    """Give each training step 100 MiB."""
    forward = LMACBrain.compute_forward

    def limited(self, *args):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + (100 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return forward(self, *args)

    LMACBrain.compute_forward = limited


def test_training_out_of_memory_names_settings(small_set, tmp_path, log):
    """The error has the epoch and the settings to lower."""
    words = ["train", *arguments(small_set, tmp_path, batch_size=16, clip_seconds=20)]
    done = run(words, log, prepare=limit_memory)
    assert done.status == 2, done.output[-1500:]
    assert "got an out-of-memory error in epoch 1" in done.output and "batch_size" in done.output
