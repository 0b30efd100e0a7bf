"""Section of a listening report on a long recording: activity and regions of each prompt."""

import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import soundfile
import torch

from speechbrain_lmac.models.question_words import QuestionWords
from speechbrain_lmac.reports.annotations import Region
from speechbrain_lmac.reports.media import data_uri, encode_image
from speechbrain_lmac.reports.players import Axis, ClipRenderer, Player, axis_of
from speechbrain_lmac.reports.raster import RANGE_DB

MARGIN_SECONDS = 0.5
"""Length of an excerpt before and after its region."""
MAX_EXCERPT_SECONDS = 10.0
"""Maximum length of an excerpt."""
MAX_EXCERPTS = 6
"""Maximum number of excerpts per prompt: the regions of highest activity."""
CURVE_POINTS = 480
"""Maximum number of points of a curve."""


class Excerpt(NamedTuple):
    """A region and its sounds."""

    region: Region
    start: float
    """Start of the excerpt, in seconds."""
    seconds: float
    """Length of the excerpt, in seconds."""
    players: tuple[Player, ...]


class ActivityCard(NamedTuple):
    """Activity, regions and excerpts of a prompt."""

    prompt: str
    absent: bool
    curve: tuple[float, ...]
    """Activity in [0, 1], at equal steps over the recording."""
    spans: tuple[tuple[float, float], ...]
    """Start and end of each region, as fractions of the recording."""
    excerpts: tuple[Excerpt, ...]
    """Excerpts in order of time."""


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
    threshold: float
    words: QuestionWords
    """Words for a prompt."""

    @property
    def template(self) -> str:
        """File name of the section's template."""
        return "recording.html.j2"


def recording_section(
    name: str, sound: Any, timeline: Any, audio_classifier: Any, threshold: float
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
    threshold : float
        Activity from which a region starts, in [0, 1].

    Returns
    -------
    RecordingSection
    """
    rate, regions = audio_classifier.sample_rate, timeline.regions(threshold)
    shown = [_most_active(regions, prompt) for prompt in timeline.prompts]
    spans = [[_span(region, timeline.duration, rate) for region in part] for part in shown]
    cuts = iter(sound.read_segments(rate, [span for part in spans for span in part]))
    cards = tuple(
        ActivityCard(
            prompt,
            timeline.absent[i].item(),
            _curve(timeline.activity[i]),
            tuple(
                (region.start / timeline.duration, region.stop / timeline.duration)
                for region in regions
                if region.prompt == prompt
            ),
            tuple(_excerpts(audio_classifier, timeline, i, zip(shown[i], spans[i]), cuts)),
        )
        for i, prompt in enumerate(timeline.prompts)
    )
    level = 10 * timeline.spectrogram.clamp(min=1e-10).log10()
    limits = (level.max().item() - RANGE_DB, level.max().item())
    image = data_uri("image/webp", encode_image(level, rate / 2, "magma", limits))
    what = (name, timeline.duration, timeline.against, image, cards, tuple(timeline.warnings))
    return RecordingSection(*what, axis_of(rate), threshold, audio_classifier.question_words)


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
            renderer.player("Recording", original, f"recording, with “{prompt}”")[0],
            renderer.player("Masked-in", masked_in, f"masked-in for “{prompt}”")[0],
        )
        yield Excerpt(region, first / rate, len(original) / rate, players)


def _curve(activity: torch.Tensor) -> tuple[float, ...]:
    """Return the maximum activity of each part of a recording."""
    count = min(CURVE_POINTS, len(activity))
    pooled = torch.nn.functional.adaptive_max_pool1d(activity.view(1, 1, -1), count)
    return tuple(pooled.flatten().tolist())
