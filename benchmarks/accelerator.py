"""explain-many on an accelerator beside one core: python benchmarks/accelerator.py FOLDER [DEVICE].

Explains the sounds of FOLDER for 50 prompts: on one core, then on DEVICE (default: cuda) in single
precision and in bfloat16, with each sound REPEATS times under other names. Prints clips per second,
the mean utilization of a GPU, and how far the results are from those of the core.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch

from speechbrain_lmac import Interpreter, explain_dataset
from speechbrain_lmac.audio.files import find_audio_files
from speechbrain_lmac.bulk.rows import read_rows
from speechbrain_lmac.data.labels import ESC50_CLASSES

REPEATS = 20
"""Copies of each sound on the accelerator."""
ON_CORE = 80
"""Sounds on the core."""
QUERY = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]


class Utilization(threading.Thread):
    """Samples the utilization of the first GPU, in percent, until it is stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.values, self.stopped = [], threading.Event()

    def run(self):
        while not self.stopped.wait(0.5):
            try:
                text = subprocess.run(QUERY, capture_output=True, text=True, check=True).stdout
            except (OSError, subprocess.CalledProcessError):
                return
            self.values.append(int(text.split()[0]))

    def mean(self):
        self.stopped.set()
        return f"{statistics.mean(self.values):.0f} %" if self.values else "unknown"


def explain(files, prompts, output, interpreter, **options):
    """Return clips per second, the utilization, and file -> row."""
    utilization, before = Utilization(), time.perf_counter()
    utilization.start()
    explain_dataset(
        files, prompts, output, interpreter=interpreter, progress=False, unit_files=1000, **options
    )
    speed = len(files) / (time.perf_counter() - before)
    parts = sorted(Path(output).glob("parts/*.parquet"))
    rows = [row for path in parts for row in read_rows(path.read_bytes()).to_pylist()]
    return speed, utilization.mean(), {row["file"]: row for row in rows}


def difference(reference, rows):
    """Largest difference of presence, and the fraction of hits with the same region times."""
    presence, same, count = 0.0, 0, 0
    for file, row in reference.items():
        other = rows[file]
        gap = torch.tensor(row["presence"]) - torch.tensor(other["presence"])
        presence = max(presence, gap.abs().max().item())
        spans = {hit["prompt"]: times(hit) for hit in other["hits"]}
        count += len(row["hits"])
        same += sum(spans.get(hit["prompt"]) == times(hit) for hit in row["hits"])
    return f"presence differs by up to {presence:.1e}, {same} of {count} hits have equal regions"


def times(hit):
    return [(region["start"], region["stop"]) for region in hit["regions"]]


def main(folder, device="cuda"):
    found = [Path(path).resolve() for path in find_audio_files(folder)[0]]
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as work:
        files = []
        for i in range(REPEATS):
            Path(work, f"{i:03d}").mkdir()
            for path in found:
                files.append(f"{work}/{i:03d}/{path.name}")
                os.symlink(path, files[-1])
        for source in ("mini-stft", "mini-mel"):
            compare(source, device, files, files[: len(found)][:ON_CORE], work)


def compare(source, device, files, few, work):
    core = Interpreter.from_hparams(source=source, run_opts={"device": "cpu"})
    prompts = [core.audio_classifier.question(n.replace("_", " ")) for n in ESC50_CLASSES]
    speed, _, reference = explain(few, prompts, f"{work}/{source}-core", core)
    print(f"{source}, one core: {speed:.1f} clips/s", flush=True)
    interpreter = Interpreter.from_hparams(source=source, run_opts={"device": device})
    explain(files[:64], prompts, f"{work}/{source}-warm", interpreter)
    for precision in ("fp32", "bf16"):
        output = f"{work}/{source}-{precision}"
        fast, busy, rows = explain(files, prompts, output, interpreter, precision=precision)
        print(
            f"{source}, {device}, {precision}: {fast:.0f} clips/s ({fast / speed:.0f} cores), "
            f"utilization {busy}; {difference(reference, rows)}",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
