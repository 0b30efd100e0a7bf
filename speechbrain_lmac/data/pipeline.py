"""From a manifest to batches: one reader, and draws that a resumed run makes again."""

import random
from typing import NamedTuple

import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.data_pipeline import provides, takes

from speechbrain_lmac.audio.io import load_clip
from speechbrain_lmac.audio.mixing import mix
from speechbrain_lmac.utils.distributed import global_roll


def build_dataset(clips, sample_rate, seconds):
    """A SpeechBrain dataset of clips of one length.

    Arguments
    ---------
    clips : list of Clip
        Rows of a manifest.
    sample_rate : int
        Rate wanted, in Hz.
    seconds : float
        Longer clips are cut and shorter ones padded with silence, so that a clip's scores do
        not depend on the batch it came in.

    Returns
    -------
    DynamicItemDataset
        Items have ``id``, ``label``, ``text`` and ``sig`` ``[time]``.
    """

    @takes("wav", "start", "stop")
    @provides("sig")
    def audio(path, start, stop):
        return load_clip(path, sample_rate, seconds, start, stop)

    items = {clip.ID: clip._asdict() for clip in clips}
    return DynamicItemDataset(items, [audio], ["id", "label", "text", "sig"])


def clip_rng(seed, epoch, clip_id):
    """The random numbers of one clip in one epoch, whatever came before.

    Example
    -------
    >>> clip_rng(1, 2, "clip").random() == clip_rng(1, 2, "clip").random()
    True
    """
    return random.Random(f"{seed}/{epoch}/{clip_id}")


class AugmentedBatch(NamedTuple):
    """A training batch."""

    wavs: torch.Tensor
    """Augmented clips, ``[batch, time]``."""
    targets: torch.Tensor
    """Target source of each clip, as it is in ``wavs``, ``[batch, time]``."""
    is_mixed: torch.Tensor
    """Whether each clip is mixed with another, ``[batch]`` of bool."""


def augment_batch(wavs, rngs, mix_probability):
    """Turn each clip round in time, and mix some with the next clip of the batch.

    Arguments
    ---------
    wavs : torch.Tensor
        ``[batch, time]``.
    rngs : list of random.Random
        One per clip.
    mix_probability : float
        Of a clip to be mixed, at -5 to 5 dB. Its own prompt and the other clip's are both in
        the batch, so the objective asks for both masks of the mixture.

    Returns
    -------
    AugmentedBatch
    """
    targets = torch.stack([wav.roll(rng.randrange(len(wav))) for wav, rng in zip(wavs, rngs)])
    is_mixed = torch.tensor([rng.random() < mix_probability for rng in rngs], device=wavs.device)
    snr_db = torch.tensor([rng.uniform(-5, 5) for rng in rngs], device=wavs.device)
    mixtures = mix(targets, global_roll(targets, 1), snr_db)
    return AugmentedBatch(torch.where(is_mixed.unsqueeze(1), mixtures, targets), targets, is_mixed)
