"""What a training step costs, as ratios measured side by side.

Usage: python benchmarks/training_step.py [--batch 8] [--rounds 5]

Prints, for both planes, the medians of interleaved rounds: the step over its floor (the
encoder forward and backward once per pair, and no decoder), and the step with freed memory
kept over the step without. Run on one machine with nothing else to do.
"""

import argparse
import statistics
import subprocess
import sys
import time

import torch

from speechbrain_lmac.clap.embedded import EmbeddedClap
from speechbrain_lmac.decoder import MaskDecoder
from speechbrain_lmac.listenable_map import ListenableMap
from speechbrain_lmac.masking import MaskableClassifier
from speechbrain_lmac.memory import keep_freed_memory
from speechbrain_lmac.planes import PLANES

CHUNK = 16


def seconds(function):
    """Wall-clock time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def step_and_floor(masking, batch):
    """Two functions: a whole step, and its floor."""
    clap = EmbeddedClap()
    classifier = MaskableClassifier(PLANES[masking](clap))
    decoder = MaskDecoder(clap.hidden_channels, clap.text_dim)
    model = ListenableMap(classifier, decoder)
    wavs = 0.1 * torch.randn(batch, 5 * clap.sample_rate)
    text = torch.nn.functional.normalize(torch.randn(batch, clap.text_dim), dim=1)
    power = classifier.analyse(wavs).power
    masks = torch.rand(batch, *power.shape, requires_grad=True)

    def step():
        pairs = model.pairs(classifier.analyse(wavs), text, CHUNK)
        (pairs.masked_in.mean() + pairs.masked_out.mean() + pairs.masks.mean()).backward()

    def floor():
        classifier.pair_cosines(power, masks, text.unsqueeze(1), CHUNK).mean().backward()

    return step, floor


def measure(masking, batch, rounds):
    """Medians of step and floor, interleaved, in seconds."""
    functions = step_and_floor(masking, batch)
    for function in functions:
        function()
    times = [[seconds(function) for function in functions] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*times)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--masking", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.masking:
        if options.keep:
            keep_freed_memory()
        print(*measure(options.masking, options.batch, options.rounds))
        return
    for masking in PLANES:
        compare(masking, options)


def compare(masking, options):
    """Run with and without kept memory in turn, each in its own process, and print ratios."""
    base = [sys.executable, __file__, "--masking", masking]
    base += ["--batch", str(options.batch), "--rounds", str(options.rounds)]
    plain, kept = [], []
    for _ in range(3):
        for extra, runs in (([], plain), (["--keep"], kept)):
            out = subprocess.run([*base, *extra], capture_output=True, text=True, check=True)
            runs.append([float(value) for value in out.stdout.split()])
    (step, _), (kept_step, kept_floor) = (
        [statistics.median(c) for c in zip(*r)] for r in (plain, kept)
    )
    print(
        f"{masking}, batch {options.batch}: step {kept_step:.2f} s, over its floor "
        f"{kept_step / kept_floor:.2f}; with memory kept over without {kept_step / step:.2f}"
    )


if __name__ == "__main__":
    main()
