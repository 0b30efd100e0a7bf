"""Ranking of the bins of masks and attribution maps, encoded bins first."""

from collections.abc import Sequence

import torch

from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.top_k import rank_bins


def rank_valid_bins(
    classifier: MaskedClassifier, encoded: EncodedClips, maps: torch.Tensor, seeds: Sequence[int]
) -> torch.Tensor:
    """Rank the bins of maps. Bins that the encoder ignores, such as high STFT bins, come last.

    No explainer can spend mask area on ignored bins, and none gains by knowing them.

    Arguments
    ---------
    classifier : MaskedClassifier
        Classifier whose encoder defines the valid bins.
    encoded : EncodedClips
        Encoded clips.
    maps : torch.Tensor
        Finite attribution maps, ``[batch, frames, bins]``.
    seeds : sequence of int
        Tie-breaking seeds, as in :func:`~speechbrain_lmac.metrics.top_k.rank_bins`.

    Returns
    -------
    torch.Tensor
        Integer ranks, ``[batch, frames, bins]``.
    """
    ignored = classifier.grid(encoded).valid == 0
    return rank_bins(maps.masked_fill(ignored, -torch.inf), seeds)
