"""CNN14: the convolutional audio encoder of Microsoft's CLAP and of LAION's PANN-14.

Kong et al., "PANNs: Large-scale pretrained audio neural networks for audio pattern recognition",
2020. Layers have the names of the published checkpoints.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, relu

CHANNELS = (1, 64, 128, 256, 512, 1024, 2048)
HIDDEN_BLOCKS = (1, 2, 3, 5)
"""Blocks with hidden maps: one of each resolution from 1/4 to 1/32."""

UNUSED = ("fc_audioset.weight", "fc_audioset.bias")
"""Weights of the checkpoints that are not used: AudioSet's classifier."""


class ConvBlock(nn.Module):
    """Two convolutions, then average pooling by ``pool``."""

    def __init__(self, channels_in: int, channels_out: int, pool: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.pool = pool

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Map ``[batch, channels_in, frames, bins]`` to ``channels_out``, smaller by ``pool``."""
        maps = relu(self.bn1(self.conv1(maps)))
        maps = relu(self.bn2(self.conv2(maps)))
        return avg_pool2d(maps, self.pool)


class Cnn14(nn.Module):
    """Audio encoder from log-mel to a pooled vector.

    Arguments
    ---------
    bands : int
        Number of mel bands. Default: 64.

    Example
    -------
    >>> import torch
    >>> pooled, hidden = Cnn14().eval()(torch.randn(1, 128, 64))
    >>> pooled.shape
    torch.Size([1, 2048])
    >>> [tuple(maps.shape) for maps in hidden]
    [(1, 2048, 4, 2), (1, 512, 8, 4), (1, 256, 16, 8), (1, 128, 32, 16)]
    """

    hidden_channels = tuple(CHANNELS[1 + block] for block in reversed(HIDDEN_BLOCKS))
    dim = CHANNELS[-1]

    def __init__(self, bands: int = 64):
        super().__init__()
        self.bn0 = nn.BatchNorm2d(bands)
        for index, (before, after) in enumerate(pairwise(CHANNELS), start=1):
            pool = 1 if after == self.dim else 2
            self.add_module(f"conv_block{index}", ConvBlock(before, after, pool))
        self.fc1 = nn.Linear(self.dim, self.dim)

    @property
    def blocks(self) -> tuple[nn.Module, ...]:
        """Last layer, then the convolutional blocks, deepest first."""
        first, *deeper = (
            self.get_submodule(f"conv_block{index}") for index in range(1, len(CHANNELS))
        )
        return (self.fc1, *reversed(deeper), nn.ModuleList([self.bn0, first]))

    def forward(self, log_mel: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Encode.

        Arguments
        ---------
        log_mel : torch.Tensor
            Log-mel in decibels, ``[batch, frames, bands]``.

        Returns
        -------
        torch.Tensor, tuple of torch.Tensor
            Pooled vectors ``[batch, 2048]``, and hidden maps ``[batch, channels, frames', bins']``,
            deepest first.
        """
        maps = self.bn0(log_mel.unsqueeze(1).transpose(1, 3)).transpose(1, 3)
        hidden: list[torch.Tensor] = []
        for index in range(len(CHANNELS) - 1):
            maps = self.get_submodule(f"conv_block{index + 1}")(maps)
            if index in HIDDEN_BLOCKS:
                hidden.insert(0, maps)
        over_bins = maps.mean(dim=3)
        return relu(self.fc1(over_bins.amax(dim=2) + over_bins.mean(dim=2))), tuple(hidden)
