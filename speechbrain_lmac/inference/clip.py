"""Explanation of one clip."""

from collections.abc import Sequence
from typing import Any

import torch

from speechbrain_lmac.inference.inputs import check_finite
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.inference.prediction import class_probabilities, probable_prompts
from speechbrain_lmac.inference.presence import LIKELY, MIN_PRESENCE
from speechbrain_lmac.inference.prompts import PromptQuery
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier


def fade_gains(presence: torch.Tensor, absent: torch.Tensor) -> torch.Tensor:
    """Return the gain of each prompt's explanation, ``[prompts]``.

    A mask lets a part of any sound through. The explanation of an absent prompt is therefore faded
    out in proportion to its presence, in clips and in the windows of recordings.

    Example
    -------
    >>> fade_gains(torch.tensor([0.9, 0.025, 0.0]), torch.tensor([False, True, False]))
    tensor([1.0000, 0.5000, 1.0000])
    """
    return torch.where(absent, presence / MIN_PRESENCE, torch.ones_like(presence))


@torch.no_grad()
def explain_clip(
    interpreter: Any,
    wav: torch.Tensor,
    prompts: Sequence[str] | None,
    against: str | None = None,
    recheck_absent: bool = True,
) -> Interpretation:
    """Explain a clip.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter to use.
    wav : torch.Tensor
        Checked samples, ``[time]``, at the sample rate of the interpreter.
    prompts : list of str or None
        Prompts to explain. None for the prediction.
    against : str
        Text that each prompt is contrasted with. Default: none.
    recheck_absent : bool
        Whether a prompt that seems absent from the clip is looked for in its masked-in sound.
        Default: True.

    Returns
    -------
    Interpretation
    """
    classifier, audio_classifier = interpreter.model.classifier, interpreter.audio_classifier
    encoded = classifier.encode_clips(interpreter.encoder_input(wav))
    vector = encoded.encoding.vector
    can_be_absent = against is None and prompts is not None  # the prediction is not absent
    if prompts is None:
        prompts = probable_prompts(audio_classifier, class_probabilities(audio_classifier, vector))
    query = interpreter.query(prompts, against)
    masks = interpreter.model(encoded, query.decoder_queries.unsqueeze(1))
    similarity = classifier.logits(vector, query.queries).squeeze(0).cpu()
    presence = audio_classifier.presence(vector, query.queries).squeeze(0).cpu()
    sounds = classifier.apply_mask(encoded, masks).squeeze(1).cpu()
    check_finite("scores", similarity, presence)
    check_finite("masks", masks, sounds)
    absent = (presence < MIN_PRESENCE) & can_be_absent
    if recheck_absent:
        absent = _still_absent(interpreter, absent, sounds, query.queries)
    return Interpretation(
        original=wav,
        waveform=fade_gains(presence, absent).unsqueeze(1) * sounds,
        mask=masks.squeeze(1).cpu(),
        similarity=similarity,
        probabilities=_probabilities(classifier, vector, query, similarity),
        presence=presence,
        absent=absent,
        target=int(similarity.argmax()),
        prompts=tuple(prompts),
        against=against,
        sample_rate=interpreter.sample_rate,
        model=interpreter.model,
    )


def _probabilities(
    classifier: MaskedClassifier, vector: torch.Tensor, query: PromptQuery, similarity: torch.Tensor
) -> torch.Tensor:
    """Return the probability of each prompt, or of each prompt against another text."""
    if query.against is None:
        return classifier.probabilities(vector, query.queries).squeeze(0).cpu()
    return (similarity - classifier.logits(vector, query.against[None]).item()).sigmoid()


def _still_absent(
    interpreter: Any, absent: torch.Tensor, sounds: torch.Tensor, queries: torch.Tensor
) -> torch.Tensor:
    """Return whether prompts are absent from the clip and from their masked-in sounds."""
    audio_classifier = interpreter.audio_classifier
    absent = absent.clone()
    for i in absent.nonzero().flatten().tolist():
        vector = audio_classifier(sounds[i : i + 1].to(interpreter.device)).vector
        presence = audio_classifier.presence(vector, queries[i : i + 1])
        absent[i] = presence.item() < LIKELY
    return absent
