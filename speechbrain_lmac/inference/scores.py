"""Scores of sounds for prompts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from speechbrain_lmac.masking.masked_classifier import MaskedClassifier

CHUNK_SIZE = 16
"""Sounds that are encoded at once."""


class PromptScores(NamedTuple):
    """Scores of sounds, each for one prompt, ``[sounds]`` each."""

    logit: torch.Tensor
    """Logit of the prompt."""
    probability: torch.Tensor
    """Probability among the competing classes, or between the prompt and ``against``."""
    presence: torch.Tensor
    """Probability that the sound of the prompt occurs."""


@torch.no_grad()
def score_sounds(
    classifier: MaskedClassifier,
    sounds: torch.Tensor,
    prompts: Sequence[str],
    against: str | None,
    index: torch.Tensor | None = None,
) -> PromptScores:
    """Score sounds, each for one prompt.

    Arguments
    ---------
    classifier : MaskedClassifier
        Classifier that is explained.
    sounds : torch.Tensor
        Sounds, ``[sounds, time]``.
    prompts : sequence of str
        Prompts, among which a CLAP's probabilities are.
    against : str or None
        Text that each prompt is contrasted with.
    index : torch.Tensor
        Index of the prompt of each sound, ``[sounds]``. Default: there is a sound for each prompt.

    Returns
    -------
    PromptScores
    """
    filtered = classifier.audio_classifier.without_offset(sounds)
    return score_filtered(classifier, filtered, prompts, against, index)


@torch.no_grad()
def score_filtered(
    classifier: MaskedClassifier,
    filtered: torch.Tensor,
    prompts: Sequence[str],
    against: str | None,
    index: torch.Tensor | None = None,
) -> PromptScores:
    """Score sounds as :func:`score_sounds`, without the offset that is removed there.

    The encoder takes ``CHUNK_SIZE`` sounds at once, so memory does not grow with their number.
    """
    audio_classifier = classifier.audio_classifier
    others = [] if against is None else [against]
    queries = audio_classifier.queries([*prompts, *others])
    parts = filtered.split(CHUNK_SIZE) if len(filtered) else ()
    encoded = [audio_classifier(part.to(queries.device)).vector for part in parts]
    vectors = torch.cat([queries[:0], *encoded])
    sound = torch.arange(len(filtered))
    index = sound if index is None else index
    logits = classifier.logits(vectors, queries).cpu()
    target = logits[sound, index]
    among_prompts = classifier.probabilities(vectors, queries[: len(prompts)]).cpu()[sound, index]
    probability = (target - logits[:, -1]).sigmoid() if others else among_prompts
    presence = audio_classifier.presence(vectors, queries[: len(prompts)])
    return PromptScores(target, probability, presence.cpu()[sound, index])


def with_fill(values: torch.Tensor, index: torch.Tensor, count: int, fill: Any) -> torch.Tensor:
    """Return the values of some prompts as those of all prompts.

    Arguments
    ---------
    values : torch.Tensor
        Values of the explained prompts, ``[explained, ...]``.
    index : torch.Tensor
        Indices of these prompts, ``[explained]``, ascending.
    count : int
        Number of all prompts.
    fill : Any
        Value of the other prompts.

    Returns
    -------
    torch.Tensor
        ``[prompts, ...]``; ``values`` if all prompts are explained.

    Example
    -------
    >>> with_fill(torch.tensor([0.5, 0.7]), torch.tensor([0, 2]), 3, 0.0)
    tensor([0.5000, 0.0000, 0.7000])
    """
    if len(index) == count:
        return values
    filled = values.new_full((count, *values.shape[1:]), fill)
    filled[index] = values
    return filled


def with_only(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return ``values[index]``, without a copy if the index is that of all values."""
    return values if len(index) == len(values) else values[index]
