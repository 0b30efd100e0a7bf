"""Audio as a stream of mono blocks, whose memory does not grow with the length of a file."""

from collections.abc import Iterator

import numpy as np
import soxr
import torch
from torch import Tensor

from speechbrain_lmac.audio.checks import SampleCheck
from speechbrain_lmac.audio.decoding import AudioFile
from speechbrain_lmac.utils.errors import InputError

BLOCK_SECONDS = 10.0
"""Duration of a block, in seconds."""
MAX_BLOCK = 2**19
"""Largest number of samples per channel in a block, at any rate."""
MAX_WHOLE_SECONDS = 1800.0
"""Longest audio that is held in memory as a whole, in seconds."""


def mono_blocks(file: AudioFile, start: int = 0, stop: int = 0) -> Iterator[Tensor]:
    """Decode an open file into checked mono blocks.

    Arguments
    ---------
    file : AudioFile
        Open file.
    start, stop : int
        First sample and the sample after the last one, at the file's rate. A ``stop`` of 0 is the
        end of the file. Default: 0.

    Yields
    ------
    torch.Tensor
        Mean of the channels, ``[time]``, at the file's rate.

    Raises
    ------
    InputError
        If samples are not finite or not at full scale 1; at the end, if all are silent.
    """
    check, wanted = SampleCheck(file.name), round(BLOCK_SECONDS * file.rate)
    for block in _join_to(file.blocks(start, stop), min(wanted, MAX_BLOCK)):
        yield check.add(torch.from_numpy(block))
    check.finish()


def _join_to(blocks: Iterator[np.ndarray], samples: int) -> Iterator[np.ndarray]:
    """Join blocks ``[time, channels]`` of equal channels to at least ``samples`` samples."""
    parts: list[np.ndarray] = []
    count = 0
    for block in blocks:
        if parts and parts[0].shape[1] != block.shape[1]:
            yield np.concatenate(parts)
            parts, count = [], 0
        parts.append(block)
        count += len(block)
        if count >= samples:
            yield np.concatenate(parts)
            parts, count = [], 0
    if parts:
        yield np.concatenate(parts)


def resample_blocks(blocks: Iterator[Tensor], rate: int, sample_rate: int) -> Iterator[Tensor]:
    """Resample a stream of blocks; the samples do not depend on where a block ends.

    Arguments
    ---------
    blocks : iterator of torch.Tensor
        Blocks, ``[time]`` each.
    rate, sample_rate : int
        Sample rates of the blocks and of the result, in Hz.

    Yields
    ------
    torch.Tensor
        ``[time]``.
    """
    if rate == sample_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
    for block in blocks:
        block = torch.from_numpy(stream.resample_chunk(block.numpy()))
        if len(block):
            yield block
    yield torch.from_numpy(stream.resample_chunk(np.zeros(0, np.float32), last=True))


def join_blocks(
    blocks: Iterator[Tensor], rate: int, name: str, max_seconds: float = MAX_WHOLE_SECONDS
) -> Tensor:
    """Join mono blocks to one waveform.

    Arguments
    ---------
    blocks : iterator of torch.Tensor
        Blocks, ``[time]`` each.
    rate : int
        Sample rate, in Hz.
    name : str
        Name of the audio in an error.
    max_seconds : float
        Longest duration, in seconds. Default: ``MAX_WHOLE_SECONDS``.

    Returns
    -------
    torch.Tensor
        ``[time]``.

    Raises
    ------
    InputError
        As soon as the audio is longer than ``max_seconds``.
    """
    parts, samples = [], 0
    for block in blocks:
        parts.append(block)
        samples += len(block)
        if samples > max_seconds * rate:
            raise InputError(
                f"{name} must be at most {max_seconds:g} s long here, got more. Cut it, or explain "
                "it in windows by speechbrain-lmac explain or save_to"
            )
    return torch.cat(parts)
