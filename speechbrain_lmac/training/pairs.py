"""Pairs of clips and queries, built for training and for calibration."""

import random
from collections.abc import Callable, Sequence

import torch

from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.masking.log1p import log1p_magnitude
from speechbrain_lmac.masking.masked_classifier import EncodedClips, MaskedClassifier

POSSIBLE = 0.01
"""Smallest probability of a class other than the predicted one that training explains."""


def draw_class(
    probabilities: torch.Tensor, predicted: torch.Tensor, rng: random.Random, other: float
) -> int:
    """Draw the class to explain: the predicted one, or another possible one.

    A head may have hundreds of classes of which training clips are predicted as a few. Without
    other classes the decoder would not be trained for the query vectors of the rest.

    Arguments
    ---------
    probabilities : torch.Tensor
        Probability of each class, ``[classes]``.
    predicted : torch.Tensor
        Index of the predicted class, ``[]``.
    rng : random.Random
        Random number generator of the clip.
    other : float
        Probability of drawing from the other classes, in [0, 1].

    Returns
    -------
    int
        Index of a class. It is the predicted one if no other class has a probability above 0.01.

    Example
    -------
    >>> probabilities = torch.tensor([0.5, 0.2, 0.001])
    >>> draw_class(probabilities, torch.tensor(0), random.Random(0), other=1.0)
    1
    """
    possible = (probabilities > POSSIBLE).nonzero().flatten().tolist()
    others = [index for index in possible if index != int(predicted)]
    return rng.choice(others) if rng.random() < other and others else int(predicted)


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


@torch.no_grad()
def guide_spectra(
    classifier: MaskedClassifier, encoded: EncodedClips, clean: torch.Tensor
) -> torch.Tensor:
    """Log magnitudes that ``guidance`` compares, ``[2, batch, frames, bins]``.

    Arguments
    ---------
    classifier : MaskedClassifier
        Classifier with the masking domain.
    encoded : EncodedClips
        Clips with noise.
    clean : torch.Tensor
        The same clips without noise, ``[batch, time]``.

    Returns
    -------
    torch.Tensor
        ``log(1 + magnitude)`` of the encoder input for both, without the frames that masked parts
        lack.
    """
    domain, audio_classifier = classifier.domain, classifier.audio_classifier
    stft = audio_classifier.stft(audio_classifier.window.fit_wav(clean))
    powers = torch.stack([encoded.encoder_power, domain.power_from_stft(stft)])
    return log1p_magnitude(domain.covered(powers))
