"""Section of a listening report on a short clip: players, masks and scores of each prompt."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.models.question_words import QuestionWords
from speechbrain_lmac.reports.media import (
    data_uri,
    decode_mp3,
    encode_image,
    encode_unclipped_mp3,
    matched_gain,
)
from speechbrain_lmac.reports.raster import AXIS_HZ, RANGE_DB, height_of

Axis = tuple[tuple[str, float], ...]
"""Pairs of a frequency's name in kHz and its height in an image, 0 (bottom) to 1 (top)."""

ScoreRow = tuple[Any, ...]
"""Name, whether the value is a probability, and one value for each sound."""


class Player(NamedTuple):
    """An audio player and its spectrogram."""

    label: str
    sound: str
    """Data URI of the sound."""
    image: str
    """Data URI of the spectrogram."""
    alt: str
    """Description of the sound for screen readers."""
    gain_db: float
    """Gain of the sound in the report."""
    silent: bool


class PromptCard(NamedTuple):
    """The explanation of a prompt."""

    prompt: str
    players: tuple[Player, ...]
    mask: str
    """Data URI of the mask's image."""
    level_db: float
    """Level of the masked-in sound relative to the clip."""
    absent: bool
    scores: tuple[ScoreRow, ...]
    """Rows for the clip, the masked-in and the masked-out sound."""


class ClipSection(NamedTuple):
    """A clip and the explanation of each prompt."""

    name: str
    seconds: float
    against: str | None
    original: Player
    cards: tuple[PromptCard, ...]
    warnings: tuple[str, ...]
    axis: Axis
    words: QuestionWords
    """Words for a prompt."""

    @property
    def template(self) -> str:
        """File name of the section's template."""
        return "clip.html.j2"


def axis_of(sample_rate: int) -> Axis:
    """Return the frequency axis of sounds with a sample rate in Hz."""
    return tuple((f"{hertz / 1000:g}", height_of(hertz, sample_rate / 2)) for hertz in AXIS_HZ)


class ClipRenderer:
    """Renders sounds of one clip at the clip's loudness and on its color scale.

    Arguments
    ---------
    audio_classifier : AudioClassifier
        Audio classifier that defines the spectrogram and the loudness.
    original : torch.Tensor
        Clip, ``[time]``.
    """

    def __init__(self, audio_classifier: Any, original: torch.Tensor):
        self.spectrogram, self.rate = audio_classifier.spectrogram, audio_classifier.sample_rate
        self.energy, self.original = audio_classifier.encoded_energy, original
        top = self._decibels(original).max().item()
        self.limits = (top - RANGE_DB, top)
        self.reference = original

    @property
    def axis(self) -> Axis:
        """Frequency axis of the images."""
        return axis_of(self.rate)

    def player(self, label: str, wav: torch.Tensor, alt: str) -> tuple[Player, torch.Tensor]:
        """Render a player, at the loudness of the original if that was rendered before.

        Arguments
        ---------
        label : str
            Caption of the player.
        wav : torch.Tensor
            Sound, ``[time]``.
        alt : str
            Description of the sound for screen readers.

        Returns
        -------
        Player, torch.Tensor
            Player, and the sound that it plays, decoded and without the gain, ``[time]``.
        """
        is_original = wav is self.original
        gain = matched_gain(wav, wav if is_original else self.reference, self.energy)
        encoded, gain = encode_unclipped_mp3(wav, gain, self.rate)
        if is_original:
            self.reference = gain * wav
        image = encode_image(self._decibels(wav), self.rate / 2, "magma", self.limits)
        player = Player(
            label,
            data_uri("audio/mpeg", encoded),
            data_uri("image/webp", image),
            alt,
            20 * math.log10(gain),
            silent=not wav.any(),
        )
        return player, decode_mp3(encoded)[: len(wav)] / gain

    def mask_image(self, gains: torch.Tensor) -> str:
        """Render gains ``[frames, bins]`` in [0, 1] as an image: data URI."""
        return data_uri("image/webp", encode_image(gains, self.rate / 2, "viridis", (0, 1)))

    def _decibels(self, wav: torch.Tensor) -> torch.Tensor:
        power = power_of(self.spectrogram(wav.unsqueeze(0).to(self.spectrogram.window.device)))
        return 10 * power.squeeze(0).clamp(min=1e-10).log10().cpu()


def clip_section(name: str, interpretation: Any) -> ClipSection:
    """Render the section of a clip.

    Scores are computed from the sounds of the report, as a browser decodes them.

    Arguments
    ---------
    name : str
        Heading of the section.
    interpretation : Interpretation
        Explanations of the clip.

    Returns
    -------
    ClipSection
    """
    classifier = interpretation.model.classifier
    renderer = ClipRenderer(classifier.audio_classifier, interpretation.original)
    original, decoded = renderer.player("Clip", interpretation.original, name)
    pairs = [_render_pair(renderer, interpretation, i) for i in range(len(interpretation.prompts))]
    masked_in, masked_out = torch.stack([sounds for _, sounds in pairs], dim=1)
    versions = (decoded.expand_as(masked_in), masked_in, masked_out)
    scores = [interpretation.score_sounds(sounds) for sounds in versions]
    gains = classifier.domain.gains(
        interpretation.mask.to(classifier.audio_classifier.filterbank.device)
    )
    cards = tuple(
        PromptCard(
            prompt,
            pairs[i][0],
            renderer.mask_image(gains[i]),
            interpretation.level_db[i].item(),
            interpretation.absent[i].item(),
            tuple(_score_rows(interpretation, i, *scores)),
        )
        for i, prompt in enumerate(interpretation.prompts)
    )
    seconds = len(interpretation.original) / interpretation.sample_rate
    warnings = tuple(interpretation.warnings)
    against = interpretation.against
    shown = (original, cards, warnings, renderer.axis, interpretation.words)
    return ClipSection(name, seconds, against, *shown)


def _render_pair(
    renderer: ClipRenderer, interpretation: Any, i: int
) -> tuple[tuple[Player, ...], torch.Tensor]:
    """Render the masked-in and the masked-out sound of prompt ``i``, ``[2, time]``."""
    sounds = {"masked-in": interpretation.waveform[i], "masked-out": interpretation.residual[i]}
    players, decoded = zip(
        *(
            renderer.player(kind.capitalize(), wav, f"{kind} for “{interpretation.prompts[i]}”")
            for kind, wav in sounds.items()
        )
    )
    return players, torch.stack(decoded)


def _score_rows(interpretation: Any, i: int, *scores: Any) -> Iterator[ScoreRow]:
    """Yield the rows of the table of scores of prompt ``i``."""
    names, words = {"logit": "similarity (logit)"}, interpretation.words
    if interpretation.against is not None:
        names["probability"] = f"probability rather than “{interpretation.against}”"
    elif len(interpretation.prompts) > 1 and words.probability_among is not None:
        names["probability"] = words.probability_among  # that of a single prompt is 1
    names["presence"] = words.presence_among
    for field, name in names.items():
        values = (getattr(version, field)[i].item() for version in scores)
        yield (name, field != "logit", *values)
