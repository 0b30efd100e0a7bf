"""Section of a listening report on a long recording: activity and regions of each prompt."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import soundfile
import torch

from speechbrain_lmac.models.question_words import QuestionWords
from speechbrain_lmac.reports.annotations import Region, RegionRule
from speechbrain_lmac.reports.curves import Box, Curve, activity_curve, box
from speechbrain_lmac.reports.findings import Finding, notes_of, other_notes
from speechbrain_lmac.reports.media import data_uri, encode_image
from speechbrain_lmac.reports.players import Axis, ClipRenderer, Player, axis_of
from speechbrain_lmac.reports.raster import RANGE_DB

MARGIN_SECONDS = 0.5
"""Length of an excerpt before and after its region."""
MAX_EXCERPT_SECONDS = 10.0
"""Maximum length of an excerpt."""
MAX_EXCERPTS = 6
"""Maximum number of excerpts per prompt: the regions of highest activity."""


class Excerpt(NamedTuple):
    """A region and its sounds."""

    region: Region
    start: float
    """Start of the excerpt, in seconds."""
    seconds: float
    """Length of the excerpt, in seconds."""
    players: tuple[Player, ...]
    box: Box
    """Region in the spectrograms."""


class ActivityCard(NamedTuple):
    """Activity, regions and excerpts of a prompt."""

    prompt: str
    absent: bool
    value: float
    """Highest presence in a window, or highest probability against another text."""
    curve: Curve
    """Activity over time."""
    excerpts: tuple[Excerpt, ...]
    """Excerpts in order of time."""
    notes: tuple[str, ...]
    """Warnings about the prompt."""


class RecordingSection(NamedTuple):
    """A recording and the activity of each prompt."""

    name: str
    seconds: float
    against: str | None
    image: str
    """Data URI of the spectrogram."""
    cards: tuple[ActivityCard, ...]
    warnings: tuple[str, ...]
    axis: Axis
    words: QuestionWords
    """Words for a prompt."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Presence of each prompt."""
        return tuple(
            Finding(card.prompt, card.value, card.absent, place)
            for place, card in enumerate(self.cards, start=1)
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings that no card has."""
        return other_notes(self.warnings, [card.prompt for card in self.cards])

    @property
    def template(self) -> str:
        """File name of the section's template."""
        return "recording.html.j2"


def recording_section(
    name: str, sound: Any, timeline: Any, audio_classifier: Any, rule: RegionRule
) -> RecordingSection:
    """Render the section of a recording.

    Arguments
    ---------
    name : str
        Heading of the section.
    sound : AudioSource
        Recording.
    timeline : Timeline
        Activity of the prompts, with their explanations written to files.
    audio_classifier : AudioClassifier
        Audio classifier that defines the spectrogram.
    rule : RegionRule
        Rule that makes the regions.

    Returns
    -------
    RecordingSection
    """
    rate, regions = audio_classifier.sample_rate, timeline.regions(*rule)
    shown = [_most_active(regions, prompt) for prompt in timeline.prompts]
    spans = [[_span(region, timeline.duration, rate) for region in part] for part in shown]
    cuts = iter(sound.read_segments(rate, [span for part in spans for span in part]))
    cards = tuple(
        ActivityCard(
            prompt,
            timeline.absent[i].item(),
            timeline.probability[i].max().item(),
            activity_curve(timeline, i, regions, rule.threshold),
            tuple(_excerpts(audio_classifier, timeline, i, zip(shown[i], spans[i]), cuts)),
            notes_of(timeline.warnings, prompt),
        )
        for i, prompt in enumerate(timeline.prompts)
    )
    level = 10 * timeline.spectrogram.clamp(min=1e-10).log10()
    limits = (level.max().item() - RANGE_DB, level.max().item())
    image = data_uri("image/webp", encode_image(level, rate / 2, "magma", limits))
    what = (name, timeline.duration, timeline.against, image, cards, tuple(timeline.warnings))
    return RecordingSection(*what, axis_of(rate), audio_classifier.question_words)


def _most_active(regions: list[Region], prompt: str) -> list[Region]:
    """Return the regions of a prompt with the highest activity, in order of time."""
    of_prompt = sorted((r for r in regions if r.prompt == prompt), key=lambda r: -r.activity)
    return sorted(of_prompt[:MAX_EXCERPTS], key=lambda region: region.start)


def _span(region: Region, duration: float, rate: int) -> tuple[int, int]:
    """Return the first sample of an excerpt and the one after its last."""
    start = max(0.0, region.start - MARGIN_SECONDS)
    stop = min(duration, region.stop + MARGIN_SECONDS, start + MAX_EXCERPT_SECONDS)
    return round(start * rate), round(stop * rate)


def _excerpts(
    audio_classifier: Any,
    timeline: Any,
    i: int,
    parts: Iterator[tuple[Region, tuple[int, int]]],
    cuts: Iterator[torch.Tensor],
) -> Iterator[Excerpt]:
    """Yield the excerpts of prompt ``i``.

    Arguments
    ---------
    audio_classifier : AudioClassifier
        Audio classifier that defines the spectrogram.
    timeline : Timeline
        Activity of the prompts, with their explanations written to files.
    i : int
        Index of the prompt.
    parts : iterator
        Pairs of a region and its span in samples.
    cuts : iterator of torch.Tensor
        Original sound of each span, ``[time]``.
    """
    prompt, rate = timeline.prompts[i], audio_classifier.sample_rate
    for region, (first, stop) in parts:
        original = next(cuts)
        path = os.fsencode(timeline.files[i])
        samples, _ = soundfile.read(path, stop - first, first, dtype="float32")
        masked_in = torch.from_numpy(samples) / timeline.gain
        renderer = ClipRenderer(audio_classifier, original)
        players = (
            renderer.player("Recording", original, f"recording, with “{prompt}”"),
            renderer.player("Masked-in", masked_in, f"masked-in for “{prompt}”"),
        )
        start, seconds = first / rate, len(original) / rate
        yield Excerpt(region, start, seconds, players, box(region, rate / 2, start, seconds))
