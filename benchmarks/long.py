"""An hour of sound explained window by window: time, and the peak of memory.

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


def main():
    this = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    this.add_argument("--minutes", type=int, default=60)
    this.add_argument("--prompts", type=int, default=2)
    this.add_argument("--source", default="mini-stft")
    this.add_argument("--threads", type=int, default=1)
    options = this.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.flac"
        with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
            for minute in range(options.minutes):
                sound = 0.05 * synthesize("rain", seed=minute, seconds=60.0)
                start = (7 + 11 * minute) % 50 * SAMPLE_RATE
                sound[start : start + 3 * SAMPLE_RATE] += synthesize("siren", minute, seconds=3.0)
                file.write(sound.numpy())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        interpreter = Interpreter.from_hparams(source=options.source, run_opts={"device": "cpu"})
        begin = time.perf_counter()
        prompts = list(PROMPTS[: options.prompts])
        timeline = interpreter.interpret_recording(path, prompts, Path(folder) / "why")
        seconds = time.perf_counter() - begin
        found = [region for region in timeline.regions() if region.prompt == prompts[0]]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{options.minutes} min, {options.prompts} prompts, {options.source}: {seconds:.0f} s, "
        f"{60 * options.minutes / seconds:.0f} times as fast as it sounds; peak {peak:.0f} MiB "
        f"({before:.0f} before); {len(found)} regions of one siren a minute"
    )


if __name__ == "__main__":
    main()
