"""Measure the time and the peak memory of explaining a long recording window by window.

Usage: python benchmarks/long.py [--minutes 60] [--prompts 2] [--source mini-stft]
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import soundfile
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize

PROMPTS = ("the sound of a siren", "the sound of rain", "the sound of a dog")


def write_recording(path: Path, minutes: int) -> None:
    """Write a FLAC file of rain, with one siren of 3 s per minute."""
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
        for minute in range(minutes):
            sound = 0.05 * synthesize("rain", seed=minute, seconds=60.0)
            start = (7 + 11 * minute) % 50 * SAMPLE_RATE
            sound[start : start + 3 * SAMPLE_RATE] += synthesize("siren", minute, seconds=3.0)
            file.write(sound.numpy())


def peak_memory() -> float:
    """Return the peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=int, default=60, help="length (default: 60)")
    parser.add_argument(
        "--prompts", type=int, default=2, help="number of prompts, at most 3 (default: 2)"
    )
    parser.add_argument(
        "--source",
        default="mini-stft",
        help="interpreter: name, folder or Hub repository (default: mini-stft)",
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default: 1)")
    return parser


def main() -> None:
    """Write and explain a recording, and print the measurements."""
    options = make_parser().parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.flac"
        write_recording(path, options.minutes)
        memory_before = peak_memory()
        interpreter = Interpreter.from_hparams(source=options.source, run_opts={"device": "cpu"})
        start = time.perf_counter()
        prompts = list(PROMPTS[: options.prompts])
        timeline = interpreter.interpret_recording(path, prompts, Path(folder) / "explanation")
        seconds = time.perf_counter() - start
        sirens = [region for region in timeline.regions() if region.prompt == prompts[0]]
        memory = peak_memory()
    print(
        f"{options.minutes} min, {options.prompts} prompts, {options.source}: {seconds:.0f} s, "
        f"{60 * options.minutes / seconds:.0f} times real time; peak memory {memory:.0f} MiB "
        f"({memory_before:.0f} MiB before); {len(sirens)} regions for one siren per minute"
    )


if __name__ == "__main__":
    main()
