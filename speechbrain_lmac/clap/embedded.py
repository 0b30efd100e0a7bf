"""The CLAP that ships with the package: small, ours, and enough to try everything offline."""

import hashlib
from itertools import pairwise
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import avg_pool2d, normalize
from torchaudio.functional import melscale_fbanks

from speechbrain_lmac.clap import minilm
from speechbrain_lmac.clap.base import AudioEncoding, Clap, ClapReference
from speechbrain_lmac.spectrogram import Spectrogram

WEIGHTS = Path(__file__).parents[1] / "assets" / "embedded_clap.safetensors"
REVISION = "1"

SAMPLE_RATE = 32000
N_FFT = 1024
HOP_LENGTH = 512
MEL_BANDS = 64
POWER_FLOOR = 1e-3
"""Added to mel power before the log: a sine this faint is 80 dB below full scale."""

CHANNELS = (16, 32, 64, 128, 256)
DIM = 256


def _conv(channels_in, channels_out, stride=1):
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


class AudioTower(nn.Module):
    """Mel power to an embedding, through blocks of halving resolution.

    Clips of any length: the head averages and maximises over what is there.

    Example
    -------
    >>> encoding = AudioTower().eval()(torch.rand(2, 313, 64))
    >>> [tuple(hidden.shape) for hidden in encoding.hidden]
    [(2, 256, 20, 4), (2, 128, 40, 8), (2, 64, 79, 16), (2, 32, 157, 32)]
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(MEL_BANDS))
        self.register_buffer("std", torch.ones(MEL_BANDS))
        self.stem = _conv(1, CHANNELS[0], stride=2)
        self.blocks = nn.ModuleList(
            nn.Sequential(_conv(before, after), _conv(after, after))
            for before, after in pairwise(CHANNELS)
        )
        self.head = nn.Linear(CHANNELS[-1], DIM)

    def forward(self, mel):
        """Encode.

        Arguments
        ---------
        mel : torch.Tensor
            Mel power, ``[batch, frames, 64]``.

        Returns
        -------
        AudioEncoding
            Embedding ``[batch, 256]``; four hidden maps of 256, 128, 64 and 32 channels.
        """
        log_mel = (torch.log(mel + POWER_FLOOR) - self.mean) / self.std
        maps = self.stem(log_mel.unsqueeze(1).contiguous(memory_format=torch.channels_last))
        hidden = []
        for block in self.blocks:
            if hidden:
                maps = avg_pool2d(maps, 2, ceil_mode=True)
            maps = block(maps)
            hidden.append(maps)
        over_bins = maps.mean(dim=3)
        embedding = self.head(over_bins.mean(dim=2) + over_bins.amax(dim=2))
        return AudioEncoding(normalize(embedding, dim=-1), tuple(reversed(hidden)))


class TextTower(nn.Module):
    """A linear map from sentence embeddings ``[prompts, 384]`` to ``[prompts, 256]``, unit norm."""

    def __init__(self):
        super().__init__()
        self.projection = nn.Linear(minilm.DIM, DIM)

    def forward(self, sentences):
        return normalize(self.projection(sentences), dim=-1)


def mel_filterbank():
    """Slaney mel filters of unit height over the whole band, ``[513, 64]``."""
    return melscale_fbanks(
        N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, MEL_BANDS, SAMPLE_RATE, None, "slaney"
    )


class EmbeddedClap(Clap):
    """The CLAP in the package: 32 kHz, a convolutional audio tower, MiniLM for text.

    It knows the few classes it was trained on (see recipes/EmbeddedCLAP); it is there to run
    the whole system without a download, not to be believed on other sounds.

    Arguments
    ---------
    weights : str or Path
        Another set of weights in the same format.

    Example
    -------
    >>> clap = EmbeddedClap()
    >>> prompts = ["this is the sound of rain", "this is the sound of siren"]
    >>> from speechbrain_lmac.data.synthetic import synthesise
    >>> wavs = synthesise("siren", seed=1).unsqueeze(0)
    >>> (clap(wavs).embedding @ clap.embed_text(prompts).T).argmax().item()
    1
    """

    hidden_channels = tuple(reversed(CHANNELS[1:]))
    text_dim = DIM

    def __init__(self, weights=WEIGHTS):
        super().__init__(SAMPLE_RATE, Spectrogram(N_FFT, HOP_LENGTH), mel_filterbank())
        self.audio_tower = AudioTower()
        self.text_tower = TextTower()
        self.register_buffer("scale", torch.tensor(1.0))
        self.load_state_dict(load_file(weights))
        self.weights = Path(weights)
        self.sentences = minilm.MiniLM()
        self.to(memory_format=torch.channels_last)
        self.freeze()

    def encode(self, mel):
        return self.audio_tower(mel)

    @torch.no_grad()
    def embed_text(self, prompts):
        return self.text_tower(self.sentences(prompts).to(self.scale.device))

    @property
    def logit_scale(self):
        return self.scale

    @property
    def reference(self):
        digest = hashlib.sha256(self.weights.read_bytes()).hexdigest()
        return ClapReference("embedded", REVISION, digest)
