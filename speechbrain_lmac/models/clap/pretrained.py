"""Base class of published CLAPs: log-mel in decibels, fixed-length input, a text encoder."""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import normalize

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.models.backbones.cnn14 import Cnn14
from speechbrain_lmac.models.backbones.htsat import Htsat
from speechbrain_lmac.models.base import AudioEncoding
from speechbrain_lmac.models.clap.base import CLAP
from speechbrain_lmac.models.input_window import FixedLengthInput
from speechbrain_lmac.models.text.transformer import Sentences
from speechbrain_lmac.utils.errors import InputError

POWER_FLOOR = 1e-10
"""Least mel power, as in the authors' code; below it no gradient flows."""


class FrontEnd(NamedTuple):
    """Constants of a front end: from a waveform to log-mel frames."""

    sample_rate: int
    n_fft: int
    hop_length: int
    seconds: int
    """Length of the encoder input, in seconds."""
    whole_repeats: bool
    """Whether shorter clips are repeated as a whole; see
    :class:`~speechbrain_lmac.models.input_window.FixedLengthInput`."""


OF_FRONT_END = ("stft.conv_real.weight", "stft.conv_imag.weight", "logmel_extractor.melW")
"""Suffixes of the weights in LAION's and Microsoft's files that hold the Fourier transform and the
filterbank."""


def check_front_end(
    filterbank: torch.Tensor,
    log_scale: torch.Tensor,
    front_end: FrontEnd,
    bands: int,
    what: str,
) -> None:
    """Raise InputError if a checkpoint's filterbank and scale do not fit the front end."""
    expected = [front_end.n_fft // 2 + 1, bands]
    if list(filterbank.shape) != expected or log_scale.numel() != 1:
        raise InputError(
            f"{what}: expected a filterbank {expected} and one logit scale but found "
            f"{list(filterbank.shape)} and {log_scale.numel()}"
        )


class PretrainedCLAP(CLAP):
    """CLAP assembled from the parts of a published model.

    Arguments
    ---------
    front_end : FrontEnd
        Constants of the front end.
    filterbank : torch.Tensor
        Mel weights, ``[n_fft // 2 + 1, bands]``.
    audio : Cnn14 or Htsat
        Audio encoder from log-mel to ``(pooled, hidden maps)``, with ``blocks`` and
        ``hidden_channels``: :class:`~speechbrain_lmac.models.backbones.cnn14.Cnn14` or
        :class:`~speechbrain_lmac.models.backbones.htsat.Htsat`.
    audio_projection : torch.nn.Module
        Projection from ``pooled`` to the vector, before normalization.
    text_encoder : Sentences
        Text encoder.
    query_dim : int
        Size of a query vector.
    log_scale : torch.Tensor
        Logarithm of the logit scale.
    bfloat16 : bool
        Whether the audio encoder runs in bfloat16 (autocast). The front end, vectors and masks
        stay in single precision. Default: False.
    """

    audio: Cnn14 | Htsat
    text_encoder: Sentences
    scale: torch.Tensor

    def __init__(
        self,
        front_end: FrontEnd,
        filterbank: torch.Tensor,
        audio: Cnn14 | Htsat,
        audio_projection: nn.Module,
        text_encoder: Sentences,
        query_dim: int,
        log_scale: torch.Tensor,
        bfloat16: bool = False,
    ):
        super().__init__(
            front_end.sample_rate,
            Spectrogram(front_end.n_fft, front_end.hop_length),
            filterbank.float().clone(),  # releases the file
            FixedLengthInput(
                front_end.seconds * front_end.sample_rate,
                front_end.hop_length,
                front_end.whole_repeats,
            ),
        )
        self.audio = audio
        self.audio_projection = audio_projection
        self.text_encoder = text_encoder
        self.register_buffer("scale", log_scale.detach().float().squeeze().exp())
        self.uses_bfloat16 = bfloat16
        self.hidden_channels = audio.hidden_channels
        self.query_dim = query_dim
        self.freeze()

    def encode(self, mel: torch.Tensor) -> AudioEncoding:
        log_mel = self.log_mel(mel)
        with torch.autocast(mel.device.type, torch.bfloat16, enabled=self.uses_bfloat16):
            pooled, hidden = self.audio(log_mel)
        embedding = normalize(self.audio_projection(pooled.float()), dim=-1)
        return AudioEncoding(embedding, hidden)

    @property
    def audio_blocks(self) -> tuple[nn.Module, ...]:
        return (self.audio_projection, *self.audio.blocks)

    def log_mel(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel power in decibels."""
        return 10 * torch.log10(mel.clamp(min=POWER_FLOOR))

    def encode_text(self, prompts: list[str]) -> torch.Tensor:
        return self.text_encoder(prompts)

    @property
    def logit_scale(self) -> torch.Tensor:
        return self.scale


def mlp(width: int, dim: int) -> nn.Sequential:
    """LAION's projection: two linear layers with a ReLU between them."""
    return nn.Sequential(nn.Linear(width, dim), nn.ReLU(), nn.Linear(dim, dim))
