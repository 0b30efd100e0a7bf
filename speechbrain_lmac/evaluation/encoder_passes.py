"""Count of the clips that pass through an audio encoder."""

import torch


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

    def __init__(self, encoder: torch.nn.Module):
        self.encoder = encoder
        self.count = 0

    def __enter__(self):
        self._handle = self.encoder.register_forward_hook(self._count_forward)
        return self

    def __exit__(self, *_):
        self._handle.remove()

    def _count_forward(self, _module, _args, output):
        self._add(len(output))
        if output.requires_grad:
            output.register_hook(lambda gradient: self._add(len(gradient)))

    def _add(self, clips):
        self.count += clips
