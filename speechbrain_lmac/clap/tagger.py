"""An AudioSet tagger and a sentence encoder as an exact dual encoder.

The tagger is EfficientAT's ``mn04_as`` (Schmid et al., ICASSP 2023): a MobileNetV3 of width 0.4
that gives a logit for each of AudioSet's 527 labels. A prompt is a distribution over the labels,
by the likeness of sentences; its score is the labels' expected log-probability:

    score(prompt) = sum_k w_k log sigmoid(logit_k),  w = softmax(cos(prompt, label_k) / 0.02)

which is an inner product, hence, up to each clip's own scale, a cosine of unit vectors:
``audio = normalise([log sigmoid(logits), 0])``, ``text = [w, sqrt(1 - |w|^2)]``. It is a real
zero-shot classifier to measure explainers on, but its text side is close to looking a label up.
"""

from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import logsigmoid, normalize
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchaudio.compliance.kaldi import get_mel_banks
from torchvision.ops import Conv2dNormActivation

from speechbrain_lmac.clap import minilm
from speechbrain_lmac.clap.base import AudioEncoding, Clap, ClapReference, lasting
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.download import digest, fetch_once
from speechbrain_lmac.errors import InputError
from speechbrain_lmac.spectrogram import Spectrogram

LABELS = Path(__file__).parents[1] / "assets" / "audioset_labels.txt"
RELEASE = "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/"
FILE = "mn04_as_mAP_432.pt"
SHA256 = "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c"

SAMPLE_RATE = 32000
N_FFT = 1024
WINDOW = 800
HOP_LENGTH = 320
MEL_BANDS = 128
HIGHEST_HZ = 15000.0
PRE_EMPHASIS = 0.97
POWER_FLOOR = 1e-5

TEMPERATURE = 0.02
LOGIT_SCALE = 200.0
"""Between what is likeliest on ESC-10 among 50 names (300) and on UrbanSound8K (150)."""

STEM, LAST, HIDDEN_UNITS = 8, 384, 512


class Block(NamedTuple):
    """One row of the body's plan."""

    kernel: int
    expanded: int
    out: int
    squeezed: int  # 0: no squeeze-and-excitation
    swish: bool
    stride: int


BLOCKS = tuple(
    Block(*row)
    for row in (
        (3, 8, 8, 0, False, 1),
        (3, 24, 16, 0, False, 2),
        (3, 32, 16, 0, False, 1),
        (5, 32, 16, 8, False, 2),
        (5, 48, 16, 16, False, 1),
        (5, 48, 16, 16, False, 1),
        (3, 96, 32, 0, True, 2),
        (3, 80, 32, 0, True, 1),
        (3, 72, 32, 0, True, 1),
        (3, 72, 32, 0, True, 1),
        (3, 192, 48, 48, True, 1),
        (3, 272, 48, 72, True, 1),
        (5, 272, 64, 72, True, 2),
        (5, 384, 64, 96, True, 1),
        (5, 384, 64, 96, True, 1),
    )
)
"""MobileNetV3-Large at width 0.4."""

STAGES = (3, 6, 12, 16)
"""Features whose maps are handed out: the last ones of each resolution from 1/4 to 1/32."""


def _norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


def _conv(channels_in, channels_out, kernel=1, activation=nn.Hardswish, **kwargs):
    return Conv2dNormActivation(
        channels_in,
        channels_out,
        kernel,
        norm_layer=_norm,
        activation_layer=activation,
        **kwargs,
    )


class SqueezeExcitation(nn.Module):
    """Weigh channels by what the whole clip holds."""

    def __init__(self, channels, squeezed):
        super().__init__()
        self.fc1 = nn.Linear(channels, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, maps):
        weights = self.fc2(self.fc1(maps.mean(dim=(2, 3))).relu()).sigmoid()
        return maps * weights[:, :, None, None]


class InvertedResidual(nn.Module):
    """MobileNetV3's block: expand, filter each channel, weigh, project."""

    def __init__(self, channels_in, plan):
        super().__init__()
        activation = nn.Hardswish if plan.swish else nn.ReLU
        width = plan.expanded
        layers = [_conv(channels_in, width, activation=activation)] if width > channels_in else []
        layers.append(
            _conv(width, width, plan.kernel, activation, stride=plan.stride, groups=width)
        )
        if plan.squeezed:
            layers.append(SqueezeExcitation(width, plan.squeezed))
        layers.append(_conv(width, plan.out, activation=None))
        self.block = nn.Sequential(*layers)
        self.residual = plan.stride == 1 and channels_in == plan.out

    def forward(self, maps):
        return maps + self.block(maps) if self.residual else self.block(maps)


class Tagger(nn.Module):
    """EfficientAT ``mn04``: mel power to a logit for each AudioSet label.

    Example
    -------
    >>> logits, hidden = Tagger().eval()(torch.rand(1, 500, 128))
    >>> logits.shape
    torch.Size([1, 527])
    >>> [tuple(maps.shape) for maps in hidden]
    [(1, 384, 16, 4), (1, 48, 32, 8), (1, 16, 63, 16), (1, 16, 125, 32)]
    """

    def __init__(self):
        super().__init__()
        widths = (STEM, *(plan.out for plan in BLOCKS))
        self.features = nn.ModuleList(
            [
                _conv(1, STEM, 3, stride=2),
                *(InvertedResidual(width, plan) for width, plan in zip(widths, BLOCKS)),
                _conv(widths[-1], LAST),
            ]
        )
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(LAST, HIDDEN_UNITS),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(HIDDEN_UNITS, len(labels())),
        )

    def forward(self, mel):
        """Tag.

        Arguments
        ---------
        mel : torch.Tensor
            Mel power of the pre-emphasised clip, ``[batch, frames, 128]``.

        Returns
        -------
        torch.Tensor, list of torch.Tensor
            Logits ``[batch, 527]``; hidden maps ``[batch, channels, frames', bins']``, deepest
            first.
        """
        log_mel = (torch.log(mel + POWER_FLOOR) + 4.5) / 5
        maps = log_mel.transpose(1, 2).unsqueeze(1)  # its kernels are frequency x time
        hidden = []
        for layer, feature in enumerate(self.features):
            maps = feature(maps)
            if layer in STAGES:
                hidden.insert(0, maps.transpose(2, 3))
                maps = hidden[0].transpose(2, 3)  # gradients must pass through what is handed out
        return self.classifier(maps), hidden


class TaggerSpectrogram(Spectrogram):
    """STFT of a clip, and of the clip with its high frequencies raised, frame by frame alike.

    ``y[t] = x[t + 1] - 0.97 x[t]`` is one sample shorter than ``x``. Where that costs a frame,
    the clip's own last frame is left out as well: the frames before it cover the clip, so that
    the inverse stays exact.
    """

    def __init__(self):
        super().__init__(N_FFT, HOP_LENGTH, torch.hann_window(WINDOW, periodic=False))

    def forward(self, wavs):
        frames = 1 + max(wavs.shape[-1] - 1, self.n_fft) // self.hop_length
        return super().forward(wavs)[:, :frames]

    def emphasised(self, wavs):
        """STFT of ``wavs`` ``[batch, time]`` after pre-emphasis."""
        return super().forward(wavs[:, 1:] - PRE_EMPHASIS * wavs[:, :-1])


class TaggerClap(Clap):
    """An AudioSet tagger with all-MiniLM-L6-v2 as a CLAP; 32 kHz, clips of any length.

    Masks act on the pre-emphasised spectrum that the tagger hears, and on the clip's own where
    they are listened to.

    Arguments
    ---------
    weights : str or Path
        The authors' ``mn04_as_mAP_432.pt``; fetched from their release if not given (4 MB, MIT),
        and kept in ``~/.cache/speechbrain_lmac`` or where ``SPEECHBRAIN_LMAC_CACHE`` says.

    Raises
    ------
    InputError
        If the weights cannot be had or are not this tagger's.
    """

    hears_the_sound = False
    hidden_channels = tuple(reversed([16, 16, 48, LAST]))
    text_dim = 528

    def __init__(self, weights=None):
        filterbank = kaldi_filterbank()
        super().__init__(SAMPLE_RATE, TaggerSpectrogram(), filterbank)
        self.weights = download_weights() if weights is None else Path(weights)
        self.settings = {} if weights is None else {"weights": lasting(weights)}
        self.tagger = Tagger()
        load_weights(self.tagger, self.weights)
        fold_norms(self.tagger.to(memory_format=torch.channels_last))
        self.sentences = minilm.MiniLM()
        self.freeze()

    def stft(self, wavs):
        return self.spectrogram.emphasised(wavs)

    def encode(self, mel):
        logits, hidden = self.tagger(mel)
        log_probabilities = logsigmoid(logits)
        embedding = normalize(nn.functional.pad(log_probabilities, (0, 1)), dim=-1)
        return AudioEncoding(embedding, tuple(hidden))

    @property
    def audio_blocks(self):
        features, ends = self.tagger.features, [0, *(layer + 1 for layer in STAGES)]
        stages = [features[start:end] for start, end in pairwise(ends)]
        return (self.tagger.classifier, *reversed(stages))

    @cached_property
    def label_sentences(self):
        """Sentence embeddings of the labels, ``[527, 384]``."""
        return self.sentences([class_prompt(label) for label in labels()])

    def compute_text(self, prompts):
        cosines = self.sentences(prompts) @ self.label_sentences.T
        weights = torch.softmax(cosines / TEMPERATURE, dim=-1)
        rest = (1 - weights.square().sum(dim=-1, keepdim=True)).clamp(min=0).sqrt()
        return torch.cat([weights, rest], dim=-1)

    @property
    def logit_scale(self):
        return LOGIT_SCALE

    @property
    def portable_settings(self):
        return {}  # there is one file, and whoever lacks it fetches it

    @property
    def reference(self):
        return ClapReference("tagger", FILE, digest(self.weights))


@cache
def labels():
    """AudioSet's 527 class names, in the order of the tagger's logits."""
    return tuple(LABELS.read_text(encoding="utf-8").splitlines())


def kaldi_filterbank():
    """Kaldi's mel filters, 0 to 15 kHz, ``[513, 128]``."""
    filters, _ = get_mel_banks(
        MEL_BANDS,
        N_FFT,
        SAMPLE_RATE,
        0.0,
        HIGHEST_HZ,
        vtln_low=100.0,
        vtln_high=-500.0,
        vtln_warp_factor=1.0,
    )
    return nn.functional.pad(filters, (0, 1)).T.contiguous()  # Kaldi leaves Nyquist out


def download_weights():
    """The authors' weights, from the cache or from their release."""
    return fetch_once(RELEASE + FILE, FILE, SHA256)


def fold_norms(tagger):
    """Make each batch norm part of the convolution before it: the same function, to rounding."""
    for part in tagger.modules():
        if isinstance(part, Conv2dNormActivation):
            part[0] = fuse_conv_bn_eval(part[0].eval(), part[1].eval())
            part[1] = nn.Identity()


def load_weights(tagger, path):
    """Load the authors' file strictly: tensors only, every key, every shape."""
    if not path.is_file():
        raise InputError(f"no such file: {path}; leave it out to fetch {RELEASE + FILE}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        tagger.load_state_dict(
            {name.replace(".conc_se_layers.0.", "."): value for name, value in state.items()}
        )
    except (UnpicklingError, RuntimeError, AttributeError, EOFError, KeyError, IndexError) as error:
        raise InputError(f"{path} does not hold the weights of {FILE}: {error}") from error
