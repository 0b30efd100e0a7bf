"""Readers of mono blocks, from files and from samples in memory."""

import operator
import warnings
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from speechbrain_lmac.audio import blocks
from speechbrain_lmac.audio.arrays import as_channels
from speechbrain_lmac.audio.blocks import mono_blocks
from speechbrain_lmac.audio.checks import SampleCheck
from speechbrain_lmac.audio.decoding import AudioFile
from speechbrain_lmac.audio.files import check_rate, display_name
from speechbrain_lmac.audio.io import measure_length
from speechbrain_lmac.utils.errors import InputError

MAX_KEPT_SAMPLES = 2**22
"""Largest number of samples of a file that are kept once they are decoded for its duration."""


class FileReader:
    """Reader of an audio file. A short file is decoded once for its duration and its samples."""

    def __init__(self, file: Any):
        self.file, self.name = file, display_name(file)
        self._decoded: list[Tensor] | None = None
        self._warnings: list[Any] = []
        with AudioFile(file) as opened:
            self.rate = opened.rate

    @cached_property
    def samples(self) -> int:
        """Number of samples, counted by decoding the file."""
        parts: list[Tensor] = []
        samples = 0
        try:
            with AudioFile(self.file) as opened, warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for block in mono_blocks(opened):
                    samples += len(block)
                    if samples <= MAX_KEPT_SAMPLES:
                        parts.append(block)
                    else:
                        parts.clear()
        except InputError:  # it is raised again when the samples are read
            return measure_length(self.file)[1]
        if samples <= MAX_KEPT_SAMPLES:
            self._decoded, self._warnings = parts, [each.message for each in caught]
        return samples

    def blocks(self) -> Iterator[Tensor]:
        """Yield mono blocks ``[time]``."""
        if self._decoded is None:
            with AudioFile(self.file) as opened:
                yield from mono_blocks(opened)
            return
        yield from (block.clone() for block in self._decoded)
        for message in self._warnings:
            warnings.warn(message, stacklevel=3)

    def channel_blocks(self) -> Iterator[np.ndarray]:
        """Yield blocks ``[time, channels]``."""
        with AudioFile(self.file) as opened:
            yield from opened.blocks()


class ArrayReader:
    """Reader of samples in memory."""

    name = "the array"

    def __init__(self, samples: np.ndarray | Tensor, rate: Any):
        if rate is None:
            raise InputError("an array does not state its rate. Give sample_rate, in Hz")
        try:
            rate = operator.index(rate)
        except TypeError as error:
            raise InputError(f"sample_rate must be a whole number of Hz, got {rate!r}") from error
        self.rate = check_rate(rate, self.name)
        check = SampleCheck(self.name)
        self.wav = check.add(as_channels(samples))
        check.finish()
        self.samples = len(self.wav)

    def blocks(self) -> Iterator[Tensor]:
        """Return mono blocks ``[time]``."""
        return iter(self.wav.split(round(blocks.BLOCK_SECONDS * self.rate)))

    def channel_blocks(self) -> Iterator[np.ndarray]:
        """Yield the mean of the channels in blocks ``[time, 1]``."""
        return (block.unsqueeze(1).numpy() for block in self.blocks())
