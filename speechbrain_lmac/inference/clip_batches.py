"""Explanation of many clips in chunks of a fixed size."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from speechbrain_lmac.inference.clip import decode, explained_prompts, interpret_decoded
from speechbrain_lmac.inference.interpretation import Interpretation
from speechbrain_lmac.inference.scored_clip import encode, score_encoded
from speechbrain_lmac.utils.device import in_float32

MAX_CLIPS = 8
"""Maximum number of clips in a chunk."""
MAX_MASK_SECONDS = 80.0
"""Maximum total duration of the masks in a chunk, unless a clip alone exceeds it."""


def explain_clips(
    interpreter: Any,
    clips: Iterable[torch.Tensor],
    prompts: Sequence[str] | None,
    against: str | None = None,
    explain_above: float | None = None,
) -> Iterator[Interpretation]:
    """Explain clips, in chunks of successive clips of one length.

    The size of a chunk depends on the length and the number of prompts only. Memory holds one
    chunk, however many clips there are. The last digits of a result depend on the chunk.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter to use.
    clips : iterable of torch.Tensor
        Checked samples, ``[time]`` each, at the sample rate of the interpreter.
    prompts, against, explain_above
        As for :func:`~speechbrain_lmac.inference.clip.explain_clip`.

    Yields
    ------
    Interpretation
        One per clip.
    """
    chunk: list[torch.Tensor] = []
    for clip in clips:
        if chunk and (
            len(clip) != len(chunk[0]) or len(chunk) == _size(interpreter, clip, prompts)
        ):
            yield from _explain_chunk(interpreter, chunk, prompts, against, explain_above)
            chunk = []
        chunk.append(clip)
    if chunk:
        yield from _explain_chunk(interpreter, chunk, prompts, against, explain_above)


def _size(interpreter: Any, clip: torch.Tensor, prompts: Sequence[str] | None) -> int:
    """Return the number of clips in a chunk."""
    if interpreter.model.classifier.keeps_graph:  # the graph of a batch is not that of its clips
        return 1
    seconds = len(clip) / interpreter.sample_rate * (1 if prompts is None else len(prompts))
    return max(1, min(MAX_CLIPS, int(MAX_MASK_SECONDS / seconds)))


@in_float32
def _explain_chunk(
    interpreter: Any,
    clips: list[torch.Tensor],
    prompts: Sequence[str] | None,
    against: str | None,
    explain_above: float | None,
) -> list[Interpretation]:
    """Explain clips of one length. Masks of the same prompts are decoded together."""
    encoded = encode(interpreter, torch.stack(clips))
    scored = [
        score_encoded(interpreter, clip, part, prompts, against)
        for clip, part in zip(clips, encoded.split())
    ]
    chosen = [explained_prompts(clip, explain_above) for clip in scored]
    queries = [
        clip.query.decoder_queries[index.to(interpreter.device)]
        for clip, index in zip(scored, chosen)
    ]
    if len({(clip.prompts, *index.tolist()) for clip, index in zip(scored, chosen)}) == 1:
        decoded = list(decode(interpreter, encoded, queries[0]))
    else:
        pairs = zip(scored, queries)
        decoded = [part for clip, each in pairs for part in decode(interpreter, clip.encoded, each)]
    return [
        interpret_decoded(interpreter, clip, index, *each, recheck_absent=True)
        for clip, index, each in zip(scored, chosen, decoded)
    ]
