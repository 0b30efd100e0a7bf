"""Explanation of one clip."""

from collections.abc import Sequence
from typing import Any

import torch

from speechbrain_lmac.inference.inputs import check_finite
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.inference.presence import LIKELY, MIN_PRESENCE
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
    prompts: Sequence[str],
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
    prompts : list of str
        Prompts to explain.
    against : str
        Text that each prompt is contrasted with. Default: none.
    recheck_absent : bool
        Whether a prompt that seems absent from the clip is looked for in its masked-in sound.
        Default: True.

    Returns
    -------
    Interpretation
    """
    classifier = interpreter.model.classifier
    encoded = classifier.encode_clips(interpreter.encoder_input(wav))
    vector = encoded.encoding.vector
    query = interpreter.query(prompts, against)
    masks = interpreter.model(encoded, query.decoder_queries.unsqueeze(1))
    similarity = classifier.logits(vector, query.queries).squeeze(0).cpu()
    presence = interpreter.presence_classifier.probability(vector, query.queries).squeeze(0).cpu()
    sounds = classifier.apply_mask(encoded, masks).squeeze(1).cpu()
    check_finite("scores", similarity, presence)
    check_finite("masks", masks, sounds)
    absent = (presence < MIN_PRESENCE) & (against is None)
    if recheck_absent:
        absent = _still_absent(interpreter, absent, sounds, query.queries)
    return Interpretation(
        original=wav,
        waveform=fade_gains(presence, absent).unsqueeze(1) * sounds,
        mask=masks.squeeze(1).cpu(),
        similarity=similarity,
        presence=presence,
        absent=absent,
        target=int(similarity.argmax()),
        prompts=tuple(prompts),
        against=against,
        sample_rate=interpreter.sample_rate,
        model=interpreter.model,
        presence_classifier=interpreter.presence_classifier,
        against_similarity=_similarity(classifier, vector, query.against),
    )


def _similarity(
    classifier: MaskedClassifier, vector: torch.Tensor, query: torch.Tensor | None
) -> float | None:
    """Return the logit of a query vector ``[dim]``, None for None."""
    return None if query is None else classifier.logits(vector, query[None]).item()


def _still_absent(
    interpreter: Any, absent: torch.Tensor, sounds: torch.Tensor, queries: torch.Tensor
) -> torch.Tensor:
    """Return whether prompts are absent from the clip and from their masked-in sounds."""
    audio_classifier = interpreter.model.classifier.audio_classifier
    absent = absent.clone()
    for i in absent.nonzero().flatten().tolist():
        vector = audio_classifier(sounds[i : i + 1].to(interpreter.device)).vector
        presence = interpreter.presence_classifier.probability(vector, queries[i : i + 1])
        absent[i] = presence.item() < LIKELY
    return absent
