"""Query vectors of prompts, of contrasts between two prompts, and of labels."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.nn.functional import normalize

from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.data.prompts import TEMPLATE, as_prompts, label_to_words
from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.utils.errors import InputError

BatchPrompts = str | Sequence[str] | Sequence[Sequence[str] | None] | None
"""Prompts of all clips of a batch, or of each clip."""
MIN_DIFFERENCE = 1e-3
"""Minimum distance between the query vectors of two texts that differ in meaning."""


class PromptQuery(NamedTuple):
    """Query vectors of prompts."""

    queries: torch.Tensor
    """Query vectors of the prompts, ``[prompts, dim]``; of unit norm for a CLAP."""
    decoder_queries: torch.Tensor
    """Query vectors for the mask decoder, ``[prompts, dim]``: ``queries``, or the normalized
    difference to ``against``."""
    against: torch.Tensor | None
    """Query vector of the text that the prompts are contrasted with, ``[dim]``."""


def prompts_per_clip(prompts: BatchPrompts, clips: int) -> list[str | Sequence[str] | None]:
    """Return the prompts of each clip of a batch.

    Arguments
    ---------
    prompts : str, list or None
        Prompts of all clips; or a list with the prompts of each clip, None for its prediction.
    clips : int
        Number of clips.

    Returns
    -------
    list

    Raises
    ------
    InputError
        If the list does not have the prompts of each clip.

    Example
    -------
    >>> prompts_per_clip(["rain", "dog"], 2)
    [['rain', 'dog'], ['rain', 'dog']]
    >>> prompts_per_clip([["rain", "dog"], ["siren"], None], 3)
    [['rain', 'dog'], ['siren'], None]
    """
    texts: Any = prompts
    is_list = isinstance(texts, list | tuple)
    if not is_list or not any(text is None or isinstance(text, list | tuple) for text in texts):
        return [texts] * clips
    if len(texts) != clips or any(isinstance(text, str) for text in texts):
        raise InputError(
            f"prompts must be one list for all clips, or a list for each of {clips} clips, got "
            f"{list(texts)!r}"
        )
    return list(texts)


def prompt_query(
    classifier: AudioClassifier, prompts: str | Sequence[str], against: str | None = None
) -> PromptQuery:
    """Return the query vectors of prompts.

    Arguments
    ---------
    classifier : AudioClassifier
        Classifier that is explained.
    prompts : str or list of str
        Prompts.
    against : str
        Text that each prompt is contrasted with. The decoder is then given the difference of the
        two query vectors, which decides between them: ``e . t - e . t' = e . (t - t')``.
        Default: none.

    Returns
    -------
    PromptQuery

    Raises
    ------
    InputError
        If a text cannot be encoded, or ``against`` has the meaning of a prompt.
    """
    queries = classifier.queries(as_prompts(prompts))
    if against is None:
        return PromptQuery(queries, queries, None)
    if not isinstance(against, str):
        raise InputError(f"against must be one text, got {against!r}")
    (other,) = classifier.queries(as_prompts(against))
    if ((queries - other).norm(dim=1) < MIN_DIFFERENCE).any():
        raise InputError(f"against must differ in meaning from each prompt, got {against!r}")
    return PromptQuery(queries, normalize(queries - other, dim=-1), other)


def label_queries(
    classifier: AudioClassifier, labels: Sequence[str] | None, template: str = TEMPLATE
) -> tuple[tuple[str, ...], torch.Tensor]:
    """Return labels and their query vectors.

    Arguments
    ---------
    classifier : AudioClassifier
        Classifier to use.
    labels : list of str
        Labels, at least two. Default: the classes of the classifier, or the 50 classes of ESC-50
        if any text is a query.
    template : str
        Prompt of a label, which replaces ``{}``. A classifier with classes of its own ignores it.
        Default: ``"this is the sound of {}"``.

    Returns
    -------
    tuple of str, torch.Tensor
        Labels, and query vectors ``[labels, dim]``.

    Raises
    ------
    InputError
        If there are fewer than two labels, or a label cannot be encoded.
    """
    names = default_labels(classifier) if labels is None else tuple(as_prompts(labels))
    if len(names) < 2:
        raise InputError(f"labels must be at least two, got {list(names)!r}")
    return names, classifier.class_queries(names, [template])


def default_labels(classifier: AudioClassifier) -> tuple[str, ...]:
    """Return the class names of a classifier, or those of ESC-50 if any text is a query."""
    if classifier.class_names is not None:
        return classifier.class_names
    return tuple(label_to_words(name) for name in ESC50_CLASSES)
