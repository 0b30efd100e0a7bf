"""Explanation of one clip."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from speechbrain_lmac.inference.inputs import check_finite
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.inference.presence import LIKELY
from speechbrain_lmac.inference.prompts import PromptQuery
from speechbrain_lmac.inference.scored_clip import ScoredClip, score_clip
from speechbrain_lmac.inference.scores import CHUNK_SIZE, with_fill
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


def explain_clip(
    interpreter: Any,
    wav: torch.Tensor,
    prompts: Sequence[str] | None,
    against: str | None = None,
    recheck_absent: bool = True,
    explain_above: float | None = None,
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
    explain_above : float
        Presence from which a prompt is explained. It has no effect on the prediction, and none
        with ``against``. Default: all prompts are explained.

    Returns
    -------
    Interpretation
    """
    scored = score_clip(interpreter, wav, prompts, against)
    index = explained_prompts(scored, explain_above)
    queries = scored.query.decoder_queries[index.to(interpreter.device)]
    contrast = scored.against is not None
    ((masks, sounds),) = decode(interpreter, scored.encoded, queries, contrast)
    return interpret_decoded(interpreter, scored, index, masks, sounds, recheck_absent)


def explained_prompts(scored: ScoredClip, explain_above: float | None) -> torch.Tensor:
    """Return the indices of the prompts that are explained, ``[explained]``."""
    if explain_above is None or not scored.can_be_absent:
        return torch.arange(len(scored.prompts))
    return (scored.presence >= explain_above).nonzero().flatten()


@torch.no_grad()
def decode(
    interpreter: Any, encoded: EncodedClips, queries: torch.Tensor, contrast: bool = False
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the masks and the masked-in sounds of each clip, on the CPU.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter to use.
    encoded : EncodedClips
        Batch of clips.
    queries : torch.Tensor
        Query vectors for the mask decoder, ``[queries, dim]`` for all clips, or
        ``[queries, batch, dim]``.
    contrast : bool
        Whether the queries are differences of two queries. Default: False.

    Yields
    ------
    torch.Tensor, torch.Tensor
        Masks ``[queries, frames, bins]`` and sounds ``[queries, time]``.

    Raises
    ------
    InputError
        If a mask or a sound is not finite.
    """
    batch, samples = encoded.wavs.shape
    if not len(queries):
        masks = encoded.power.new_zeros(0, *encoded.power.shape)
        sounds = encoded.wavs.new_zeros(0, batch, samples)
    else:
        compute = interpreter.model.contrast if contrast else interpreter.model
        masks = compute(encoded, queries if queries.dim() == 3 else queries.unsqueeze(1))
        check_finite("masks", masks)
        sounds = interpreter.model.classifier.apply_mask(encoded, masks).cpu()
        check_finite("masks", sounds)
    masks = masks.cpu()
    for i in range(batch):  # a copy: a clip must not hold the masks of the batch
        yield masks[:, i].contiguous(), sounds[:, i].contiguous()


def interpret_decoded(
    interpreter: Any,
    scored: ScoredClip,
    index: torch.Tensor,
    masks: torch.Tensor,
    sounds: torch.Tensor,
    recheck_absent: bool,
) -> Interpretation:
    """Return the interpretation of a scored clip.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter to use.
    scored : ScoredClip
        Clip.
    index : torch.Tensor
        Indices of the prompts that are explained, ``[explained]``.
    masks, sounds : torch.Tensor
        Results of :func:`decode` for these prompts.
    recheck_absent : bool
        Arguments of :func:`explain_clip`.

    Returns
    -------
    Interpretation
    """
    classifier, query = interpreter.model.classifier, scored.query
    min_presence = interpreter.audio_classifier.min_presence
    absent = (scored.presence < min_presence) & scored.can_be_absent
    if recheck_absent:
        absent[index] = _still_absent(
            interpreter, absent[index], sounds, query.queries[index.to(interpreter.device)]
        )
    gains = fade_gains(scored.presence, absent, min_presence)[index]
    vector = scored.encoded.encoding.vector
    count = len(scored.prompts)
    return Interpretation(
        original=scored.wav,
        filtered=scored.encoded.wavs[0].cpu(),
        waveform=with_fill(gains.unsqueeze(1) * sounds, index, count, 0.0),
        mask=with_fill(masks, index, count, 0.0),
        similarity=scored.similarity,
        probabilities=_probabilities(classifier, vector, query, scored.similarity),
        presence=scored.presence,
        absent=absent,
        explained=with_fill(torch.ones_like(absent[index]), index, count, False),
        target=int(scored.similarity.argmax()),
        prompts=scored.prompts,
        against=scored.against,
        sample_rate=interpreter.sample_rate,
        model=interpreter.model,
        explainer=interpreter.explainer_name,
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


@torch.no_grad()
def _still_absent(
    interpreter: Any, absent: torch.Tensor, sounds: torch.Tensor, queries: torch.Tensor
) -> torch.Tensor:
    """Return whether prompts are absent from the clip and from their masked-in sounds."""
    audio_classifier = interpreter.audio_classifier
    absent, found = absent.clone(), absent.nonzero().flatten()
    for index in found.split(CHUNK_SIZE) if len(found) else ():
        vectors = audio_classifier(sounds[index].to(interpreter.device)).vector
        presence = audio_classifier.presence(vectors, queries[index.to(queries.device)])
        absent[index] = presence.diagonal().cpu() < LIKELY
    return absent
