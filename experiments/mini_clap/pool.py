"""The pool as the student reads it: mel power of each scene, and the tagger's logits."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.utils.data import Dataset
from tqdm import tqdm

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.models.clap.mini import HOP_LENGTH, N_FFT, POWER_FLOOR, mel_filterbank


class Pool(Dataset):
    """Scenes of some shards, held in memory in half precision.

    Arguments
    ---------
    shards : list of Path
        Written by ``make_pool.py``.
    """

    def __init__(self, shards):
        self.log_mel, self.logits = [], []
        spectrogram, filterbank = Spectrogram(N_FFT, HOP_LENGTH), mel_filterbank()
        for shard in tqdm(shards, "reading the pool"):
            held = load_file(shard)
            for pcm in held["pcm"].split(50):
                power = spectrogram(pcm.float() / 32767).abs().square() @ filterbank
                self.log_mel.append(torch.log(power + POWER_FLOOR).half())
            self.logits.append(held["logits"].half())
        self.log_mel, self.logits = torch.cat(self.log_mel), torch.cat(self.logits)

    def __len__(self):
        return len(self.logits)

    def __getitem__(self, index):
        return {"log_mel": self.log_mel[index], "logits": self.logits[index]}

    def statistics(self):
        """Mean and deviation of each log-mel band."""
        some = self.log_mel[::20].float()
        return some.mean(dim=(0, 1)), some.std(dim=(0, 1))


def mel_power(log_mel):
    """Mel power of what a pool holds; the inverse of its logarithm."""
    return (log_mel.float().exp() - POWER_FLOOR).clamp(min=0)


def split_shards(folder, held_out):
    """Shards to learn from, and the last ones of the folder, kept for validation."""
    shards = sorted(Path(folder).glob("*.safetensors"))
    if len(shards) <= held_out:
        raise SystemExit(f"{folder} holds {len(shards)} shards; run make_pool.py first")
    return shards[:-held_out], shards[-held_out:]
