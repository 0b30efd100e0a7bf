"""Interface of the masking domains: where a mask acts, and how the result sounds."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn

from speechbrain_lmac.masking.grid import Grid
from speechbrain_lmac.models.base import AudioClassifier, AudioEncoding


class MaskingDomain(nn.Module, ABC):
    """Time-frequency domain of a classifier's own front end.

    Arguments
    ---------
    audio_classifier : AudioClassifier
        Classifier with the front end.
    positions : torch.Tensor
        Position of each bin on the encoder's mel axis, 0 to 1, ``[bins]``.
    bin_mask : torch.Tensor
        Whether a bin reaches the encoder, ``[bins]``.
    """

    positions: torch.Tensor
    bin_mask: torch.Tensor
    settings: dict[str, Any] = {}  # noqa: RUF012 - domains replace it, and nothing changes it
    """Scalar arguments other than the classifier that build the same domain again."""

    def __init__(
        self, audio_classifier: AudioClassifier, positions: torch.Tensor, bin_mask: torch.Tensor
    ):
        super().__init__()
        self.audio_classifier = audio_classifier
        self.register_buffer("positions", positions, persistent=False)
        self.register_buffer("bin_mask", bin_mask.to(positions), persistent=False)

    def power(self, wavs: torch.Tensor) -> torch.Tensor:
        """Power ``[batch, frames, bins]`` of waveforms ``[batch, time]`` in this domain."""
        return self.power_from_stft(self.audio_classifier.stft(wavs))

    @abstractmethod
    def power_from_stft(self, stft: torch.Tensor) -> torch.Tensor:
        """Power in this domain of the complex spectrogram of the encoder input."""

    @abstractmethod
    def encode(self, power: torch.Tensor) -> AudioEncoding:
        """Encode power in this domain."""

    def masked(self, power: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
        """Apply amplitude gains to power.

        Arguments
        ---------
        power : torch.Tensor
            Power, ``[batch, frames, bins]``.
        gains : torch.Tensor
            Amplitude gains in [0, 1], with the shape of ``power``.

        Returns
        -------
        torch.Tensor
            Masked power, ``[batch, frames, bins]``.
        """
        return power * gains.square()

    @abstractmethod
    def gains(self, mask: torch.Tensor) -> torch.Tensor:
        """Gain of every linear-frequency bin: ``[..., bins] -> [..., n_fft // 2 + 1]``."""

    def covered(self, values: torch.Tensor) -> torch.Tensor:
        """Frames ``[..., frames, bins]`` of the encoder input that masked parts have: all."""
        return values

    def sound_gains(self, mask: torch.Tensor, wavs: torch.Tensor) -> torch.Tensor:
        """Gains ``[..., batch, frames, n_fft // 2 + 1]`` of masks on the spectrum of clips."""
        return self.gains(mask)

    def grid(self, power: torch.Tensor, samples: int) -> Grid:
        """Positions of the mask's bins on the encoder's axes.

        Arguments
        ---------
        power : torch.Tensor
            Power of the clip in this domain, ``[batch, frames, bins]``.
        samples : int
            Length of the clip, in samples.

        Returns
        -------
        Grid
        """
        window = self.audio_classifier.window
        times = window.frame_positions(power.shape[-2], samples)
        return Grid(times.to(self.positions.device), self.positions, self.bin_mask)

    def apply_mask(
        self, wavs: torch.Tensor, mask: torch.Tensor, spectrum: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Masked waveforms, with the phase of the input.

        The result is linear in the mask: ``apply_mask(M) + apply_mask(1 - M)`` is the clip. The
        domain ``stft_log1p`` is the exception.

        Arguments
        ---------
        wavs : torch.Tensor
            Waveforms, ``[batch, time]``.
        mask : torch.Tensor
            Masks, ``[..., batch, frames, bins]``.
        spectrum : torch.Tensor
            Complex spectrogram of ``wavs``. Default: computed here.

        Returns
        -------
        torch.Tensor
            Masked waveforms, ``[..., batch, time]``.
        """
        spectrogram = self.audio_classifier.spectrogram
        spectrum = spectrogram(wavs) if spectrum is None else spectrum
        gains = self.sound_gains(mask, wavs)
        closing = spectrogram.closing_frame(wavs, spectrum.shape[1])
        if closing is not None:  # the samples after the last frame take that frame's gain
            closing = (gains[..., -1, :] * closing).flatten(0, -2)
        sound = spectrogram.inverse((gains * spectrum).flatten(0, -3), wavs.shape[-1], closing)
        return sound.unflatten(0, mask.shape[:-2])
