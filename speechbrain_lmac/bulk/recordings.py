"""Recordings of any length in overlapping windows, as stretches of some minutes.

Windows, and the samples that count in each, are those of
:mod:`speechbrain_lmac.inference.recording`. A stretch has whole steps of activity. A window that
overlaps two stretches counts in both, so the activity does not depend on where a stretch ends.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn.functional import pad

from speechbrain_lmac.audio.checks import is_silent
from speechbrain_lmac.audio.overlap_add import Segment, segments
from speechbrain_lmac.bulk.hits import Hit, present, shift_regions, timeline_hits
from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.inference.activity import ActivityAccumulator
from speechbrain_lmac.inference.clip import ScoredClip, predict_masks, score_clip
from speechbrain_lmac.inference.recording import WINDOW_SECONDS, own_samples
from speechbrain_lmac.inference.timeline import STEP_SECONDS

STEPS_PER_SECOND = round(1 / STEP_SECONDS)


class Window(NamedTuple):
    """Window of a recording, scored for all prompts."""

    segment: Segment
    scored: ScoredClip | None
    """Scores; None for digital silence."""
    indices: frozenset[int]
    """Indices of the present prompts."""


class Stretch(NamedTuple):
    """Result of a stretch."""

    start: float
    """Start in the recording, in seconds."""
    stop: float
    """End in the recording, in seconds."""
    similarity: list[float]
    """Highest logit of each prompt in a window; empty for digital silence."""
    presence: list[float]
    """Highest presence of each prompt in a window."""
    hits: list[Hit]
    """Present prompts, with times in seconds of the recording."""
    vectors: list[torch.Tensor]
    """Vector of each window that is not digital silence, ``[dim]``."""


def explain_stretches(
    interpreter: Any, blocks: Iterable[torch.Tensor], settings: JobSettings
) -> Iterator[Stretch]:
    """Explain a recording stretch by stretch; memory does not grow with its length.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter that explains each window.
    blocks : iterable of torch.Tensor
        Samples of the recording, ``[time]`` each.
    settings : JobSettings
        Settings of the job.

    Yields
    ------
    Stretch
    """
    hop = round(WINDOW_SECONDS / 2 * interpreter.sample_rate)
    per_stretch = max(1, round(settings.stretch_seconds / (WINDOW_SECONDS / 2)))
    builder = StretchBuilder(interpreter, settings, hop)
    for index, (window, indices) in enumerate(_with_neighbors(interpreter, blocks, hop, settings)):
        builder.add(window, sorted(indices))
        if window.segment.is_last or (index + 1) % per_stretch == 0:
            yield builder.finish(window.segment)


def _with_neighbors(
    interpreter: Any, blocks: Iterable[torch.Tensor], hop: int, settings: JobSettings
) -> Iterator[tuple[Window, frozenset[int]]]:
    """Yield windows with the indices of the prompts present in them or in a neighbor.

    A step at the edge of a window counts frames of two windows, so both need the mask.
    """
    before: frozenset[int] = frozenset()
    held: Window | None = None
    for segment in segments(blocks, hop):
        window = _score(interpreter, segment, settings)
        if held is not None:
            yield held, before | held.indices | window.indices
            before = held.indices
        held = window
    if held is not None:
        yield held, before | held.indices


def _score(interpreter: Any, segment: Segment, settings: JobSettings) -> Window:
    if is_silent(segment.wav):  # digital silence is not encoded
        return Window(segment, None, frozenset())
    scored = score_clip(interpreter, segment.wav, settings.prompts)
    return Window(
        segment, scored, frozenset(present(scored.presence, settings.explain_above).tolist())
    )


class StretchBuilder:
    """Accumulate windows until a stretch is complete.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter that explains each window.
    settings : JobSettings
        Settings of the job.
    hop : int
        Distance between windows, in samples.
    """

    def __init__(self, interpreter: Any, settings: JobSettings, hop: int):
        self.interpreter, self.settings, self.hop = interpreter, settings, hop
        self.rate = interpreter.sample_rate
        self.first_step = 0
        self.sums = torch.zeros(5, len(settings.prompts), 1, dtype=torch.float64)
        self._clear()

    def _clear(self) -> None:
        count = len(self.settings.prompts)
        self.similarity, self.presence = torch.full((count,), -torch.inf), torch.zeros(count)
        self.peaks = [0.0] * count
        self.vectors: list[torch.Tensor] = []

    def add(self, window: Window, indices: Sequence[int]) -> None:
        """Add a window and the activity of some prompts, given by their indices."""
        scored, segment = window.scored, window.segment
        if scored is None:
            return
        for i in (scored.presence > self.presence).nonzero().flatten().tolist():
            self.peaks[i] = segment.start / self.rate
        self.similarity = torch.maximum(self.similarity, scored.similarity)
        self.presence = torch.maximum(self.presence, scored.presence)
        self.vectors.append(scored.encoded.encoding.vector[0].cpu())
        if not indices:
            return
        chosen = torch.tensor(list(indices))
        masks = predict_masks(self.interpreter, scored, scored.query.decoder_queries[chosen])
        activity = self._accumulator(chosen)
        second = segment.start // self.rate
        counted = own_samples(segment, self.hop)
        start = segment.start - second * self.rate
        presence = scored.presence[chosen]
        activity.add(start, segment.wav, masks.cpu(), presence, counted, power=scored.power)
        self._add_sums(chosen, activity.sums, second * STEPS_PER_SECOND - self.first_step)

    def _accumulator(self, chosen: torch.Tensor) -> ActivityAccumulator:
        prompts = [self.settings.prompts[i] for i in chosen]
        domain = self.interpreter.model.classifier.domain
        return ActivityAccumulator(domain, prompts, self.settings.stretch_seconds)

    def _add_sums(self, chosen: torch.Tensor, sums: torch.Tensor, offset: int) -> None:
        """Add the sums of a window whose first step is ``offset`` steps into the stretch."""
        if offset < 0:  # steps of the previous stretch have no frames of this window
            sums, offset = sums[..., -offset:], 0
        end = offset + sums.shape[-1]
        self.sums = pad(self.sums, (0, max(0, end - self.sums.shape[-1])))
        self.sums[:, chosen, offset:end] += sums

    def finish(self, segment: Segment) -> Stretch:
        """Return the stretch that ends with a window, and begin the next one."""
        start = self.first_step * STEP_SECONDS
        samples = segment.start + len(segment.wav) - round(start * self.rate)
        steps = -(-samples // round(STEP_SECONDS * self.rate))
        if not segment.is_last:  # the next window owns the rest, and a part of the step there
            boundary = (segment.start + self.hop + self.hop // 2) / self.rate
            steps = int(boundary / STEP_SECONDS + 1e-6) - self.first_step
            samples = round(steps * STEP_SECONDS * self.rate)
        own = self.sums if segment.is_last else self.sums[..., :steps]
        chosen = present(self.presence, self.settings.explain_above)
        result = Stretch(
            start=round(start, 6),
            stop=round(start + samples / self.rate, 6),
            similarity=self.similarity.tolist() if self.vectors else [],
            presence=self.presence.tolist(),
            hits=self._hits(chosen, own, samples, start) if len(chosen) else [],
            vectors=self.vectors,
        )
        self.first_step += steps
        rest = self.sums[..., steps:]
        self.sums = pad(rest, (0, max(0, 1 - rest.shape[-1])))
        self._clear()
        return result

    def _hits(
        self, chosen: torch.Tensor, sums: torch.Tensor, samples: int, start: float
    ) -> list[Hit]:
        activity = self._accumulator(chosen)
        activity.sums = sums[:, chosen]
        hits = timeline_hits(activity, samples, self.presence[chosen], self.settings.threshold)
        for hit, index in zip(hits, chosen.tolist()):
            hit["peak_start"] = self.peaks[index]
            shift_regions(hit, start)
        return hits
