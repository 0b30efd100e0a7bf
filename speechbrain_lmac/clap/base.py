"""The contract that every CLAP adapter keeps, so that nothing else knows which CLAP it is."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import nn


class AudioEncoding(NamedTuple):
    """What an audio encoder makes of a batch of clips."""

    embedding: torch.Tensor
    """``[batch, dim]``, unit norm."""
    hidden: tuple
    """Hidden maps ``[batch, channels, frames', bins']``, deepest first."""


class ClapReference(NamedTuple):
    """Which weights an interpreter was trained on."""

    name: str
    revision: str
    sha256: str


class Clap(nn.Module, ABC):
    """A frozen CLAP: the model's own front end, its audio encoder and its text encoder.

    The front end is split where masks are applied, and each step is differentiable:
    ``wavs -> stft -> power -> mel -> encode``. An adapter fixes the constants and writes
    ``encode``, ``embed_text`` and ``reference``; it ends its ``__init__`` with ``freeze()``.

    Arguments
    ---------
    sample_rate : int
        Rate of the waveforms, in Hz.
    spectrogram : Spectrogram
        The short-time Fourier transform through which clips are heard and explanations sound.
    filterbank : torch.Tensor
        Mel weights, ``[n_fft // 2 + 1, bands]``.
    """

    hidden_channels: tuple
    """Channels of the hidden maps, deepest first."""
    text_dim: int
    """Size of an embedding."""

    def __init__(self, sample_rate, spectrogram, filterbank):
        super().__init__()
        self.sample_rate = sample_rate
        self.spectrogram = spectrogram
        self.register_buffer("filterbank", filterbank, persistent=False)

    def stft(self, wavs):
        """Complex spectrogram that the encoder hears, ``[batch, frames, bins]``.

        Its frames and bins are those of ``spectrogram``; an encoder that hears a filtered clip
        overrides it.
        """
        return self.spectrogram(wavs)

    def mel(self, power):
        """Mel power ``[batch, frames, bands]`` of a power spectrum ``[batch, frames, bins]``."""
        return power @ self.filterbank

    @abstractmethod
    def encode(self, mel):
        """Encode mel power ``[batch, frames, bands]`` -> :class:`AudioEncoding`."""

    @abstractmethod
    def embed_text(self, prompts):
        """Embed prompts (list of str) -> ``[prompts, text_dim]``, unit norm."""

    @property
    @abstractmethod
    def logit_scale(self):
        """Multiplier from cosine to logit (the exponential of what papers call logit scale)."""

    @property
    @abstractmethod
    def reference(self):
        """The :class:`ClapReference` of the weights in use."""

    def forward(self, wavs):
        """Encode waveforms ``[batch, time]`` -> :class:`AudioEncoding`."""
        return self.encode(self.mel(self.stft(wavs).abs().square()))

    def freeze(self):
        """Take gradients off every weight; gradients still flow to the input."""
        return self.requires_grad_(False).eval()

    def train(self, mode=True):
        """Stay in evaluation mode, also inside a training Brain."""
        return super().train(False)
