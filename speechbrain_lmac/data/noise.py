"""Background noise of training clips, from any folder of sounds."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from speechbrain_lmac.audio.io import load_clip
from speechbrain_lmac.audio.mixing import mix
from speechbrain_lmac.data.contamination import read_noise_folder
from speechbrain_lmac.data.pipeline import clip_rng
from speechbrain_lmac.utils.errors import InputError


class NoiseAugmentation:
    """Add a sound of a folder to each clip at a signal-to-noise ratio.

    L-MAC (ICML 2024) adds the noise of WHAM! to every clip at 0 dB. As there, a noise is the
    beginning of a random file, and a file that is shorter than the clip ends in silence.

    Arguments
    ---------
    folder : str or Path
        Folder of sounds; subfolders are searched as well. None for no noise.
    sample_rate : int
        Sample rate of the clips, in Hz.
    seconds : float
        Length of the clips, in seconds.
    snr_db : float
        Signal-to-noise ratio over the whole clip, in dB. Default: 0.

    Raises
    ------
    InputError
        If the folder holds no sound.
    """

    def __init__(
        self, folder: str | Path | None, sample_rate: int, seconds: float, snr_db: float = 0.0
    ):
        self.folder = None if folder is None else Path(folder)
        self.sample_rate = sample_rate
        self.seconds = seconds
        self.snr_db = snr_db
        if self.folder is not None and not self.folder.is_dir():
            raise InputError(f"noise_folder must be a folder of sounds or null, got {folder}")
        self.files = [] if self.folder is None else [c.wav for c in read_noise_folder(self.folder)]

    def __call__(self, wavs: Tensor, seed: int, epoch: int, ids: Sequence[str]) -> Tensor:
        """Add noise, which depends on the seed, the epoch and the clip only.

        Arguments
        ---------
        wavs : torch.Tensor
            Clips, ``[batch, time]``.
        seed : int
            Seed of the run.
        epoch : int
            Epoch; 0 for validation.
        ids : sequence of str
            ID of each clip.

        Returns
        -------
        torch.Tensor
            Noisy clips, ``[batch, time]``; ``wavs`` itself without a folder.
        """
        if not self.files:
            return wavs
        rngs = [clip_rng(seed, epoch, f"{clip_id}/noise") for clip_id in ids]
        noises = [load_clip(rng.choice(self.files), self.sample_rate, self.seconds) for rng in rngs]
        return mix(wavs, torch.stack(noises).to(wavs), self.snr_db)
