"""Clips of a batch with their encodings."""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from speechbrain_lmac.models.base import AudioEncoding


class EncodingGraph(NamedTuple):
    """Encoding with the graph of its computation, for gradients."""

    power: torch.Tensor
    """Power of the encoder input, the leaf of the graph, ``[batch, encoder frames, bins]``."""
    vector: torch.Tensor
    """Clip vectors, ``[batch, dim]``."""
    hidden: tuple[torch.Tensor, ...]
    """Hidden maps ``[batch, channels, frames', bins']``, deepest first."""


class EncodedClips(NamedTuple):
    """Batch of clips, encoded once."""

    wavs: torch.Tensor
    """Waveforms, ``[batch, time]``."""
    power: torch.Tensor
    """Power of the clips in the masking domain, ``[batch, frames, bins]``."""
    encoder_power: torch.Tensor
    """Power of the encoder input, ``[batch, encoder frames, bins]``."""
    encoding: AudioEncoding
    stft: torch.Tensor | None = None
    """Complex STFT of the clips, ``[batch, frames, n_fft // 2 + 1]``; None if it is not encoded."""
    graph: EncodingGraph | None = None
    """``encoding`` with the graph of its computation, for gradients, or None."""

    def split(self) -> Iterator["EncodedClips"]:
        """Yield each clip as a batch of one; a batch of several clips loses its graph."""
        if len(self.wavs) == 1:
            yield self
            return
        for i in range(len(self.wavs)):
            one = slice(i, i + 1)
            hidden = tuple(maps[one] for maps in self.encoding.hidden)
            yield EncodedClips(
                self.wavs[one],
                self.power[one],
                self.encoder_power[one],
                AudioEncoding(self.encoding.vector[one], hidden),
                None if self.stft is None else self.stft[one],
            )


class MaskedScores(NamedTuple):
    """Logits or probabilities of clips and of their parts, ``[batch, queries]`` each."""

    original: torch.Tensor
    masked_in: torch.Tensor
    masked_out: torch.Tensor
