"""The contract that every CLAP adapter keeps, so that nothing else knows which CLAP it is."""

import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import nn
from torch.nn.functional import normalize

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.data.prompts import TEMPLATE, bare, class_prompt, speakable
from speechbrain_lmac.models.input_window import VariableLengthInput
from speechbrain_lmac.models.text import checks
from speechbrain_lmac.utils.errors import InputError


class AudioEncoding(NamedTuple):
    """What an audio encoder makes of a batch of clips."""

    embedding: torch.Tensor
    """``[batch, dim]``, unit norm."""
    hidden: tuple
    """Hidden maps ``[batch, channels, frames', bins']``, deepest first."""


class WeightsReference(NamedTuple):
    """Which weights an interpreter was trained on."""

    name: str
    revision: str
    sha256: str


def lasting(source):
    """What is here by its full path, so that it is found from any folder; other names as given."""
    return str(Path(source).resolve()) if Path(source).exists() else str(source)


def check_window(clap, seconds):
    """Refuse clips longer than the CLAP hears at once: what is not heard has no explanation."""
    start, stop = clap.window.span(sys.maxsize)
    heard_s = (stop - start) / clap.sample_rate
    if seconds > heard_s:
        raise InputError(f"clip_seconds is {seconds}, but this CLAP hears {heard_s:g} s at once")


class CLAP(nn.Module, ABC):
    """A frozen CLAP: the model's own front end, its audio encoder and its text encoder.

    The front end is split where masks are applied, and each step is differentiable:
    ``wavs -> window -> stft -> power -> mel -> encode``. An adapter fixes the constants and
    writes ``encode``, ``compute_text`` and ``reference``; it ends its ``__init__`` with
    ``freeze()``.

    Arguments
    ---------
    sample_rate : int
        Rate of the waveforms, in Hz.
    spectrogram : Spectrogram
        The short-time Fourier transform through which clips are heard and explanations sound.
    filterbank : torch.Tensor
        Mel weights, ``[n_fft // 2 + 1, bands]``.
    window : VariableLengthInput
        How much of a clip the encoder hears; all of it by default.
    """

    hidden_channels: tuple
    """Channels of the hidden maps, deepest first."""
    sentences: Any
    """The text side: ``read(text, content)`` is a
    :class:`~speechbrain_lmac.models.text.checks.TextCoverage`.
    """
    text_dim: int
    """Size of an embedding."""
    stft_is_unfiltered: ClassVar[bool] = True
    """Whether ``stft`` is the clip's own spectrogram, not that of a filtered clip."""
    settings: ClassVar[dict] = {}
    """Arguments, as scalars, that build the same CLAP again."""

    def __init__(self, sample_rate, spectrogram, filterbank, window=None):
        super().__init__()
        self.sample_rate = sample_rate
        self.spectrogram = spectrogram
        self.window = VariableLengthInput() if window is None else window
        self.register_buffer("filterbank", filterbank, persistent=False)
        self._embedded = {}
        self._keys = {}

    @property
    def portable_settings(self):
        """``settings`` without paths of this machine: weights by their file's name, what else is a
        path by its default.
        """
        kept = {}
        for name, value in self.settings.items():
            local = isinstance(value, str) and Path(value).exists()
            if not local:
                kept[name] = value
            elif name == "weights":
                kept[name] = Path(value).name
        return kept

    def stft(self, wavs):
        """Complex spectrogram that the encoder hears, ``[batch, frames, bins]``.

        Its frames and bins are those of ``spectrogram``; an encoder that hears a filtered clip
        overrides it, and ``stft_is_unfiltered``.
        """
        return self.spectrogram(wavs)

    def mel(self, power):
        """Mel power ``[batch, frames, bands]`` of a power spectrum ``[batch, frames, bins]``."""
        with torch.autocast(power.device.type, enabled=False):  # bfloat16 would be heard
            return power @ self.filterbank

    @property
    def encoded_bins(self):
        """1 for each linear-frequency bin that feeds a mel band, else 0, ``[n_fft // 2 + 1]``."""
        return (self.filterbank.sum(dim=1) > 0).to(self.filterbank)

    @torch.no_grad()
    def without_offset(self, wavs):
        """``wavs`` ``[..., time]`` without what lies below the lowest encoded bin.

        A constant offset and slow hum are not encoded, but a mask that changes over time would
        turn them into sound. A high-pass filter of zero phase removes them: it rises, as half a
        cosine, from 0.4 to 0.8 of the frequency of that bin.
        """
        samples = wavs.shape[-1]
        lowest = self.encoded_bins.argmax().item() * self.sample_rate / self.spectrogram.n_fft
        hertz = torch.fft.rfftfreq(samples, 1 / self.sample_rate, device=wavs.device)
        place = ((hertz / max(lowest, 1.0) - 0.4) / 0.4).clamp(0, 1)
        gains = (1 - torch.cos(torch.pi * place)) / 2
        return torch.fft.irfft(gains * torch.fft.rfft(wavs), samples)

    @torch.no_grad()
    def encoded_energy(self, wavs):
        """Energy of ``wavs`` ``[batch, time]`` in the bins that are encoded, ``[batch]``, on the
        CPU.
        """
        power = power_of(self.spectrogram(self.without_offset(wavs).to(self.filterbank)))
        return (power @ self.encoded_bins).sum(dim=-1).cpu()

    @abstractmethod
    def encode(self, mel):
        """Encode mel power ``[batch, frames heard, bands]`` -> :class:`AudioEncoding`."""

    @property
    @abstractmethod
    def audio_blocks(self):
        """Modules that hold the audio encoder's weights, each weight in one of them: a tuple from
        the output down, the projection or head first, then the deepest stage, the input's last.
        """

    @abstractmethod
    def compute_text(self, prompts):
        """Embed prompts (list of str) -> ``[prompts, text_dim]``, unit norm, each time anew."""

    def wording(self, prompt):
        """The text that the encoder is given for a prompt: the prompt as it is."""
        return prompt

    def check_text(self, prompts, apart=True):
        """Refuse prompts that the text encoder does not read, or cannot tell apart.

        What it reads in part is a warning. Equal prompts are one.

        Arguments
        ---------
        prompts : list of str
            Asked together.
        apart : bool
            Whether they must be told apart.

        Raises
        ------
        InputError
            Naming the prompt and why.
        """
        for prompt in prompts:
            if prompt not in self._keys:
                self._keys[prompt] = checks.check(prompt, self._read)
        if apart:
            checks.check_apart({prompt: self._keys[prompt] for prompt in prompts})

    def _read(self, prompt):
        return self.sentences.read(self.wording(prompt), bare(prompt))

    @torch.no_grad()
    def embed_text(self, prompts, apart=True):
        """Embed prompts (list of str) -> ``[prompts, text_dim]``, unit norm, each once and kept.

        One by one: in a batch the last digits would depend on the others, and what is kept, hence
        a resumed run, on what came before. ``apart``: whether prompts that the encoder cannot tell
        apart are an error, as :meth:`check_text` has it; captions of different clips may be alike.
        """
        self.check_text(prompts, apart)
        for prompt in prompts:
            if prompt not in self._embedded:
                with torch.autocast(self.filterbank.device.type, enabled=False):  # kept for all
                    self._embedded[prompt] = self.compute_text([prompt])[0].cpu()
        text = torch.stack([self._embedded[prompt] for prompt in prompts])
        return text.to(self.filterbank.device)

    def embed_names(self, names, templates=(TEMPLATE,)):
        """Embed class names: each one's mean over templates, ``[names, text_dim]``, unit norm."""
        if not isinstance(templates, list | tuple) or not templates:
            raise InputError(f"templates are a list such as [{TEMPLATE!r}], not {templates!r}")
        for template in templates:
            if not isinstance(template, str) or template.count("{}") != 1:
                raise InputError(f"a template has one {{}} for the name; {template!r} has not")
        self.check_text([speakable(name) for name in names])
        wordings = [
            self.embed_text([class_prompt(name, template) for name in names])
            for template in templates
        ]
        return wordings[0] if len(wordings) == 1 else normalize(sum(wordings), dim=-1)

    @property
    @abstractmethod
    def logit_scale(self):
        """Multiplier from cosine to logit (the exponential of what papers call logit scale)."""

    @property
    @abstractmethod
    def reference(self):
        """The :class:`WeightsReference` of the weights in use."""

    def forward(self, wavs):
        """Encode waveforms ``[batch, time]`` -> :class:`AudioEncoding`."""
        heard = self.stft(self.window.fit_wav(wavs))
        return self.encode(self.mel(power_of(heard)))

    def freeze(self):
        """Take gradients off every weight; gradients still flow to the input."""
        return self.requires_grad_(False).eval()

    def train(self, mode=True):
        """Stay in evaluation mode, also inside a training Brain."""
        return super().train(False)
