"""From a manifest to training batches; random numbers depend only on the seed, epoch and clip."""

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.data_pipeline import provides, takes
from torch import Tensor

from speechbrain_lmac.audio.io import load_clip
from speechbrain_lmac.audio.mixing import mix
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.distributed import global_roll

MAX_SNR_DB = 5.0
"""Largest absolute signal-to-noise ratio of training mixtures, in dB."""


def build_dataset(clips: Iterable[Clip], sample_rate: int, seconds: float) -> DynamicItemDataset:
    """Build a SpeechBrain dataset of clips of fixed duration.

    Arguments
    ---------
    clips : iterable of Clip
        Rows of a manifest.
    sample_rate : int
        Sample rate of the waveforms, in Hz.
    seconds : float
        Duration to which clips are cut or padded, so that the scores of a clip do not depend on its
        batch.

    Returns
    -------
    DynamicItemDataset
        Items have ``id``, ``label``, ``text`` and ``sig`` ``[time]``.
    """

    @takes("wav", "start", "stop")
    @provides("sig")
    def audio(path: str, start: int, stop: int) -> Tensor:
        return load_clip(path, sample_rate, seconds, start, stop)

    items = {clip.ID: clip._asdict() for clip in clips}
    return DynamicItemDataset(items, [audio], ["id", "label", "text", "sig"])


def clip_rng(seed: int, epoch: int, clip_id: str) -> random.Random:
    """Random number generator of a clip in an epoch, which a resumed run creates again.

    Example
    -------
    >>> clip_rng(1, 2, "clip").random() == clip_rng(1, 2, "clip").random()
    True
    """
    return random.Random(f"{seed}/{epoch}/{clip_id}")


class AugmentedBatch(NamedTuple):
    """Training batch."""

    wavs: Tensor
    """Augmented clips, ``[batch, time]``."""
    targets: Tensor
    """Target source of each clip, as it is in ``wavs``, ``[batch, time]``."""
    is_mixed: Tensor
    """Whether each clip is mixed with another one, ``[batch]`` of bool."""


def augment_batch(
    wavs: Tensor, rngs: Sequence[random.Random], mix_probability: float, roll: bool = True
) -> AugmentedBatch:
    """Roll each clip in time, and mix some with the next clip of the batch at -5 to 5 dB.

    The prompts of both sources of a mixture are in the batch, so the objective gets both masks.

    Arguments
    ---------
    wavs : torch.Tensor
        Clips, ``[batch, time]``.
    rngs : sequence of random.Random
        Random number generator of each clip.
    mix_probability : float
        Probability that a clip is mixed, in [0, 1].
    roll : bool
        Whether clips are rolled. Default: True.

    Returns
    -------
    AugmentedBatch
    """
    shifts = [rng.randrange(wavs.shape[1]) if roll else 0 for rng in rngs]
    targets = torch.stack([wav.roll(shift) for wav, shift in zip(wavs, shifts)])
    is_mixed = torch.tensor([rng.random() < mix_probability for rng in rngs], device=wavs.device)
    snr_db = torch.tensor([rng.uniform(-MAX_SNR_DB, MAX_SNR_DB) for rng in rngs])
    mixtures = mix(targets, global_roll(targets, 1), snr_db.to(wavs.device))
    return AugmentedBatch(torch.where(is_mixed.unsqueeze(1), mixtures, targets), targets, is_mixed)
