"""Explanation of one clip."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from speechbrain_lmac.inference.inputs import check_finite
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.inference.prediction import class_probabilities, probable_prompts
from speechbrain_lmac.inference.presence import LIKELY
from speechbrain_lmac.inference.prompts import PromptQuery
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier


def fade_gains(presence: torch.Tensor, absent: torch.Tensor, min_presence: float) -> torch.Tensor:
    """Return the gain of each prompt's explanation, ``[prompts]``.

    A mask lets a part of any sound through. The explanation of an absent prompt is therefore faded
    out in proportion to its presence, in clips and in the windows of recordings.

    Arguments
    ---------
    presence : torch.Tensor
        Presence of each prompt, ``[prompts]``.
    absent : torch.Tensor
        Whether each prompt is absent, ``[prompts]`` of bool.
    min_presence : float
        Presence of the classifier below which a prompt may be absent, above 0.

    Example
    -------
    >>> fade_gains(torch.tensor([0.9, 0.025, 0.0]), torch.tensor([False, True, False]), 0.05)
    tensor([1.0000, 0.5000, 1.0000])
    """
    return torch.where(absent, presence / min_presence, torch.ones_like(presence))


class ScoredClip(NamedTuple):
    """Clip that is encoded and scored for prompts, before any mask is predicted."""

    wav: torch.Tensor
    """Checked samples, ``[time]``."""
    prompts: tuple[str, ...]
    """Prompts."""
    against: str | None
    """Text that each prompt is contrasted with."""
    encoded: EncodedClips
    """The clip as a batch of one."""
    query: PromptQuery
    """Query vectors of the prompts."""
    similarity: torch.Tensor
    """Logit of each prompt, ``[prompts]``."""
    presence: torch.Tensor
    """Probability that the sound of each prompt occurs, ``[prompts]``."""
    can_be_absent: bool
    """Whether a prompt can count as absent: not the prediction, and not with ``against``."""


@torch.no_grad()
def score_clip(
    interpreter: Any, wav: torch.Tensor, prompts: Sequence[str] | None, against: str | None = None
) -> ScoredClip:
    """Encode a clip and score it for prompts.

    Arguments
    ---------
    interpreter, wav, prompts, against
        As for :func:`explain_clip`.

    Returns
    -------
    ScoredClip
    """
    classifier, audio_classifier = interpreter.model.classifier, interpreter.audio_classifier
    encoded = classifier.encode_clips(interpreter.encoder_input(wav))
    vector = encoded.encoding.vector
    can_be_absent = against is None and prompts is not None  # the prediction is not absent
    if prompts is None:
        prompts = probable_prompts(audio_classifier, class_probabilities(audio_classifier, vector))
    query = interpreter.query(prompts, against)
    similarity = classifier.logits(vector, query.queries).squeeze(0).cpu()
    presence = audio_classifier.presence(vector, query.queries).squeeze(0).cpu()
    check_finite("scores", similarity, presence)
    return ScoredClip(
        wav, tuple(prompts), against, encoded, query, similarity, presence, can_be_absent
    )


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
    scored = score_clip(interpreter, wav, prompts, against)
    classifier, query = interpreter.model.classifier, scored.query
    min_presence = interpreter.audio_classifier.min_presence
    masks = predict_masks(interpreter, scored, query.decoder_queries)
    sounds = classifier.apply_mask(scored.encoded, masks.unsqueeze(1)).squeeze(1).cpu()
    check_finite("masks", sounds)
    absent = (scored.presence < min_presence) & scored.can_be_absent
    if recheck_absent:
        absent = _still_absent(interpreter, absent, sounds, query.queries)
    vector = scored.encoded.encoding.vector
    return Interpretation(
        original=wav,
        waveform=fade_gains(scored.presence, absent, min_presence).unsqueeze(1) * sounds,
        mask=masks.cpu(),
        similarity=scored.similarity,
        probabilities=_probabilities(classifier, vector, query, scored.similarity),
        presence=scored.presence,
        absent=absent,
        target=int(scored.similarity.argmax()),
        prompts=scored.prompts,
        against=against,
        sample_rate=interpreter.sample_rate,
        model=interpreter.model,
    )


@torch.no_grad()
def predict_masks(interpreter: Any, scored: ScoredClip, queries: torch.Tensor) -> torch.Tensor:
    """Predict the masks of a scored clip.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter to use.
    scored : ScoredClip
        Clip.
    queries : torch.Tensor
        Query vectors for the mask decoder, ``[queries, dim]``: all, or some, of
        ``scored.query.decoder_queries``.

    Returns
    -------
    torch.Tensor
        Masks, ``[queries, frames, bins]``, on the device of the interpreter.

    Raises
    ------
    InputError
        If a mask is not finite.
    """
    masks = interpreter.model(scored.encoded, queries.unsqueeze(1)).squeeze(1)
    check_finite("masks", masks)
    return masks


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
