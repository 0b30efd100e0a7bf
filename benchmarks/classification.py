"""Time the zero-shot classification of a 5 s clip by MiniCLAP and EfficientAT CLAP, on one core.

Usage: python benchmarks/classification.py [EFFICIENTAT_WEIGHTS]

Without a file, EfficientAT has random weights, which do not change the time. Runs are interleaved
and medians are printed, because timings are noisy. The ratio is comparable between machines.
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
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.models.clap.efficientat import EfficientATCLAP
from speechbrain_lmac.models.clap.mini import MiniCLAP

ROUNDS = 40
WARM_UP_ROUNDS = 5
"""First rounds, which are not counted."""


@torch.no_grad()
def milliseconds(clap: AudioClassifier, wavs: torch.Tensor, text: torch.Tensor) -> float:
    """Time a classification from the waveform to the best class; text embeddings are given."""
    start = time.perf_counter()
    (clap(wavs).vector @ text.T).argmax()
    return 1000 * (time.perf_counter() - start)


def main(weights: str | None = None) -> None:
    """Print the median time of each classifier and their ratio."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        random = Path(folder) / "random.pt"
        torch.save(Tagger().state_dict(), random)
        claps = {"MiniCLAP": MiniCLAP(), "EfficientAT": EfficientATCLAP(weights or random)}
    wavs = synthesize("rain", seed=0).unsqueeze(0)
    prompts = [class_prompt(name) for name in ESC50_CLASSES]
    texts = {name: clap.queries(prompts) for name, clap in claps.items()}
    times = {name: [] for name in claps}
    for _ in range(ROUNDS):
        for name, clap in claps.items():
            times[name].append(milliseconds(clap, wavs, texts[name]))
    medians = {name: statistics.median(values[WARM_UP_ROUNDS:]) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name:12s} {median:6.1f} ms")
    print(f"MiniCLAP / EfficientAT {medians['MiniCLAP'] / medians['EfficientAT']:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
