"""How well an interpreter takes synthetic mixtures apart: SI-SDR against each sound's own stem.

Usage: python benchmarks/mixtures.py [SOURCE ...]

Every pair of the ten kinds at 0 dB, each explained under its two names. SOURCE is what
Interpreter.from_hparams takes; the shipped interpreters by default.
"""

import itertools
import sys

import pandas as pd
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import KINDS, mixture
from speechbrain_lmac.metrics.faithfulness import si_sdr

SEED = 77
MIN_DB = -30.0
"""Of an improvement: a silent explanation would otherwise make the mean minus infinity."""


def rows(interpreter):
    """One per mixture and prompt."""
    for number, pair in enumerate(itertools.combinations(KINDS, 2)):
        scene = mixture(*pair, seed=(SEED, number))
        prompts = [class_prompt(kind) for kind in pair]
        (why,) = interpreter.interpret_batch(scene.mixture.unsqueeze(0), prompts)
        for kind, heard, stem in zip(pair, why.waveform, (scene.first, scene.second)):
            gain = si_sdr(heard, stem) - si_sdr(scene.mixture, stem)
            level_db = 20 * torch.log10(heard.std() / stem.std() + 1e-9)
            yield {
                "kind": kind,
                "SI-SDRi dB": max(gain.item(), MIN_DB),
                "improved %": 100 * (gain > 0).float().item(),
                "level dB": level_db.item(),
            }


def main(*sources):
    for source in sources or ("mini-stft", "mini-mel"):
        interpreter = Interpreter.from_hparams(source=source, run_opts={"device": "cpu"})
        table = pd.DataFrame(rows(interpreter)).groupby("kind", sort=False).mean()
        table.loc["all"] = table.mean()
        print(f"{source}\n{table.round(1).to_markdown()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
