"""EfficientAT's ``mn04``, an AudioSet classifier: MobileNetV3-Large of width 0.4.

Schmid et al., ICASSP 2023. The layers load the authors' weights.
"""

import hashlib
import io
from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError
from typing import NamedTuple, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.single_read import read_bounded

POWER_FLOOR = 1e-5
MAX_BYTES = 1 << 28
"""Largest size of a weights file; the authors' file has 4 MB."""
STEM, LAST, HIDDEN_UNITS = 8, 384, 512


class Block(NamedTuple):
    """Configuration of one inverted residual block."""

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
"""Layers with hidden maps: the last layer of each resolution from 1/4 to 1/32."""
CHANNELS = (LAST, 48, 16, 16)
"""Channels of the hidden maps, deepest first."""


class ConvNorm(nn.Sequential):
    """Convolution that keeps the size at stride 1, batch normalization and activation.

    Arguments
    ---------
    channels_in, channels_out : int
        Numbers of channels.
    kernel : int
        Size of the kernel, odd. Default: 1.
    activation : type or None
        Class of the activation. Default: hard swish; None: no activation.
    stride, groups : int
        Stride and groups of the convolution. Default: 1.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 1,
        activation: type[nn.Module] | None = nn.Hardswish,
        stride: int = 1,
        groups: int = 1,
    ):
        padding = kernel // 2
        super().__init__(
            nn.Conv2d(
                channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False
            ),
            nn.BatchNorm2d(channels_out, eps=1e-3),
            *([] if activation is None else [activation(inplace=True)]),
        )


class SqueezeExcitation(nn.Module):
    """Squeeze-and-excitation: channels weighted by their means over the clip."""

    def __init__(self, channels: int, squeezed: int):
        super().__init__()
        self.fc1 = nn.Linear(channels, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Weight maps ``[batch, channels, height, width]``."""
        weights = self.fc2(self.fc1(maps.mean(dim=(2, 3))).relu()).sigmoid()
        return maps * weights[:, :, None, None]


class InvertedResidual(nn.Module):
    """MobileNetV3's block: expansion, depthwise convolution, squeeze-and-excitation, projection."""

    def __init__(self, channels_in: int, plan: Block):
        super().__init__()
        activation = nn.Hardswish if plan.swish else nn.ReLU
        width = plan.expanded
        layers: list[nn.Module] = []
        if width > channels_in:
            layers.append(ConvNorm(channels_in, width, activation=activation))
        layers.append(
            ConvNorm(width, width, plan.kernel, activation, stride=plan.stride, groups=width)
        )
        if plan.squeezed:
            layers.append(SqueezeExcitation(width, plan.squeezed))
        layers.append(ConvNorm(width, plan.out, activation=None))
        self.block = nn.Sequential(*layers)
        self.residual = plan.stride == 1 and channels_in == plan.out

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, channels_in, height, width]`` to ``plan.out`` channels."""
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

    features: nn.ModuleList
    classifier: nn.Sequential

    def __init__(self) -> None:
        super().__init__()
        widths = (STEM, *(plan.out for plan in BLOCKS))
        self.features = nn.ModuleList(
            [
                ConvNorm(1, STEM, 3, stride=2),
                *(InvertedResidual(width, plan) for width, plan in zip(widths, BLOCKS)),
                ConvNorm(widths[-1], LAST),
            ]
        )
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(LAST, HIDDEN_UNITS),
            nn.Hardswish(),
            nn.Dropout(0.2),
            nn.Linear(HIDDEN_UNITS, len(audioset_labels())),
        )

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Layers up to each hidden map, deepest first; without the classifier."""
        ends = [0, *(layer + 1 for layer in STAGES)]
        return tuple(reversed([self.features[start:end] for start, end in pairwise(ends)]))

    def forward(self, mel: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Classify clips.

        Arguments
        ---------
        mel : torch.Tensor
            Mel power of the pre-emphasized clip, ``[batch, frames, 128]``.

        Returns
        -------
        torch.Tensor, list of torch.Tensor
            Logits ``[batch, 527]``, and hidden maps ``[batch, channels, frames', bins']``, deepest
            first.
        """
        maps, hidden = self._maps(mel)
        return self.classifier(maps), hidden

    def embed(self, mel: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Features ``[batch, 512]`` before the last linear layer, and the hidden maps."""
        features, hidden = self._maps(mel)
        return self.classifier[:-1](features), hidden

    def _maps(self, mel: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Last map ``[batch, channels, bins', frames']``, and the hidden maps."""
        log_mel = (torch.log(mel + POWER_FLOOR) + 4.5) / 5
        maps = log_mel.transpose(1, 2).unsqueeze(1)  # the kernels are frequency x time
        hidden: list[torch.Tensor] = []
        for layer, feature in enumerate(self.features):
            maps = feature(maps)
            if layer in STAGES:
                hidden.insert(0, maps.transpose(2, 3))
                maps = hidden[0].transpose(2, 3)  # gradients pass through the returned map
        return maps, hidden


def fold_norms(tagger: Tagger) -> None:
    """Fold each batch normalization into its convolution; equal to rounding."""
    for part in tagger.modules():
        if isinstance(part, ConvNorm):
            convolution, norm = cast(nn.Conv2d, part[0]), cast(nn.BatchNorm2d, part[1])
            part[0] = fuse_conv_bn_eval(convolution.eval(), norm.eval())
            part[1] = nn.Identity()


def load_weights(tagger: Tagger, path: Path, hint: str = "give the authors' file") -> str:
    """Load the authors' file strictly: tensors only, every key and shape. Return its SHA-256."""
    if not path.is_file():
        raise InputError(f"no such file: {path}; {hint}")
    data = read_bounded(path, MAX_BYTES)
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        tagger.load_state_dict(
            {name.replace(".conc_se_layers.0.", "."): value for name, value in state.items()}
        )
    except (UnpicklingError, RuntimeError, AttributeError, EOFError, KeyError, IndexError) as error:
        raise InputError(f"{path} does not hold the weights of mn04_as: {error}") from error
    return hashlib.sha256(data).hexdigest()
