"""Pairs of clips and queries, built for training and for calibration."""

import random
from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import normalize

from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.log1p import log1p_magnitude
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.fills import fill_power

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


def contrast_queries(
    pairs: PromptPairs, draws: Sequence[random.Random], probability: float
) -> torch.Tensor:
    """Replace the queries of some mixtures by differences, as contrasted prompts have them.

    A mixture of ``a`` and ``b`` is explained for "a rather than b" and for "b rather than a". The
    terms of the objective stay those of ``a`` and ``b``.

    Arguments
    ---------
    pairs : PromptPairs
        Pairs of a batch. Only separable mixtures change.
    draws : list of random.Random
        Random number generator of each clip.
    probability : float
        Probability of contrasting the queries of a mixture, in [0, 1].

    Returns
    -------
    torch.Tensor
        Queries for the decoder, ``[prompts, batch, dim]``.
    """
    if not probability or pairs.sources is None:
        return pairs.queries
    drawn = torch.tensor([rng.random() < probability for rng in draws])
    chosen = (drawn.to(pairs.queries.device) & pairs.separable).unsqueeze(1)
    first, second, *others = pairs.queries
    difference = normalize(first - second, dim=-1)
    contrasted = (torch.where(chosen, difference, first), torch.where(chosen, -difference, second))
    return torch.stack([*contrasted, *others])


def draw_fill(
    power: torch.Tensor, fills: Sequence[str], draws: Sequence[random.Random]
) -> torch.Tensor | None:
    """Draw what replaces the masked-out bins of each clip.

    Arguments
    ---------
    power : torch.Tensor
        Power of the encoder input, ``[batch, frames, bins]``.
    fills : sequence of str
        Keys of :data:`~speechbrain_lmac.metrics.fills.FILLS` to draw from.
    draws : list of random.Random
        Random number generator of each clip.

    Returns
    -------
    torch.Tensor or None
        Power, ``[batch, 1, bins]``; None for silence in all clips.
    """
    if len(fills) == 1:  # nothing to draw
        return fill_power(power, list(fills) * len(draws))
    return fill_power(power, [rng.choice(fills) for rng in draws])


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
