"""Split long audio into overlapping segments, and join processed segments without seams.

Neighboring segments share half of their length and are cross-faded with weights that add up to 1.
Segments that are not changed join to the original audio. Memory holds two segments, however long
the audio is.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor


class Segment(NamedTuple):
    """Segment of long audio."""

    start: int
    """First sample of the segment in the audio."""
    wav: Tensor
    """Waveform, ``[time]``."""
    num_settled: int
    """Number of samples at the beginning that earlier segments have determined."""
    is_last: bool
    """Whether the audio ends with this segment."""


def segments(blocks: Iterable[Tensor], step: int) -> Iterator[Segment]:
    """Split a stream into segments of two steps each.

    The last segment ends with the audio and overlaps the previous one by more than a step. Audio
    shorter than two steps is one segment.

    Arguments
    ---------
    blocks : iterable of torch.Tensor
        Blocks ``[time]`` of any lengths.
    step : int
        Distance between segments, in samples.

    Yields
    ------
    Segment

    Example
    -------
    >>> [(s.start, len(s.wav), s.num_settled) for s in segments([torch.zeros(11)], step=2)]
    [(0, 4, 0), (2, 4, 0), (4, 4, 0), (6, 4, 0), (7, 4, 1)]
    """
    start, pending = 0, torch.zeros(0)
    for block in blocks:
        pending = torch.cat([pending, block])
        while len(pending) > 3 * step:  # the last segment needs at least a step of new samples
            yield Segment(start, pending[: 2 * step], 0, is_last=False)
            pending, start = pending[step:], start + step
    excess = len(pending) - 2 * step
    yield Segment(start, pending[: 2 * step], 0, is_last=excess <= 0)
    if excess > 0:
        yield Segment(start + excess, pending[excess:], step - excess, is_last=True)


class OverlapAdd:
    """Join processed segments with cross-fades.

    Arguments
    ---------
    step : int
        Distance between segments, in samples.

    Example
    -------
    >>> sound, overlap_add = torch.arange(11.0), OverlapAdd(step=2)
    >>> parts = [overlap_add(segment, segment.wav) for segment in segments([sound], step=2)]
    >>> torch.cat(parts)
    tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10.])
    """

    def __init__(self, step: int):
        self.step = step
        self.fade_in = torch.sin(torch.pi / 2 * (torch.arange(step) + 0.5) / step).square()
        self.pending: Tensor | None = None

    def __call__(self, segment: Segment, wavs: Tensor) -> Tensor:
        """Add the next processed segment.

        Arguments
        ---------
        segment : Segment
            Next segment of the audio.
        wavs : torch.Tensor
            Processed waveforms of the segment, ``[..., time]``, of its length.

        Returns
        -------
        torch.Tensor
            Samples that are final now, ``[..., samples]``. They follow those of the last call.
        """
        new = wavs[..., segment.num_settled :]
        settled = new[..., : self.step]
        if self.pending is not None:
            settled = self.pending * (1 - self.fade_in) + settled * self.fade_in
        self.pending = new[..., self.step :]
        return torch.cat([settled, self.pending], dim=-1) if segment.is_last else settled
