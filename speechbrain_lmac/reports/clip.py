"""One clip of a report: what is heard and seen of it, and the numbers beside it."""

import math
from typing import NamedTuple

import torch

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.reports.media import (
    data_uri,
    decoded,
    matched_gain,
    picture,
    unclipped_mp3,
)
from speechbrain_lmac.reports.raster import AXIS_HZ, RANGE_DB, height_of


class Player(NamedTuple):
    """A sound to be played, and what it looks like."""

    label: str
    sound: str
    """Data URI."""
    image: str
    """Data URI."""
    alt: str
    gain_db: float
    """By which it is louder in the report than it is."""
    silent: bool


class Row(NamedTuple):
    """A prompt's explanation."""

    prompt: str
    players: tuple
    mask: str
    """Data URI of a picture."""
    level_db: float
    absent: bool
    scores: tuple
    """Rows of (name, in the clip, in what is kept, in what is removed)."""


class ClipReport(NamedTuple):
    """A clip and its explanations."""

    name: str
    seconds: float
    against: str | None
    original: Player
    rows: tuple
    warnings: tuple
    axis: tuple
    """Pairs of a frequency's name and its height on pictures."""

    @property
    def block(self):
        """Template of its part of a page."""
        return "clip.html.j2"


def axis_of(sample_rate):
    """Pairs of a frequency's name and its height on pictures of sounds of a rate in Hz."""
    return tuple((f"{hertz / 1000:g}", height_of(hertz, sample_rate / 2)) for hertz in AXIS_HZ)


class PlayerFactory:
    """Sounds and pictures of one clip, all in its terms.

    Arguments
    ---------
    clap : CLAP
        Whose spectrogram is drawn.
    original : torch.Tensor
        The clip, ``[time]``.
    """

    def __init__(self, clap, original):
        self.spectrogram, self.rate, self.original = clap.spectrogram, clap.sample_rate, original
        self.energy = clap.encoded_energy
        top = self._decibels(original).max().item()
        self.limits = (top - RANGE_DB, top)
        self.played = None

    @property
    def axis(self):
        """Pairs of a frequency's name and its height on pictures."""
        return axis_of(self.rate)

    def player(self, label, wav, what):
        """A sound to be played: Player; and what the player makes of it, at its own level."""
        if wav is not self.original:
            like = self.played if self.played is not None else self.original
            gain = matched_gain(wav, like, self.energy)
        else:
            gain = matched_gain(wav, wav, self.energy)
        encoded, gain = unclipped_mp3(wav, gain, self.rate)
        if wav is self.original:
            self.played = gain * wav
        image = picture(self._decibels(wav), self.rate / 2, "magma", self.limits)
        shown = Player(
            label,
            data_uri("audio/mpeg", encoded),
            data_uri("image/webp", image),
            what,
            20 * math.log10(gain),
            silent=not wav.any(),
        )
        return shown, decoded(encoded)[: len(wav)] / gain

    def mask(self, gains):
        """A picture of gains ``[frames, bins]``: data URI."""
        return data_uri("image/webp", picture(gains, self.rate / 2, "viridis", (0, 1)))

    def _decibels(self, wav):
        power = power_of(self.spectrogram(wav.unsqueeze(0).to(self.spectrogram.window.device)))
        return 10 * power.squeeze(0).clamp(min=1e-10).log10().cpu()


def heard(name, why):
    """What a report shows of a clip.

    Scores are those of the sounds in the report, decoded again: what the listener hears.

    Arguments
    ---------
    name : str
        What the clip is called.
    why : Interpretation
        Its explanations.

    Returns
    -------
    Heard
    """
    classifier = why.model.classifier
    studio = PlayerFactory(classifier.audio_classifier, why.original)
    original, written = studio.player("The clip", why.original, name)
    players, played = [], []
    for prompt, kept, removed in zip(why.prompts, why.waveform, why.residual):
        sides = [
            studio.player(word.capitalize(), wav, f"what is {word} for “{prompt}”")
            for word, wav in (("kept", kept), ("removed", removed))
        ]
        players.append(tuple(shown for shown, _ in sides))
        played.append(torch.stack([wav for _, wav in sides]))
    kept, removed = torch.stack(played, dim=1)
    found = [why.heard_in(sounds) for sounds in (written.expand_as(kept), kept, removed)]
    gains = classifier.domain.gains(why.mask.to(classifier.audio_classifier.filterbank.device))
    rows = tuple(
        Row(
            prompt,
            players[i],
            studio.mask(gains[i]),
            why.level_db[i].item(),
            why.absent[i].item(),
            tuple(_scores(why, i, *found)),
        )
        for i, prompt in enumerate(why.prompts)
    )
    seconds = len(why.original) / why.sample_rate
    return ClipReport(name, seconds, why.against, original, rows, tuple(why.warnings), studio.axis)


def _scores(why, i, *heard_in):
    names = {"logit": "similarity (logit)", "share": "probability among the prompts"}
    if why.against is not None:
        names["share"] = f"probability rather than “{why.against}”"
    if len(why.prompts) == 1 and why.against is None:
        del names["share"]  # it is 1 by definition
    names["presence"] = "probability among everyday sounds"
    for field, name in names.items():
        yield (name, field != "logit", *(getattr(found, field)[i].item() for found in heard_in))
