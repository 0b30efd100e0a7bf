"""Measure the time of a training step, relative to its lower bound, and the peak memory.

Usage: python benchmarks/training_step.py [--batch 8] [--rounds 5]
       [--hparams lmac_zs_laion.yaml --settings "clap: {weights: official.pt, tokenizer: folder}"]

The lower bound is the encoder's forward and backward pass for each pair, without the decoder and
the objective. For both masking domains, the script prints medians of interleaved rounds: the step,
the lower bound and their ratio. It also prints the ratio of the steps with and without
``keep_freed_memory``, and the peak memory of the process. Run it on an idle machine.
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import torch

from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.utils.config import hparams_path, load_hparams
from speechbrain_lmac.utils.device import keep_freed_memory


def seconds(function: Callable[[], None]) -> float:
    """Return the wall-clock time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def make_functions(
    options: argparse.Namespace,
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return two functions: a training step as in training, and its lower bound."""
    batch = options.batch
    overrides = f"masking: {options.masking}\n{options.settings}"
    hparams = load_hparams(str(hparams_path(options.hparams)), overrides)
    model, gate, chunk = hparams["model"], hparams["gate"], hparams["chunk_size"]
    classifier = model.classifier
    optimizer = hparams["opt_class"](model.decoder.parameters())
    wavs = 0.1 * torch.randn(batch, 5 * classifier.audio_classifier.sample_rate)
    class_queries = torch.nn.functional.normalize(
        torch.randn(50, classifier.audio_classifier.query_dim), dim=1
    )
    classes = classifier.competing(class_queries)
    prompts = min(hparams["prompts_per_clip"], batch)
    targets = torch.stack([torch.arange(batch).roll(shift) for shift in range(prompts)])
    clips = classifier.encode_clips(wavs)
    fractions = gate.draw([random.Random(clip) for clip in range(batch)])
    sides = bool(hparams["objective"].mask_in) + bool(hparams["objective"].mask_out)
    encoded_prompts = min(hparams["encoded_prompts_per_clip"], batch)
    random_masks = torch.rand(sides * encoded_prompts, *clips.power.shape, requires_grad=True)

    def step() -> None:
        encoded = classifier.encode_clips(wavs)
        pairs = PromptPairs(encoded.encoding.vector, class_queries[targets], targets, classes)
        masks = model(encoded, pairs.queries)
        gated = gate(masks[:encoded_prompts], fractions, 0.5)
        evaluate = partial(classifier.masked_objective, encoded, chunk_size=chunk)
        loss, _ = hparams["objective"](pairs, masks, gated, evaluate)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def cosines(embedding: torch.Tensor, index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cosine = (embedding * class_queries[index % batch]).sum(dim=1)
        return cosine, cosine.unsqueeze(1)

    def lower_bound() -> None:
        classifier.masked_objective(clips, random_masks, cosines, chunk)[0].mean().backward()

    return step, lower_bound


def measure(options: argparse.Namespace) -> list[float]:
    """Return the median times of the step and its lower bound in seconds, and the peak in GiB."""
    step, lower_bound = make_functions(options)
    step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    lower_bound()
    times = [(seconds(step), seconds(lower_bound)) for _ in range(options.rounds)]
    return [*(statistics.median(column) for column in zip(*times)), peak]


def compare(masking: str, options: argparse.Namespace) -> None:
    """Run with and without ``keep_freed_memory`` in turn, in own processes, and print ratios."""
    command = [sys.executable, __file__, "--masking", masking]
    command += ["--batch", str(options.batch), "--rounds", str(options.rounds)]
    command += ["--hparams", options.hparams, "--settings", options.settings]
    default_runs, keep_runs = [], []
    for _ in range(3):
        for extra, runs in (([], default_runs), (["--keep"], keep_runs)):
            process = subprocess.run([*command, *extra], capture_output=True, text=True, check=True)
            runs.append([float(value) for value in process.stdout.split()[-3:]])
    default_step, _, _ = (statistics.median(column) for column in zip(*default_runs))
    step, bound, peak = (statistics.median(column) for column in zip(*keep_runs))
    print(
        f"{masking}, batch {options.batch}: step {step:.2f} s, lower bound {bound:.2f} s, "
        f"ratio {step / bound:.2f}; step with kept memory / default {step / default_step:.2f}; "
        f"peak memory {peak:.1f} GiB"
    )


def main() -> None:
    """Measure both masking domains, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=8, help="clips per batch (default: 8)")
    parser.add_argument("--rounds", type=int, default=5, help="steps that are timed (default: 5)")
    parser.add_argument(
        "--hparams", default="lmac_zs.yaml", help="YAML file of settings (default: lmac_zs.yaml)"
    )
    parser.add_argument("--settings", default="", help="YAML text with changed settings")
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
