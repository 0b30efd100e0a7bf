"""What a training step costs: ratios measured side by side, and peak memory.

Usage: python benchmarks/training_step.py [--batch 8] [--rounds 5]
       [--hparams lmac_zs_laion.yaml --settings "clap: {weights: official.pt, tokenizer: folder}"]

Prints, for both planes, medians of interleaved rounds: the step over its floor (the encoder
forward and backward once per pair, without decoder and objective), the step with freed memory
kept over the step without, and the peak of the process. For a machine with nothing else to do.
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
import time
from functools import partial

import torch

from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.utils.config import hparams_path, load_hparams
from speechbrain_lmac.utils.device import keep_freed_memory


def seconds(function):
    """Wall-clock time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def step_and_floor(options):
    """Two functions: a whole step as the Brain takes it, and its floor."""
    batch = options.batch
    overrides = f"masking: {options.masking}\n{options.settings}"
    hparams = load_hparams(str(hparams_path(options.hparams)), overrides)
    model, gate, chunk = hparams["model"], hparams["gate"], hparams["chunk_size"]
    classifier = model.classifier
    optimizer = hparams["opt_class"](model.decoder.parameters())
    wavs = 0.1 * torch.randn(batch, 5 * classifier.audio_classifier.sample_rate)
    names = torch.nn.functional.normalize(
        torch.randn(50, classifier.audio_classifier.query_dim), dim=1
    )
    classes = classifier.competing(names)
    rows = min(hparams["prompts_per_clip"], batch)
    own = torch.stack([torch.arange(batch).roll(row) for row in range(rows)])
    clips = classifier.encode_clips(wavs)
    shares = gate.draw([random.Random(clip) for clip in range(batch)])
    sides = bool(hparams["objective"].mask_in) + bool(hparams["objective"].mask_out)
    heard = min(hparams["encoded_prompts_per_clip"], batch)
    gains = torch.rand(sides * heard, *clips.power.shape, requires_grad=True)

    def step():
        encoded = classifier.encode_clips(wavs)
        pairs = PromptPairs(encoded.encoding.vector, names[own], own, classes)
        masks = model(encoded, pairs.queries)
        opened = gate(masks[:heard], shares, 0.5)
        evaluate = partial(classifier.masked_objective, encoded, chunk_size=chunk)
        loss, _ = hparams["objective"](pairs, masks, opened, evaluate)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def cosines(embedding, index):
        found = (embedding * names[index % batch]).sum(dim=1)
        return found, found.unsqueeze(1)

    def floor():
        classifier.masked_objective(clips, gains, cosines, chunk)[0].mean().backward()

    return step, floor


def measure(options):
    """Medians of step and floor, interleaved, in seconds, and the peak in GiB."""
    step, floor = step_and_floor(options)
    step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    floor()
    times = [(seconds(step), seconds(floor)) for _ in range(options.rounds)]
    return [*(statistics.median(column) for column in zip(*times)), peak]


def compare(masking, options):
    """Run with and without kept memory in turn, each in its own process, and print ratios."""
    base = [sys.executable, __file__, "--masking", masking]
    base += ["--batch", str(options.batch), "--rounds", str(options.rounds)]
    base += ["--hparams", options.hparams, "--settings", options.settings]
    plain, kept = [], []
    for _ in range(3):
        for extra, runs in (([], plain), (["--keep"], kept)):
            out = subprocess.run([*base, *extra], capture_output=True, text=True, check=True)
            runs.append([float(value) for value in out.stdout.split()[-3:]])
    without, _, _ = (statistics.median(column) for column in zip(*plain))
    step, floor, peak = (statistics.median(column) for column in zip(*kept))
    print(
        f"{masking}, batch {options.batch}: step {step:.2f} s, floor {floor:.2f} s, ratio "
        f"{step / floor:.2f}; with memory kept over without {step / without:.2f}; peak "
        f"{peak:.1f} GiB"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hparams", default="lmac_zs.yaml")
    parser.add_argument("--settings", default="", help="YAML of changes, such as the CLAP's files")
    parser.add_argument("--masking", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.masking:
        if options.keep:
            keep_freed_memory()
        print(*measure(options))
        return
    for masking in DOMAINS:
        compare(masking, options)


if __name__ == "__main__":
    main()
