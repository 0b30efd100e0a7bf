"""Write the pool, the training set of MiniCLAP: random scenes and their EfficientAT logits.

Usage: python -m experiments.mini_clap.make_pool RECORDINGS TAGGER_WEIGHTS POOL [SCENES] [SEED]

RECORDINGS holds the folders esc10, foley/minetest, noise5s and speech5s. It also holds
urbansound8k_mini, whose recordings are excluded. Shards are written atomically, so the same command
resumes an interrupted run. Processes with different seeds can write to the same pool.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tqdm import tqdm

from experiments.mini_clap.recordings import find_recordings
from experiments.mini_clap.scenes import draw_scene
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.models.clap.efficientat import EfficientATCLAP

SCENES_PER_SHARD = 250


@torch.no_grad()
def main(folder, weights, pool, scenes=30000, seed=0):
    """Write the shards of one seed that do not exist yet."""
    torch.set_num_threads(1)
    clap, pool, seed = EfficientATCLAP(weights), Path(pool), int(seed)
    pool.mkdir(parents=True, exist_ok=True)
    collections = {}
    for recording in tqdm(find_recordings(folder), "reading"):
        wave = load_audio(recording.path, clap.sample_rate).numpy()
        collections.setdefault(recording.collection, []).append(wave)
    for shard in tqdm(range(int(scenes) // SCENES_PER_SHARD), "shards"):
        path = pool / f"{seed}-{shard:04d}.safetensors"
        if path.is_file():
            continue
        rng = np.random.default_rng([seed, shard])
        recordings = list(collections.values())
        wavs = np.stack([draw_scene(rng, recordings) for _ in range(SCENES_PER_SHARD)])
        pcm = torch.from_numpy((wavs * 32767).round().astype(np.int16))
        logits = [clap.tagger(clap.mel(power))[0] for power in _stft_power(clap, pcm)]
        partial = path.with_suffix(".partial")
        save_file({"pcm": pcm, "logits": torch.cat(logits)}, partial)
        partial.replace(path)


def _stft_power(clap, pcm):
    """Yield the STFT power of 16-bit samples, ten scenes at a time."""
    for batch in pcm.split(10):
        yield clap.stft(batch.float() / 32767).abs().square()


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
