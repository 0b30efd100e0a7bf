"""Pairs of clips and queries, built for training and for calibration."""

from collections.abc import Callable, Sequence

import torch

from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier


def build_pairs(
    classifier: MaskedClassifier,
    vectors: torch.Tensor,
    questions: Sequence[str],
    targets: Sequence[int],
    class_queries: torch.Tensor,
    roll: Callable[[torch.Tensor, int], torch.Tensor],
    turns: range,
) -> PromptPairs:
    """Pair each clip with its own query and with the queries of other clips of its batch.

    Arguments
    ---------
    classifier : MaskedClassifier
        Classifier that is explained.
    vectors : torch.Tensor
        Clip vectors, ``[batch, dim]``.
    questions : list of str
        Prompt or class name of each clip.
    targets : list of int
        Index of each clip's class among ``class_queries``; -1 if it is not among them.
    class_queries : torch.Tensor
        Query vectors of the classes in use, ``[classes, dim]``.
    roll : callable
        Function ``(rows, turn) -> rows`` that shifts the rows of a batch.
    turns : range
        Shifts to pair with: 0 is a clip's own query, 1 that of the clip mixed into it.

    Returns
    -------
    PromptPairs
    """
    index = torch.tensor(targets, device=vectors.device)
    queries = classifier.audio_classifier.queries(questions, distinct=False)
    return PromptPairs(
        vectors,
        torch.stack([roll(queries, turn) for turn in turns]),
        torch.stack([roll(index, turn) for turn in turns]),
        classifier.competing(class_queries.to(vectors.device)),
    )


def source_power(
    classifier: MaskedClassifier, clips: torch.Tensor, mixtures: torch.Tensor
) -> torch.Tensor:
    """Power of both sources of mixtures in the masking domain, ``[2, batch, frames, bins]``.

    Arguments
    ---------
    classifier : MaskedClassifier
        Classifier with the masking domain.
    clips : torch.Tensor
        Clips before mixing, ``[batch, time]``.
    mixtures : torch.Tensor
        Mixtures that contain them, ``[batch, time]``.
    """
    power = classifier.domain.power
    return torch.stack([power(clips), power(mixtures - clips)])
