"""Data set of the distillation: log-mel spectrograms of scenes, and the logits of the teacher."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.utils.data import Dataset
from tqdm import tqdm

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.models.clap.mini import HOP_LENGTH, N_FFT, POWER_FLOOR, mel_filterbank


class Pool(Dataset):
    """Scenes of several shards, in memory in half precision.

    Arguments
    ---------
    shards : list of Path
        Files that ``make_pool.py`` wrote.
    """

    def __init__(self, shards):
        self.log_mel, self.logits = [], []
        spectrogram, filterbank = Spectrogram(N_FFT, HOP_LENGTH), mel_filterbank()
        for shard in tqdm(shards, "reading the pool"):
            tensors = load_file(shard)
            for pcm in tensors["pcm"].split(50):
                power = spectrogram(pcm.float() / 32767).abs().square() @ filterbank
                self.log_mel.append(torch.log(power + POWER_FLOOR).half())
            self.logits.append(tensors["logits"].half())
        self.log_mel, self.logits = torch.cat(self.log_mel), torch.cat(self.logits)

    def __len__(self):
        return len(self.logits)

    def __getitem__(self, index):
        return {"log_mel": self.log_mel[index], "logits": self.logits[index]}

    def statistics(self):
        """Return mean and standard deviation of each log-mel band, over every 20th scene."""
        sample = self.log_mel[::20].float()
        return sample.mean(dim=(0, 1)), sample.std(dim=(0, 1))


def mel_power(log_mel):
    """Convert the log-mel spectrograms of a pool back to mel power."""
    return (log_mel.float().exp() - POWER_FLOOR).clamp(min=0)


def split_shards(folder, num_held_out):
    """Return the training shards of a folder, and its last shards, which are held out."""
    shards = sorted(Path(folder).glob("*.safetensors"))
    if len(shards) <= num_held_out:
        raise SystemExit(
            f"POOL must have more than {num_held_out} shards, got {len(shards)} in {folder}. "
            "Run experiments.mini_clap.make_pool first."
        )
    return shards[:-num_held_out], shards[-num_held_out:]
