"""Encoding of clips and their scores for prompts, before any mask is predicted."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.inference.inputs import check_finite
from speechbrain_lmac.inference.prediction import class_probabilities, probable_prompts
from speechbrain_lmac.inference.prompts import PromptQuery
from speechbrain_lmac.masking.encoded_clips import EncodedClips


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

    @property
    def power(self) -> torch.Tensor | None:
        """Power of the clip without offset, ``[frames, bins]``; None if its STFT is not encoded."""
        stft = self.encoded.stft
        return None if stft is None else power_of(stft[0]).cpu()


def score_clip(
    interpreter: Any, wav: torch.Tensor, prompts: Sequence[str] | None, against: str | None = None
) -> ScoredClip:
    """Encode a clip and score it for prompts.

    Arguments
    ---------
    interpreter, wav, prompts, against
        As for :func:`~speechbrain_lmac.inference.clip.explain_clip`.

    Returns
    -------
    ScoredClip
    """
    encoded = encode(interpreter, wav.unsqueeze(0))
    return score_encoded(interpreter, wav, encoded, prompts, against)


@torch.no_grad()
def encode(interpreter: Any, wavs: torch.Tensor) -> EncodedClips:
    """Encode checked clips of one length, ``[batch, time]``."""
    filtered = interpreter.audio_classifier.without_offset(wavs)
    return interpreter.model.classifier.encode_clips(filtered.to(interpreter.device))


@torch.no_grad()
def score_encoded(
    interpreter: Any,
    wav: torch.Tensor,
    encoded: EncodedClips,
    prompts: Sequence[str] | None,
    against: str | None = None,
) -> ScoredClip:
    """Score an encoded clip, a batch of one, for prompts; see :func:`score_clip`."""
    can_be_absent = against is None and prompts is not None  # the prediction is not absent
    if prompts is None:
        classifier = interpreter.audio_classifier
        found = class_probabilities(classifier, encoded.encoding.vector)
        prompts = probable_prompts(classifier, found)
    (clip,) = score_batch(interpreter, wav.unsqueeze(0), encoded, prompts, against)
    return clip._replace(can_be_absent=can_be_absent)


@torch.no_grad()
def score_batch(
    interpreter: Any,
    wavs: torch.Tensor,
    encoded: EncodedClips,
    prompts: Sequence[str],
    against: str | None = None,
) -> list[ScoredClip]:
    """Score encoded clips for the same prompts.

    Arguments
    ---------
    interpreter, prompts, against
        As for :func:`score_clip`.
    wavs : torch.Tensor
        Checked samples, ``[batch, time]``.
    encoded : EncodedClips
        The clips, also in bfloat16.

    Returns
    -------
    list of ScoredClip
        One per clip.

    Raises
    ------
    InputError
        If a score is not finite.
    """
    classifier, vector = interpreter.audio_classifier, encoded.encoding.vector.float()
    query = interpreter.query(prompts, against)
    similarity = classifier.logits(vector, query.queries).cpu()
    presence = classifier.presence(vector, query.queries).cpu()
    check_finite("scores", similarity, presence)
    return [
        ScoredClip(wav, tuple(prompts), against, part, query, logits, found, against is None)
        for wav, part, logits, found in zip(wavs, encoded.split(), similarity, presence)
    ]
