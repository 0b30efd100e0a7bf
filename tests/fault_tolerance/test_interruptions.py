"""Kills, full disks, numbers and memory that run out: nothing half-written is taken for whole."""

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

import pandas as pd
import pytest
import soundfile

from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.training import train as training
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write, write_text
from speechbrain_lmac.utils.run_metadata import METADATA_FILE
from tests.helpers.runs import training_arguments as arguments

KILLS = int(os.environ.get("SPEECHBRAIN_LMAC_RANDOM_KILLS", "2"))
"""Of each long job, at random moments; tests/fault_tolerance/test_kills.py kills at every file
operation."""
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(words, **options):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": ONE_THREAD}
    return subprocess.Popen(
        [sys.executable, "-m", "speechbrain_lmac", *words], **{**quiet, **options}
    )


def kill_at_random(words, seed, longest):
    """Start a job and kill it, some time before it would end, at a moment drawn from a seed."""
    running = start(words, start_new_session=True)
    time.sleep(random.Random(seed).uniform(0.1, longest))
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGKILL)
    running.wait()


def ended(words, **options):
    """A job, after its end."""
    said = {"capture_output": True, "text": True, "check": False, "env": ONE_THREAD}
    return subprocess.run([sys.executable, "-m", "speechbrain_lmac", *words], **said, **options)


def finish(words):
    done = ended(words)
    assert done.returncode == 0, done.stderr[-2000:]


def timed(words):
    begin = time.monotonic()
    finish(words)
    return time.monotonic() - begin


def contents(folder, patterns):
    """What files hold, by their hashes."""
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    assert found
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
    }


def train(small_set, output):
    return ["train", *arguments(small_set, output)]


def evaluate(small_set, output):
    return [
        *("evaluate", "evaluate.yaml", "--data_folder", str(small_set), "--clip_seconds", "0.5"),
        *("--output_folder", str(output), "--maskings", "[mel]", "--conditions", "[clean]"),
        *("--interpreters", "{mel: mini-mel}", "--explainers", "[lmac, gradcam++, energy]"),
        *("--subset_only_explainers", "[]", "--gallery", "False", "--device", "cpu"),
        *("--num_clips", "{clips: 6, valid_clips: 2, subset: 2, randomized: 1}"),
    ]


@pytest.fixture(scope="module")
def trained(small_set, tmp_path_factory):
    """A run that nothing disturbed, and how long it took."""
    output = tmp_path_factory.mktemp("trained")
    return output, timed(train(small_set, output))


def test_a_killed_training_ends_with_the_same_bits(small_set, trained, tmp_path):
    undisturbed, seconds = trained
    for seed in range(KILLS):
        kill_at_random(train(small_set, tmp_path), seed, seconds)
    finish(train(small_set, tmp_path))
    patterns = ["interpreter/*", "metrics.csv", "results.md", "*.csv"]
    assert contents(tmp_path, patterns) == contents(undisturbed, patterns)


def test_a_killed_evaluation_ends_with_the_same_rows(small_set, tmp_path):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    seconds = timed(evaluate(small_set, undisturbed))
    for seed in range(KILLS):
        kill_at_random(evaluate(small_set, killed), seed, seconds)
    finish(evaluate(small_set, killed))
    assert rows_of(killed) == rows_of(undisturbed)
    (entry,) = json.loads((undisturbed / METADATA_FILE).read_text())
    assert entry["command"].startswith("python evaluate.py evaluate.yaml ")


PARENT = """
import multiprocessing
from speechbrain_lmac.evaluation.benchmark.run import end_with_parent
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=end_with_parent)
    child.start()
    print(child.pid, flush=True)
    child.join()
"""


def test_a_planes_process_ends_with_the_one_that_started_it(tmp_path):
    """Else it would go on unseen, and hold the rows."""
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline()
    time.sleep(0.5)
    assert parent.poll() is None
    parent.kill()
    parent.communicate(timeout=60)  # until the last of them has closed it


def rows_of(folder):
    """All that was measured but the time it took, in one order."""
    scores = pd.read_csv(folder / "results.csv.gz")
    scores = scores[scores.metric != "seconds"]
    keys = ["condition", "method", "clip", "metric", "fraction"]
    return scores.sort_values(keys).to_csv(index=False)


def test_a_results_folder_says_how_it_was_made(trained):
    (entry,) = json.loads((trained[0] / METADATA_FILE).read_text())
    assert entry["command"].startswith("python train.py ")
    assert str(trained[0]) in entry["command"] and entry["threads"] == 1
    assert entry["packages"]["torch"] == version("torch")


def test_a_file_that_cannot_be_written_is_not_there(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "before")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(InputError, match="cannot be written"):
        write_text("/proc/nowhere/a.txt", "x")


def limit_file_size():
    """As a disk that is full after so many bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))


def test_a_full_disk_is_said_and_the_run_goes_on_when_there_is_room(small_set, tmp_path):
    words = train(small_set, tmp_path)
    done = ended(words, preexec_fn=limit_file_size)
    assert done.returncode == 2, done.stderr[-1000:]
    assert "error: no checkpoint can be written" in done.stderr and "Traceback" not in done.stderr
    finish(words)


def test_a_full_disk_leaves_no_explanation_that_looks_whole(tmp_path):
    sound = synthesize("siren", seed=1, seconds=5.0).repeat(4)
    soundfile.write(tmp_path / "long.wav", sound.numpy(), SAMPLE_RATE)
    words = ["explain", str(tmp_path / "long.wav"), "--prompt", "siren", "--source", "mini-mel"]
    done = ended([*words, "--output", str(tmp_path / "why")], preexec_fn=limit_file_size)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert not list((tmp_path / "why").rglob("*.wav*"))


def test_a_loss_that_is_no_number_stops_and_names_the_clips(
    small_set, tmp_path, monkeypatch, capsys
):
    """A rate that throws the weights far away."""
    with pytest.raises(SystemExit):
        training.main(arguments(small_set, tmp_path, lr=1e30, max_grad_norm=1e30))
    said = capsys.readouterr().err
    assert "error: the loss must be finite, got nan" in said and "lr" in said
    assert sum(clip.stem in said for clip in (small_set / "audio").iterdir()) == 4


def test_memory_that_runs_out_is_said_with_what_to_lower(small_set, tmp_path):
    code = (
        "import resource, sys\nfrom speechbrain_lmac.training.brain import LMACBrain\n"
        "from speechbrain_lmac.training.train import main\nforward = LMACBrain.compute_forward\n"
        "def limited(self, *rest):\n"
        "    pages = int(open('/proc/self/statm').read().split()[0])\n"
        "    most = pages * resource.getpagesize() + (100 << 20)\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (most, most))\n"
        "    return forward(self, *rest)\n"
        "LMACBrain.compute_forward = limited\nmain(sys.argv[1:])"
    )
    words = arguments(small_set, tmp_path, batch_size=16, clip_seconds=20)
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        check=False,
        env=ONE_THREAD,
    )
    assert done.returncode == 2, done.stderr[-1500:]
    assert "got an out-of-memory error in epoch 1" in done.stderr and "batch_size" in done.stderr
