"""Interface of the audio classifiers that are explained.

A classifier encodes a clip into a vector and scores it against query vectors: text embeddings of a
CLAP, or rows of a supervised classifier's head. Nothing outside the adapters depends on the kind.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import nn

from speechbrain_lmac.audio.high_pass import high_pass
from speechbrain_lmac.audio.stft import Spectrogram, power_of
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.models.class_set import ScaledDotProduct
from speechbrain_lmac.models.input_window import VariableLengthInput
from speechbrain_lmac.models.own_weights import OwnWeights
from speechbrain_lmac.models.question_words import PROMPT, QuestionWords


class AudioEncoding(NamedTuple):
    """Output of an audio encoder for a batch of clips."""

    vector: torch.Tensor
    """Clip vectors, ``[batch, dim]``; of unit norm for a CLAP."""
    hidden: tuple[torch.Tensor, ...]
    """Hidden maps ``[batch, channels, frames', bins']``, deepest first."""


class WeightsReference(NamedTuple):
    """Identity of a classifier's weights, which an interpreter is tied to."""

    name: str
    revision: str
    sha256: str


class AudioClassifier(nn.Module, ScaledDotProduct, OwnWeights, ABC):
    """Frozen audio classifier: front end, audio encoder and query vectors.

    The front end is split where masks are applied, and each step is differentiable:
    ``wavs -> window -> stft -> power -> mel -> encode``. An adapter fixes the constants, writes
    the abstract methods and calls :meth:`freeze` at the end of its ``__init__``.

    Arguments
    ---------
    sample_rate : int
        Sampling rate of the waveforms, in Hz.
    spectrogram : Spectrogram
        Short-time Fourier transform for encoding and for resynthesis.
    filterbank : torch.Tensor
        Mel weights, ``[n_fft // 2 + 1, bands]``.
    window : VariableLengthInput
        Part of a clip that the encoder takes. Default: the whole clip.
    """

    hidden_channels: tuple[int, ...]
    """Channels of the hidden maps, deepest first."""
    query_dim: int
    """Size of a query vector."""
    class_names: tuple[str, ...] | None = None
    """Names of the classes of a supervised classifier; None if any text is a query."""
    method_family: ClassVar[str] = "LMAC-ZS"
    """Name of the methods that explain the classifier: ``LMAC-ZS`` or ``L-MAC``."""
    question_words: ClassVar[QuestionWords] = PROMPT
    """Words for its questions in texts for people."""
    min_presence: float = 0.05
    """Value of :meth:`presence` below which a sound counts as absent."""
    stft_is_unfiltered: ClassVar[bool] = True
    """Whether the encoder input has the clip's spectrogram, not that of a filtered clip."""
    settings: dict[str, Any] = {}  # noqa: RUF012 - adapters replace it, and nothing changes it
    """Scalar arguments that build the same classifier again."""

    filterbank: torch.Tensor

    def __init__(
        self,
        sample_rate: int,
        spectrogram: Spectrogram,
        filterbank: torch.Tensor,
        window: VariableLengthInput | None = None,
    ):
        super().__init__()
        self.sample_rate = sample_rate
        self.spectrogram = spectrogram
        self.window = VariableLengthInput() if window is None else window
        self.register_buffer("filterbank", filterbank, persistent=False)

    @property
    def device(self) -> torch.device:
        """Device of the classifier."""
        return self.filterbank.device

    @property
    def portable_settings(self) -> dict[str, Any]:
        """Settings without paths of this machine; weights are named by their file name."""
        portable = {}
        for name, value in self.settings.items():
            is_local = isinstance(value, str) and Path(value).exists()
            if not is_local:
                portable[name] = value
            elif name == "weights":
                portable[name] = Path(value).name
        return portable

    @property
    @abstractmethod
    def reference(self) -> WeightsReference:
        """Identity of the weights in use."""

    @property
    @abstractmethod
    def audio_blocks(self) -> tuple[nn.Module, ...]:
        """Modules with the weights of the audio encoder, from the output to the input.

        Each weight that a vector depends on is in one of them. The rows of a linear head are query
        vectors, and in none.
        """

    @abstractmethod
    def encode(self, mel: torch.Tensor) -> AudioEncoding:
        """Encode mel power ``[batch, encoder frames, bands]``."""

    @abstractmethod
    def queries(self, questions: Sequence[str], distinct: bool = True) -> torch.Tensor:
        """Return the query vectors ``[questions, query_dim]`` of questions.

        Arguments
        ---------
        questions : list of str
            Prompts of a CLAP, or class names of a supervised classifier. One without a query
            vector raises InputError.
        distinct : bool
            Whether two questions with the same query vector are an error.
        """

    def spell(self, questions: Sequence[str]) -> list[str]:
        """Spelling of questions in results: prompts as given, class names as in the head."""
        return list(questions)

    def unfamiliar(self, questions: Sequence[str]) -> dict[str, str]:
        """Questions unlike all that the classifier knows, and what each is taken for."""
        return {}

    @abstractmethod
    def class_queries(
        self, names: Sequence[str], templates: Sequence[str] | None = None
    ) -> torch.Tensor:
        """Return the query vectors ``[names, query_dim]`` of class names.

        Arguments
        ---------
        names : list of str
            Class names.
        templates : list of str
            Sentences with one ``{}`` for the name; a CLAP averages over them.
        """

    @abstractmethod
    def question(self, name: str, template: str = TEMPLATE) -> str:
        """Question of a class name: a prompt of a CLAP, the name of a supervised classifier."""

    @abstractmethod
    def presence(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Probability that the sound of a query occurs in a clip.

        Arguments
        ---------
        vector : torch.Tensor
            Clip vectors, ``[batch, dim]``.
        queries : torch.Tensor
            Query vectors, ``[queries, dim]``.

        Returns
        -------
        torch.Tensor
            Probabilities, ``[batch, queries]``. The queries of a CLAP compete with everyday
            sounds, those of a supervised classifier with its other classes.
        """

    @abstractmethod
    def competing_queries(self, query: torch.Tensor) -> torch.Tensor:
        """Query ``[1, dim]`` and those it competes with in :meth:`presence`, ``[1 + n, dim]``."""

    def stft(self, wavs: torch.Tensor) -> torch.Tensor:
        """Complex spectrogram of the encoder input, ``[batch, frames, bins]``.

        An encoder of filtered clips overrides this method and ``stft_is_unfiltered``.
        """
        return self.spectrogram(wavs)

    def power(self, stft: torch.Tensor) -> torch.Tensor:
        """Power ``[batch, frames, bins]`` of a complex spectrogram, which masks act on."""
        return power_of(stft)

    def mel(self, power: torch.Tensor) -> torch.Tensor:
        """Mel power ``[batch, frames, bands]`` of power ``[batch, frames, bins]``."""
        with torch.autocast(power.device.type, enabled=False):  # bfloat16 is too coarse
            return power @ self.filterbank

    @property
    def encoded_bins(self) -> torch.Tensor:
        """1 for each linear-frequency bin that feeds a mel band, else 0, ``[n_fft // 2 + 1]``."""
        return (self.filterbank.sum(dim=1) > 0).to(self.filterbank)

    @torch.no_grad()
    def without_offset(self, wavs: torch.Tensor) -> torch.Tensor:
        """High-pass ``wavs`` ``[..., time]`` below the lowest encoded bin, without phase shift.

        Offset and hum are not encoded, but a mask that changes over time makes them audible. The
        gain rises, as half a cosine, from 0.4 to 0.8 of the frequency of that bin.
        """
        lowest = self.encoded_bins.argmax().item() * self.sample_rate / self.spectrogram.n_fft
        return high_pass(wavs, self.sample_rate, lowest)

    @torch.no_grad()
    def encoded_energy(self, wavs: torch.Tensor) -> torch.Tensor:
        """Energy ``[batch]`` of ``wavs`` ``[batch, time]`` in the encoded bins, on the CPU."""
        return self.filtered_energy(self.without_offset(wavs))

    @torch.no_grad()
    def filtered_power(self, filtered: torch.Tensor) -> torch.Tensor:
        """Power ``[batch, frames, bins]`` of results of :meth:`without_offset`."""
        return power_of(self.spectrogram(filtered.to(self.filterbank)))

    @torch.no_grad()
    def filtered_energy(self, filtered: torch.Tensor) -> torch.Tensor:
        """Energy as in :meth:`encoded_energy` of results of :meth:`without_offset`."""
        return (self.filtered_power(filtered) @ self.encoded_bins).sum(dim=-1).cpu()

    def forward(self, wavs: torch.Tensor) -> AudioEncoding:
        """Encode waveforms ``[batch, time]``."""
        stft = self.stft(self.window.fit_wav(wavs))
        return self.encode(self.mel(self.power(stft)))

    def freeze(self) -> Self:
        """Disable gradients of all weights; gradients still reach the input."""
        return self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, also inside a training Brain."""
        return super().train(False)
