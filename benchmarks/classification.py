"""Time one zero-shot classification of a 5 s clip on one core: MiniCLAP against EfficientAT CLAP.

Usage: python benchmarks/classification.py [TAGGER_WEIGHTS]

Without weights the tagger's are random; that changes nothing in the time. Runs are interleaved
and medians are quoted, since machines are noisy; the ratio is what travels.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.models.backbones.mobilenet import Tagger
from speechbrain_lmac.models.clap.efficientat import EfficientATCLAP
from speechbrain_lmac.models.clap.mini import MiniCLAP

ROUNDS = 40


@torch.no_grad()
def milliseconds(clap, wavs, text):
    """From the waveform to the best of 50 names, whose embeddings are known."""
    start = time.perf_counter()
    (clap(wavs).vector @ text.T).argmax()
    return 1000 * (time.perf_counter() - start)


def main(weights=None):
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        random = Path(folder) / "random.pt"
        torch.save(Tagger().state_dict(), random)
        claps = {"mini": MiniCLAP(), "tagger": EfficientATCLAP(weights or random)}
    wavs = synthesize("rain", seed=0).unsqueeze(0)
    prompts = [class_prompt(name) for name in ESC50_CLASSES]
    texts = {name: clap.queries(prompts) for name, clap in claps.items()}
    times = {name: [] for name in claps}
    for _ in range(ROUNDS):
        for name, clap in claps.items():
            times[name].append(milliseconds(clap, wavs, texts[name]))
    medians = {name: statistics.median(taken[5:]) for name, taken in times.items()}
    for name, median in medians.items():
        print(f"{name:10s} {median:6.1f} ms")
    print(f"embedded / tagger {medians['embedded'] / medians['tagger']:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
