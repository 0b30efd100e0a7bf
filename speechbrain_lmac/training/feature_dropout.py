"""Dropout of hidden channels: regularizes a decoder that learns from few clips."""

import random
from collections.abc import Sequence

import torch

from speechbrain_lmac.masking.decoder_features import DecoderFeatures


def channel_dropout(
    features: DecoderFeatures, fraction: float, draws: Sequence[random.Random]
) -> DecoderFeatures:
    """Zero channels of the hidden maps, drawn for each clip, and scale up the others.

    Without it, a decoder trained on a few hundred clips relies on channels that identify these
    clips (spatial dropout: Tompson et al., CVPR 2015).

    Arguments
    ---------
    features : DecoderFeatures
        Features of ``batch`` clips.
    fraction : float
        Fraction of channels to drop, in [0, 1).
    draws : list of random.Random
        Random generator of each clip. A clip loses the same channels in any batch or process.

    Returns
    -------
    DecoderFeatures

    Example
    -------
    >>> features = DecoderFeatures((torch.ones(1, 8, 2, 2),), torch.zeros(1, 9, 9))
    >>> dropped = channel_dropout(features, 0.5, [random.Random(1)])
    >>> sorted(set(dropped.hidden[0].flatten().tolist()))
    [0.0, 2.0]
    """
    if not fraction:
        return features
    generators = [torch.Generator().manual_seed(rng.getrandbits(63)) for rng in draws]
    hidden = []
    for maps in features.hidden:
        drawn = torch.stack([torch.rand(maps.shape[1], generator=g) for g in generators])
        gain = (drawn >= fraction).to(maps) / (1 - fraction)
        hidden.append(maps * gain[..., None, None])
    return features._replace(hidden=tuple(hidden))
