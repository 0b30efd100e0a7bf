"""Prediction of a classifier as prompts to explain."""

from typing import Any

import torch

from speechbrain_lmac.audio.io import is_silent
from speechbrain_lmac.audio.overlap_add import segments
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.inference.inputs import check_finite
from speechbrain_lmac.inference.prompts import default_labels, label_queries
from speechbrain_lmac.models.base import AudioClassifier


def class_probabilities(classifier: AudioClassifier, vector: torch.Tensor) -> torch.Tensor:
    """Probability of each class of a classifier, or of ESC-50 if any text is a query.

    Arguments
    ---------
    classifier : AudioClassifier
        Classifier that is explained.
    vector : torch.Tensor
        Vector of a clip, ``[1, dim]``.

    Returns
    -------
    torch.Tensor
        Probabilities ``[classes]``, on the CPU.
    """
    _, queries = label_queries(classifier, None)
    probabilities = classifier.probabilities(vector, queries).squeeze(0).cpu()
    check_finite("scores", probabilities)
    return probabilities


@torch.no_grad()
def recording_probabilities(interpreter: Any, sound: AudioSource, hop: int) -> torch.Tensor:
    """Highest probability of each class in the windows of a recording.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter whose classifier is used.
    sound : AudioSource
        Recording of any length.
    hop : int
        Half of the length of a window, in samples.

    Returns
    -------
    torch.Tensor
        Probabilities ``[classes]``, on the CPU.
    """
    classifier = interpreter.audio_classifier
    highest = torch.zeros(len(default_labels(classifier)))
    for window in segments(sound.blocks(classifier.sample_rate), hop):
        if not is_silent(window.wav):  # digital silence is not encoded
            vector = classifier(interpreter.encoder_input(window.wav)).vector
            highest = torch.maximum(highest, class_probabilities(classifier, vector))
    return highest


def probable_prompts(
    classifier: AudioClassifier, probabilities: torch.Tensor, min_probability: float | None = None
) -> list[str]:
    """Return the prompt of the most probable class, and of other probable classes.

    Arguments
    ---------
    classifier : AudioClassifier
        Classifier that is explained.
    probabilities : torch.Tensor
        Probability of each class, ``[classes]``.
    min_probability : float
        Probability from which other classes than the most probable one are returned. Default:
        only the most probable one is returned.

    Returns
    -------
    list of str
        Class names, or prompts of a CLAP, most probable first; never empty.
    """
    names = default_labels(classifier)
    ordered = probabilities.sort(descending=True, stable=True)
    count = 1
    if min_probability is not None:
        count = max(1, int((ordered.values >= min_probability).sum()))
    return [classifier.question(names[i]) for i in ordered.indices[:count].tolist()]
