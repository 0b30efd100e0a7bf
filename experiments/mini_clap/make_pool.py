"""Write the pool: scenes, and what the tagger hears in each.

Usage: python -m experiments.mini_clap.make_pool RECORDINGS TAGGER_WEIGHTS POOL [SCENES] [SEED]

RECORDINGS holds esc10, foley/minetest, noise5s and speech5s, and urbansound8k_mini, whose
recordings are left out. Shards are whole or absent: the
same command goes on where it stopped, and several may work at once with seeds of their own.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tqdm import tqdm

from experiments.mini_clap.recordings import find_recordings
from experiments.mini_clap.scenes import scene
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.models.clap.efficientat import EfficientATCLAP

SHARD = 250


@torch.no_grad()
def main(folder, weights, pool, scenes=30000, seed=0):
    torch.set_num_threads(1)
    clap, pool, seed = EfficientATCLAP(weights), Path(pool), int(seed)
    pool.mkdir(parents=True, exist_ok=True)
    collections = {}
    for recording in tqdm(find_recordings(folder), "reading"):
        sound = load_audio(recording.path, clap.sample_rate).numpy()
        collections.setdefault(recording.collection, []).append(sound)
    for shard in tqdm(range(int(scenes) // SHARD), "shards"):
        path = pool / f"{seed}-{shard:04d}.safetensors"
        if path.is_file():
            continue
        rng = np.random.default_rng([seed, shard])
        wavs = np.stack([scene(rng, list(collections.values())) for _ in range(SHARD)])
        pcm = torch.from_numpy((wavs * 32767).round().astype(np.int16))
        logits = [clap.tagger(clap.mel(power))[0] for power in _powers(clap, pcm)]
        partial = path.with_suffix(".partial")
        save_file({"pcm": pcm, "logits": torch.cat(logits)}, partial)
        partial.replace(path)


def _powers(clap, pcm):
    for part in pcm.split(10):
        yield clap.stft(part.float() / 32767).abs().square()


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
