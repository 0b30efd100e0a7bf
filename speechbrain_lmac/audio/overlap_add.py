"""Long sounds in windows, and windows back in one sound without a seam.

Neighboring windows share half of their length, across which one fades into the next with weights
that add up to 1. What is done to each window is thus faded too, and what is left alone comes back
as it was. Memory holds two windows, however long the sound.
"""

from typing import NamedTuple

import torch


class Segment(NamedTuple):
    """A stretch of a long sound."""

    start: int
    """Its first sample in the sound."""
    wav: torch.Tensor
    """``[time]``."""
    num_settled: int
    """How many samples at its beginning the windows before it have settled."""
    is_last: bool
    """Whether the sound ends with it."""


def segments(blocks, step):
    """Cut a stream into windows of two steps each.

    The last window ends where the sound ends, and overlaps the one before it by more; a sound
    shorter than two steps is one window of its own length.

    Arguments
    ---------
    blocks : iterable of torch.Tensor
        ``[time]`` each, of any lengths.
    step : int
        From one window to the next, in samples.

    Yields
    ------
    Window

    Example
    -------
    >>> [(w.start, len(w.wav), w.num_settled) for w in segments([torch.zeros(11)], step=2)]
    [(0, 4, 0), (2, 4, 0), (4, 4, 0), (6, 4, 0), (7, 4, 1)]
    """
    start, held = 0, torch.zeros(0)
    for block in blocks:
        held = torch.cat([held, block])
        while len(held) > 3 * step:  # so that at least a step is left for the last
            yield Segment(start, held[: 2 * step], 0, is_last=False)
            held, start = held[step:], start + step
    rest = len(held) - 2 * step
    yield Segment(start, held[: 2 * step], 0, is_last=rest <= 0)
    if rest > 0:
        yield Segment(start + rest, held[rest:], step - rest, is_last=True)


class OverlapAdd:
    """Join windows of several sounds, faded into one another.

    Arguments
    ---------
    step : int
        From one window to the next, in samples.

    Example
    -------
    >>> sound, overlap_add = torch.arange(11.0), OverlapAdd(step=2)
    >>> parts = [overlap_add(window, window.wav) for window in segments([sound], step=2)]
    >>> torch.cat(parts)
    tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10.])
    """

    def __init__(self, step):
        self.step = step
        self.rising = torch.sin(torch.pi / 2 * (torch.arange(step) + 0.5) / step).square()
        self.open = None

    def __call__(self, window, sounds):
        """Take in what a window became.

        Arguments
        ---------
        window : Segment
            The next one.
        sounds : torch.Tensor
            ``[..., time]``, as long as it.

        Returns
        -------
        torch.Tensor
            ``[..., samples]``: what is settled by it, and follows what was settled before.
        """
        new = sounds[..., window.num_settled :]
        settled = new[..., : self.step]
        if self.open is not None:
            settled = self.open * (1 - self.rising) + settled * self.rising
        self.open = new[..., self.step :]
        return torch.cat([settled, self.open], dim=-1) if window.is_last else settled
