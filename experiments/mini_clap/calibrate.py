"""Finish a MiniCLAP: take off what sounds have in common, and set the logit scale.

Usage: python -m experiments.mini_clap.calibrate WEIGHTS POOL ESC10

The tagger finds some labels likely whatever it hears, and its student with it; so most of the
mean embedding of the pool is subtracted from every embedding. The scale is then the one under
which ESC-10's folds 1 to 4 are likeliest among 50 names. These two numbers are all that rests
on what clips are called.
"""

import sys

import torch
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize_scalar
from torch.nn.functional import cross_entropy

from experiments.mini_clap.pool import Pool, mel_power, split_shards
from experiments.mini_clap.recordings import TEST_FOLD
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.evaluation.zero_shot import embed_clips
from speechbrain_lmac.models.clap.mini import MiniCLAP

SHARE = 0.75
"""Of the mean embedding that is taken off; of 0, .5, .75 and 1 the best on folds 1 to 4."""
SHARDS = 8


@torch.no_grad()
def mean_embedding(clap, pool):
    """Of the last shards' scenes, ``[256]``."""
    scenes = Pool(split_shards(pool, SHARDS)[1]).log_mel
    parts = [clap.encode(mel_power(part)).vector for part in scenes.split(50)]
    return torch.cat(parts).mean(dim=0)


def main(weights, pool, esc10):
    clap = MiniCLAP(weights)
    clap.audio_tower.common.zero_()
    clap.audio_tower.common.copy_(SHARE * mean_embedding(clap, pool))
    clips = [clip for clip in read_clips(esc10) if clip.fold != TEST_FOLD]
    cosines = (
        embed_clips(clap, clips) @ clap.queries([class_prompt(name) for name in ESC50_CLASSES]).T
    )
    targets = torch.tensor([ESC50_CLASSES.index(clip.label) for clip in clips])
    found = minimize_scalar(
        lambda scale: cross_entropy(scale * cosines, targets).item(), bounds=(1, 200)
    )
    state = load_file(weights)
    was = state["scale"].item()
    state["scale"] = torch.tensor(float(found.x))
    state["audio_tower.common"] = clap.audio_tower.common
    save_file(state, weights)
    print(f"scale {was:.1f} -> {found.x:.1f}, {found.fun:.3f} nats on {len(clips)} clips")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
