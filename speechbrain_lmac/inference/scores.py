"""Scores of sounds for prompts."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from speechbrain_lmac.masking.masked_classifier import MaskedClassifier


class PromptScores(NamedTuple):
    """Scores of one sound per prompt, ``[prompts]`` each."""

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
) -> PromptScores:
    """Score sounds, each for its own prompt.

    Arguments
    ---------
    classifier : MaskedClassifier
        Classifier that is explained.
    sounds : torch.Tensor
        Sound for each prompt, ``[prompts, time]``.
    prompts : sequence of str
        Prompts.
    against : str or None
        Text that each prompt is contrasted with.

    Returns
    -------
    PromptScores
    """
    audio_classifier = classifier.audio_classifier
    others = [] if against is None else [against]
    queries = audio_classifier.queries([*prompts, *others])
    filtered = audio_classifier.without_offset(sounds).to(queries.device)
    vectors = audio_classifier(filtered).vector
    logits = classifier.logits(vectors, queries).cpu()
    target = logits[:, : len(prompts)].diagonal()
    among_prompts = classifier.probabilities(vectors, queries[: len(prompts)]).diagonal().cpu()
    probability = (target - logits[:, -1]).sigmoid() if others else among_prompts
    presence = audio_classifier.presence(vectors, queries[: len(prompts)])
    return PromptScores(target, probability, presence.diagonal().cpu())
