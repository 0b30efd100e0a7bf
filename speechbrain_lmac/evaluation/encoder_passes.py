"""Count of the clips that pass through an audio encoder."""

from typing import Any, Self

import torch
from torch import nn


class EncoderPasses:
    """Count the clips that pass through an audio encoder, forward or backward.

    Arguments
    ---------
    encoder : torch.nn.Module
        Module that every pass calls once, on a batch.

    Example
    -------
    >>> layer = torch.nn.Linear(2, 1)
    >>> with EncoderPasses(layer) as passes:
    ...     layer(torch.zeros(3, 2)).sum().backward()
    >>> passes.count
    6
    """

    def __init__(self, encoder: nn.Module):
        self.encoder = encoder
        self.count = 0

    def __enter__(self) -> Self:
        self._handle = self.encoder.register_forward_hook(self._count_forward)
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.remove()

    def _count_forward(
        self, _module: nn.Module, _args: tuple[Any, ...], output: torch.Tensor
    ) -> None:
        self._add(len(output))
        if output.requires_grad:
            output.register_hook(lambda gradient: self._add(len(gradient)))

    def _add(self, clips: int) -> None:
        self.count += clips
