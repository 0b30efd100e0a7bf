"""Measure how well an interpreter separates synthetic mixtures: SI-SDR to the known sources.

Usage: python benchmarks/mixtures.py [SOURCE ...]

Each pair of the ten classes is mixed at 0 dB and explained for both classes. SOURCE is a name, a
folder or a Hub repository of an interpreter. Default: the pretrained interpreters of the package.
"""

import itertools
import sys
from collections.abc import Iterator

import pandas as pd
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import KINDS, mixture
from speechbrain_lmac.metrics.faithfulness import si_sdr

SEED = 77
MIN_DB = -30.0
"""Minimum SI-SDR improvement in dB. A silent explanation has minus infinity, which has no mean."""


def score_mixtures(interpreter: Interpreter) -> Iterator[dict[str, str | float]]:
    """Yield one row per mixture and prompt."""
    for number, pair in enumerate(itertools.combinations(KINDS, 2)):
        mixed = mixture(*pair, seed=(SEED, number))
        prompts = [class_prompt(kind) for kind in pair]
        (interpretation,) = interpreter.interpret_batch(mixed.mixture.unsqueeze(0), prompts)
        sources = (mixed.first, mixed.second)
        for kind, explanation, source in zip(pair, interpretation.waveform, sources):
            gain = si_sdr(explanation, source) - si_sdr(mixed.mixture, source)
            level_db = 20 * torch.log10(explanation.std() / source.std() + 1e-9)
            yield {
                "kind": kind,
                "SI-SDRi dB": max(gain.item(), MIN_DB),
                "improved %": 100 * (gain > 0).float().item(),
                "level dB": level_db.item(),
            }


def main(*sources: str) -> None:
    """Print a table of means per class for each interpreter."""
    for source in sources or ("mini-stft", "mini-mel"):
        interpreter = Interpreter.from_hparams(source=source, run_opts={"device": "cpu"})
        table = pd.DataFrame(score_mixtures(interpreter)).groupby("kind", sort=False).mean()
        table.loc["all"] = table.mean()
        print(f"{source}\n{table.round(1).to_markdown()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
