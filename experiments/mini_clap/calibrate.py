"""Calibrate a trained MiniCLAP: subtract the common part of embeddings and set the logit scale.

Usage: python -m experiments.mini_clap.calibrate WEIGHTS POOL ESC10

EfficientAT gives some labels a high probability for every sound, and so does its student. A
fraction of the mean embedding of the pool is therefore subtracted from every embedding. The logit
scale then maximizes the likelihood of ESC-10's folds 1 to 4 among 50 class names. Class labels of
clips determine only these two numbers.
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

COMMON_FRACTION = 0.75
"""Fraction of the mean embedding to subtract: the best of 0, .5, .75 and 1 on folds 1 to 4."""
NUM_SHARDS = 8
"""Number of shards that give the mean embedding, the last ones of the pool."""


@torch.no_grad()
def mean_embedding(clap, pool):
    """Compute the mean embedding of the scenes in the last shards, ``[256]``."""
    log_mel = Pool(split_shards(pool, NUM_SHARDS)[1]).log_mel
    embeddings = [clap.encode(mel_power(batch)).vector for batch in log_mel.split(50)]
    return torch.cat(embeddings).mean(dim=0)


def main(weights, pool, esc10):
    """Write the common part and the logit scale into the weights file."""
    clap = MiniCLAP(weights)
    clap.audio_tower.common.zero_()
    clap.audio_tower.common.copy_(COMMON_FRACTION * mean_embedding(clap, pool))
    clips = [clip for clip in read_clips(esc10) if clip.fold != TEST_FOLD]
    cosines = (
        embed_clips(clap, clips) @ clap.queries([class_prompt(name) for name in ESC50_CLASSES]).T
    )
    targets = torch.tensor([ESC50_CLASSES.index(clip.label) for clip in clips])
    optimum = minimize_scalar(
        lambda scale: cross_entropy(scale * cosines, targets).item(), bounds=(1, 200)
    )
    state = load_file(weights)
    previous_scale = state["scale"].item()
    state["scale"] = torch.tensor(float(optimum.x))
    state["audio_tower.common"] = clap.audio_tower.common
    save_file(state, weights)
    print(f"logit scale: {previous_scale:.1f} before, {optimum.x:.1f} after calibration")
    print(f"cross-entropy: {optimum.fun:.3f} nats on {len(clips)} clips")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
