"""A long recording in a report: where each prompt is found in it, and how that sounds."""

import os
from typing import NamedTuple

import soundfile
import torch

from speechbrain_lmac.reports.annotations import Region
from speechbrain_lmac.reports.clip import Player, PlayerFactory, axis_of
from speechbrain_lmac.reports.media import data_uri, picture
from speechbrain_lmac.reports.raster import RANGE_DB

AROUND_SECONDS = 0.5
"""Heard before and after a region."""
MAX_EXCERPT_SECONDS = 10.0
"""Of a region that are heard."""
MOST = 6
"""Regions of a prompt that are heard: those of most evidence."""
COLUMNS = 480
"""Of the curve."""


class Excerpt(NamedTuple):
    """A region, and how it sounds."""

    region: Region
    start: float
    """Of what is heard, in seconds, as ``seconds``, its length."""
    seconds: float
    players: tuple


class Found(NamedTuple):
    """Where a prompt is found."""

    prompt: str
    absent: bool
    curve: tuple
    """Evidence, 0 to 1, in equal steps over the recording."""
    stretches: tuple
    """Pairs of begin and end of the regions, as shares of the recording."""
    excerpts: tuple
    """In order of time."""


class Recording(NamedTuple):
    """A recording and where its prompts are."""

    name: str
    seconds: float
    against: str | None
    picture: str
    """Data URI."""
    found: tuple
    warnings: tuple
    axis: tuple
    threshold: float

    @property
    def block(self):
        """Template of its part of a page."""
        return "recording.html.j2"


def recording(name, sound, timeline, clap, threshold):
    """What a report shows of a long sound.

    Arguments
    ---------
    name : str
        What the sound is called.
    sound : AudioSource
        The sound itself.
    timeline : Timeline
        Of it, with its explanations written.
    clap : CLAP
        Whose spectrogram is drawn.
    threshold : float
        Evidence that makes a region.

    Returns
    -------
    Recording
    """
    rate, regions = clap.sample_rate, timeline.regions(threshold)
    shown = [_most_evident(regions, prompt) for prompt in timeline.prompts]
    spans = [[_span(region, timeline.duration, rate) for region in part] for part in shown]
    cuts = iter(sound.cut(rate, [span for part in spans for span in part]))
    found = []
    for i, prompt in enumerate(timeline.prompts):
        excerpts = []
        for region, (first, stop) in zip(shown[i], spans[i]):
            whole = next(cuts)
            kept, _ = soundfile.read(
                os.fsencode(timeline.files[i]), stop - first, first, dtype="float32"
            )
            kept = torch.from_numpy(kept) / timeline.gain
            players = _players(clap, prompt, whole, kept)
            excerpts.append(Excerpt(region, first / rate, len(whole) / rate, players))
        mine = [region for region in regions if region.prompt == prompt]
        stretches = tuple(
            (region.start / timeline.duration, region.stop / timeline.duration) for region in mine
        )
        absent = timeline.absent[i].item()
        found.append(
            Found(prompt, absent, _curve(timeline.evidence[i]), stretches, tuple(excerpts))
        )
    level = 10 * timeline.picture.clamp(min=1e-10).log10()
    limits = (level.max().item() - RANGE_DB, level.max().item())
    image = data_uri("image/webp", picture(level, rate / 2, "magma", limits))
    return Recording(
        name,
        timeline.duration,
        timeline.against,
        image,
        tuple(found),
        tuple(timeline.warnings),
        axis_of(rate),
        threshold,
    )


def _most_evident(regions, prompt):
    """Regions of a prompt to be heard, in order of time."""
    mine = sorted((r for r in regions if r.prompt == prompt), key=lambda r: -r.evidence)
    return sorted(mine[:MOST], key=lambda region: region.start)


def _span(region, duration, rate):
    """First sample to be heard of a region, and the one after the last."""
    start = max(0.0, region.start - AROUND_SECONDS)
    stop = min(duration, region.stop + AROUND_SECONDS, start + MAX_EXCERPT_SECONDS)
    return round(start * rate), round(stop * rate)


def _players(clap, prompt, whole, kept) -> tuple[Player, ...]:
    studio = PlayerFactory(clap, whole)
    heard, _ = studio.player("The recording", whole, f"the recording, with “{prompt}”")
    alone, _ = studio.player("Kept", kept, f"what is kept for “{prompt}”")
    return heard, alone


def _curve(evidence):
    """Greatest evidence of each part of a sound."""
    count = min(COLUMNS, len(evidence))
    pooled = torch.nn.functional.adaptive_max_pool1d(evidence.view(1, 1, -1), count)
    return tuple(pooled.flatten().tolist())
