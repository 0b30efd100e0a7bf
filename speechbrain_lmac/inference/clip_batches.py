"""Explanation of many clips in chunks of a fixed size."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from speechbrain_lmac.inference.clip import decode, explained_prompts, interpret_decoded
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.inference.scored_clip import encode, score_encoded
from speechbrain_lmac.utils.device import in_float32

PromptedClip = tuple[torch.Tensor, Sequence[str] | None]
"""Checked samples ``[time]`` of a clip, and its prompts; None for its prediction."""
MAX_CLIPS = 8
"""Maximum number of clips in a chunk."""
MAX_MASK_SECONDS = 80.0
"""Maximum total duration of the masks in a chunk, unless a clip alone exceeds it."""


def explain_clips(
    interpreter: Any,
    clips: Iterable[PromptedClip],
    against: str | None = None,
    explain_above: float | None = None,
) -> Iterator[Interpretation]:
    """Explain clips, in chunks of successive clips of one length and number of prompts.

    The size of a chunk depends on the length and the number of prompts only. Memory holds one
    chunk, however many clips there are. The last digits of a result depend on the chunk.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter to use.
    clips : iterable of tuple
        Clips at the sample rate of the interpreter, each with its prompts.
    against, explain_above
        As for :func:`~speechbrain_lmac.inference.clip.explain_clip`.

    Yields
    ------
    Interpretation
        One per clip.
    """
    chunk: list[PromptedClip] = []
    for clip in clips:
        if chunk and (_shape(clip) != _shape(chunk[0]) or len(chunk) == _size(interpreter, clip)):
            yield from _explain_chunk(interpreter, chunk, against, explain_above)
            chunk = []
        chunk.append(clip)
    if chunk:
        yield from _explain_chunk(interpreter, chunk, against, explain_above)


def _shape(clip: PromptedClip) -> tuple[int, int]:
    """Return the number of samples and of prompts, 1 for the prediction."""
    wav, prompts = clip
    return len(wav), 1 if prompts is None else len(prompts)


def _size(interpreter: Any, clip: PromptedClip) -> int:
    """Return the number of clips in a chunk."""
    if not interpreter.model.explains_any_query:  # padding would be explained, too
        return 1
    samples, prompts = _shape(clip)
    seconds = samples / interpreter.sample_rate * prompts
    return max(1, min(MAX_CLIPS, int(MAX_MASK_SECONDS / seconds)))


@in_float32
def _explain_chunk(
    interpreter: Any,
    clips: list[PromptedClip],
    against: str | None,
    explain_above: float | None,
) -> list[Interpretation]:
    """Explain clips of one length. Their masks are decoded together, padded to equal numbers."""
    encoded = encode(interpreter, torch.stack([wav for wav, _ in clips]))
    scored = [
        score_encoded(interpreter, wav, part, prompts, against)
        for (wav, prompts), part in zip(clips, encoded.split())
    ]
    chosen = [explained_prompts(clip, explain_above) for clip in scored]
    vectors = [
        clip.query.decoder_queries[index.to(interpreter.device)]
        for clip, index in zip(scored, chosen)
    ]
    decoded = decode(interpreter, encoded, pad_sequence(vectors), against is not None)
    return [
        interpret_decoded(
            interpreter, clip, index, masks[: len(index)], sounds[: len(index)], recheck_absent=True
        )
        for clip, index, (masks, sounds) in zip(scored, chosen, decoded)
    ]
