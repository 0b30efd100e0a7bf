"""MiniCLAP: a small CLAP in the package, for running the whole system offline."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn
from torch.nn.functional import avg_pool2d, normalize
from torchaudio.functional import melscale_fbanks

from speechbrain_lmac.audio.stft import Spectrogram
from speechbrain_lmac.data.prompts import to_paper_template
from speechbrain_lmac.models.base import AudioEncoding, WeightsReference
from speechbrain_lmac.models.clap.base import CLAP
from speechbrain_lmac.models.clap.mini_text import DIM, TextTower
from speechbrain_lmac.models.text import minilm
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.files import absolute_if_exists
from speechbrain_lmac.utils.single_read import read_bounded

WEIGHTS = Path(__file__).parents[1] / "assets" / "mini_clap.safetensors"
REVISION = "2"
MAX_BYTES = 1 << 28
"""Largest size of a weights file; the one in the package has 4 MB."""

SAMPLE_RATE = 32000
N_FFT = 1024
HOP_LENGTH = 512
MEL_BANDS = 64
POWER_FLOOR = 1e-3
"""Power added to mel power before the log: that of a sine 80 dB below full scale."""

CHANNELS = (16, 32, 64, 128, 256)


def _conv(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


class AudioTower(nn.Module):
    """Audio encoder: convolutional blocks of halving resolution.

    Clips have any length: the head takes the mean and the maximum over time. ``common`` is the mean
    direction of sounds. It is subtracted, so a prompt that fits most sounds ("music") does not win
    by that alone.

    Example
    -------
    >>> encoding = AudioTower().eval()(torch.rand(2, 313, 64))
    >>> [tuple(hidden.shape) for hidden in encoding.hidden]
    [(2, 256, 20, 4), (2, 128, 40, 8), (2, 64, 79, 16), (2, 32, 157, 32)]
    """

    mean: torch.Tensor
    std: torch.Tensor
    common: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(MEL_BANDS))
        self.register_buffer("std", torch.ones(MEL_BANDS))
        self.register_buffer("common", torch.zeros(DIM))
        self.stem = _conv(1, CHANNELS[0], stride=2)
        self.blocks = nn.ModuleList(
            nn.Sequential(_conv(before, after), _conv(after, after))
            for before, after in pairwise(CHANNELS)
        )
        self.head = nn.Linear(CHANNELS[-1], DIM)

    def forward(self, mel: torch.Tensor) -> AudioEncoding:
        """Encode clips.

        Arguments
        ---------
        mel : torch.Tensor
            Mel power, ``[batch, frames, 64]``.

        Returns
        -------
        AudioEncoding
            Vectors ``[batch, 256]`` and four hidden maps of 256, 128, 64 and 32 channels.
        """
        log_mel = (torch.log(mel + POWER_FLOOR) - self.mean) / self.std
        maps = self.stem(log_mel.unsqueeze(1).contiguous(memory_format=torch.channels_last))
        hidden: list[torch.Tensor] = []
        for block in self.blocks:
            if hidden:
                maps = avg_pool2d(maps, 2, ceil_mode=True)
            maps = block(maps)
            hidden.append(maps)
        over_bins = maps.mean(dim=3)
        embedding = self.head(over_bins.mean(dim=2) + over_bins.amax(dim=2))
        centered = normalize(embedding, dim=-1) - self.common
        return AudioEncoding(normalize(centered, dim=-1), tuple(reversed(hidden)))


def load_weights(path: str | Path) -> tuple[dict[str, torch.Tensor], str]:
    """Tensors of a safetensors file, with floats in single precision, and its SHA-256 in hex."""
    data = read_bounded(path, MAX_BYTES)
    try:
        state = load(data)
    except (SafetensorError, ValueError, LookupError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read as safetensors: {first_line(error)}") from error
    tensors = {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }
    return tensors, hashlib.sha256(data).hexdigest()


def mel_filterbank() -> torch.Tensor:
    """Slaney mel filters of unit height from 0 Hz to Nyquist, ``[513, 64]``."""
    return melscale_fbanks(
        N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, MEL_BANDS, SAMPLE_RATE, None, "slaney"
    )


class MiniCLAP(CLAP):
    """Small CLAP at 32 kHz: a convolutional audio encoder, and MiniLM for text.

    It was distilled from :class:`~speechbrain_lmac.models.clap.efficientat.EfficientATCLAP` and
    takes free text; ``experiments/mini_clap`` documents its training and its limits. It runs the
    whole system without a download. Explain the CLAP that you use.

    Arguments
    ---------
    weights : str or Path
        Weights file in the same format. Default: the weights in the package.

    Raises
    ------
    InputError
        If the file does not hold a MiniCLAP.

    Example
    -------
    >>> clap = MiniCLAP()
    >>> prompts = ["this is the sound of rain", "this is the sound of siren"]
    >>> from speechbrain_lmac.data.synthetic import synthesize
    >>> wavs = synthesize("siren", seed=1).unsqueeze(0)
    >>> (clap(wavs).vector @ clap.queries(prompts).T).argmax().item()
    1
    """

    hidden_channels = tuple(reversed(CHANNELS[1:]))
    query_dim = DIM

    audio_tower: AudioTower
    text_tower: TextTower
    text_encoder: minilm.MiniLM
    scale: torch.Tensor

    def __init__(self, weights: str | Path = WEIGHTS):
        super().__init__(SAMPLE_RATE, Spectrogram(N_FFT, HOP_LENGTH), mel_filterbank())
        state, sha256 = load_weights(weights)
        self.audio_tower = AudioTower()
        self.text_tower = TextTower(len(state.get("text_tower.phrases", ())))
        self.register_buffer("scale", torch.tensor(1.0))
        try:
            self.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"{weights} does not hold a MiniCLAP: {error}") from error
        self.weights, self.sha256 = Path(weights), sha256
        self.settings = {} if self.weights == WEIGHTS else {"weights": absolute_if_exists(weights)}
        self.text_encoder = minilm.MiniLM()
        # the stubs of ``to`` lack ``memory_format``
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.freeze()
        self._unfamiliar: dict[str, str | None] = {}

    def encode(self, mel: torch.Tensor) -> AudioEncoding:
        return self.audio_tower(mel)

    @property
    def audio_blocks(self) -> tuple[nn.Module, ...]:
        tower = self.audio_tower
        return (tower.head, *reversed(tower.blocks), tower.stem)

    def prompt_text(self, prompt: str) -> str:
        return to_paper_template(prompt)

    def encode_text(self, prompts: list[str]) -> torch.Tensor:
        sentences = self.text_encoder([self.prompt_text(prompt) for prompt in prompts])
        return self.text_tower(sentences.to(self.scale.device))

    def unfamiliar(self, questions: Sequence[str]) -> dict[str, str]:
        new = [text for text in questions if text not in self._unfamiliar]
        if new:
            sentences = self.text_encoder([self.prompt_text(prompt) for prompt in new])
            self._unfamiliar |= zip(new, self.text_tower.taken_for(sentences.to(self.scale.device)))
        taken = {text: self._unfamiliar[text] for text in questions}
        return {text: label for text, label in taken.items() if label is not None}

    @property
    def logit_scale(self) -> torch.Tensor:
        return self.scale

    @property
    def reference(self) -> WeightsReference:
        return WeightsReference("mini", REVISION, self.sha256)
