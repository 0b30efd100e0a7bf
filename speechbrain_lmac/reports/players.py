"""Players of a report: sounds of a clip at its loudness, with spectrograms on its color scale."""

import math
from typing import Any, NamedTuple

import torch

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.reports.media import (
    data_uri,
    encode_image,
    encode_unclipped_mp3,
    matched_gain,
)
from speechbrain_lmac.reports.raster import AXIS_HZ, RANGE_DB, height_of

Axis = tuple[tuple[str, float], ...]
"""Pairs of a frequency's name in kHz and its height in an image, 0 (bottom) to 1 (top)."""


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

    def player(self, label: str, wav: torch.Tensor, alt: str) -> Player:
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
        Player
        """
        is_original = wav is self.original
        gain = matched_gain(wav, wav if is_original else self.reference, self.energy)
        encoded, gain = encode_unclipped_mp3(wav, gain, self.rate)
        if is_original:
            self.reference = gain * wav
        image = encode_image(self._decibels(wav), self.rate / 2, "magma", self.limits)
        return Player(
            label,
            data_uri("audio/mpeg", encoded),
            data_uri("image/webp", image),
            alt,
            20 * math.log10(gain),
            silent=not wav.any(),
        )

    def mask_image(self, gains: torch.Tensor) -> str:
        """Render gains ``[frames, bins]`` in [0, 1] as an image: data URI."""
        return data_uri("image/webp", encode_image(gains, self.rate / 2, "viridis", (0, 1)))

    def _decibels(self, wav: torch.Tensor) -> torch.Tensor:
        power = power_of(self.spectrogram(wav.unsqueeze(0).to(self.spectrogram.window.device)))
        return 10 * power.squeeze(0).clamp(min=1e-10).log10().cpu()
