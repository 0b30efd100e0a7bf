"""What published CLAPs have in common: decibels, a window of fixed length, a text encoder."""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import normalize

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.models.base import AudioEncoding
from speechbrain_lmac.models.clap.base import CLAP
from speechbrain_lmac.models.input_window import FixedLengthInput
from speechbrain_lmac.utils.errors import InputError

POWER_FLOOR = 1e-10
"""Of mel power, as the authors have it; below it no gradient flows, for nothing is heard."""


class FrontEnd(NamedTuple):
    """How a CLAP turns a waveform into log-mel frames."""

    sample_rate: int
    n_fft: int
    hop_length: int
    seconds: int
    """That the encoder hears."""
    whole_repeats: bool
    """How shorter clips fill them: see
    :class:`~speechbrain_lmac.models.input_window.FixedLengthInput`."""


OF_FRONT_END = ("stft.conv_real.weight", "stft.conv_imag.weight", "logmel_extractor.melW")
"""Endings of weights in LAION's and Microsoft's files that are the Fourier transform and the
filterbank, not the network."""


def check_front_end(filterbank, log_scale, front_end, bands, what):
    """Raise InputError unless a checkpoint's filterbank and scale fit the front end."""
    wanted = [front_end.n_fft // 2 + 1, bands]
    if list(filterbank.shape) != wanted or log_scale.numel() != 1:
        raise InputError(
            f"{what}: expected a filterbank {wanted} and one logit scale but found "
            f"{list(filterbank.shape)} and {log_scale.numel()}"
        )


class PretrainedCLAP(CLAP):
    """A CLAP put together from the parts of a published one.

    Arguments
    ---------
    front_end : FrontEnd
        Its constants.
    filterbank : torch.Tensor
        Mel weights, ``[n_fft // 2 + 1, bands]``.
    audio : torch.nn.Module
        Log-mel to ``(pooled, hidden maps)``, as
        :class:`~speechbrain_lmac.models.backbones.htsat.Htsat`;
        its ``blocks`` are its share of the audio blocks.
    audio_projection : torch.nn.Module
        From ``pooled`` to the embedding, not yet of unit norm.
    sentences : Sentences
        The text side.
    query_dim : int
        Size of an embedding.
    log_scale : torch.Tensor
        Logarithm of the logit scale.
    bfloat16 : bool
        Run the audio encoder in bfloat16 where it is safe (autocast). The front end, embeddings
        and masks stay in single precision.
    """

    def __init__(
        self,
        front_end,
        filterbank,
        audio,
        audio_projection,
        sentences,
        query_dim,
        log_scale,
        bfloat16=False,
    ):
        super().__init__(
            front_end.sample_rate,
            Spectrogram(front_end.n_fft, front_end.hop_length),
            filterbank.float().clone(),  # lets go of the file
            FixedLengthInput(
                front_end.seconds * front_end.sample_rate,
                front_end.hop_length,
                front_end.whole_repeats,
            ),
        )
        self.audio = audio
        self.audio_projection = audio_projection
        self.text_encoder = sentences
        self.register_buffer("scale", log_scale.detach().float().squeeze().exp())
        self.bfloat16 = bfloat16
        self.hidden_channels = audio.hidden_channels
        self.query_dim = query_dim
        self.freeze()

    def encode(self, mel):
        log_mel = self.log_mel(mel)
        with torch.autocast(mel.device.type, torch.bfloat16, enabled=self.bfloat16):
            pooled, hidden = self.audio(log_mel)
        embedding = normalize(self.audio_projection(pooled.float()), dim=-1)
        return AudioEncoding(embedding, hidden)

    @property
    def audio_blocks(self):
        return (self.audio_projection, *self.audio.blocks)

    def log_mel(self, mel):
        """Decibels of mel power."""
        return 10 * torch.log10(mel.clamp(min=POWER_FLOOR))

    def encode_text(self, prompts):
        return self.text_encoder(prompts)

    @property
    def logit_scale(self):
        return self.scale


def mlp(width, dim):
    """LAION's projection: two layers with a rectifier between."""
    return nn.Sequential(nn.Linear(width, dim), nn.ReLU(), nn.Linear(dim, dim))
