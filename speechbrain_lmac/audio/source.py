"""Audio from any source: a file, an open file, an array, a file of the Hugging Face Hub."""

import operator
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from torch import Tensor

from speechbrain_lmac.audio import blocks
from speechbrain_lmac.audio.arrays import as_channels
from speechbrain_lmac.audio.blocks import (
    MAX_WHOLE_SECONDS,
    join_blocks,
    mono_blocks,
    resample_blocks,
)
from speechbrain_lmac.audio.checks import SampleCheck
from speechbrain_lmac.audio.decoding import AudioFile
from speechbrain_lmac.audio.files import check_rate, display_name
from speechbrain_lmac.audio.io import measure_length
from speechbrain_lmac.audio.locations import HUB, canonical_path, local_file, seekable
from speechbrain_lmac.utils import download
from speechbrain_lmac.utils.errors import InputError

MAX_KEPT_SAMPLES = 2**22
"""Largest number of samples of a file that are kept once they are decoded for its duration."""


class AudioSource:
    """Audio that is read as mono at any rate, as a whole or block by block.

    Arguments
    ---------
    source : str, Path, file object, numpy.ndarray or torch.Tensor
        Path of an audio file (wav, flac, ogg, mp3, m4a and others), or the file open for binary
        reading. A path that begins with ``hf://`` is a file of the Hub. An array is ``[time]``, or
        two-dimensional with channels along its shorter axis; integers have the full scale of files.
    sample_rate : int
        Sample rate of an array, in Hz. Files state their own.

    Raises
    ------
    InputError
        If there is no audio, or an array comes without its rate.

    Example
    -------
    >>> sound = AudioSource(np.array([[16384, 0], [0, 0]] * 2, dtype=np.int16), sample_rate=8000)
    >>> sound.name, sound.seconds
    ('the array', 0.0005)
    >>> sound.read(8000)
    tensor([0.2500, 0.0000, 0.2500, 0.0000])
    """

    def __init__(self, source: Any, sample_rate: int | None = None):
        self.path = canonical_path(source)
        if isinstance(source, (np.ndarray, torch.Tensor)):
            self._reader: _ArrayReader | _FileReader = _ArrayReader(source, sample_rate)
        elif isinstance(source, (str, Path)) or hasattr(source, "read"):
            self._reader = _FileReader(seekable(local_file(source)))
        else:
            kind = type(source).__name__
            raise InputError(
                f"audio must be a path, an open file, an array or a tensor, got {kind}"
            )

    @property
    def name(self) -> str:
        """Name of the audio in messages."""
        return self._reader.name

    @property
    def rate(self) -> int:
        """Sample rate of the source, in Hz."""
        return self._reader.rate

    @property
    def seconds(self) -> float:
        """Duration in seconds. A file is decoded for it, because headers may be wrong."""
        return self._reader.samples / self._reader.rate

    def read(self, sample_rate: int, max_seconds: float = MAX_WHOLE_SECONDS) -> Tensor:
        """Read the whole audio.

        Arguments
        ---------
        sample_rate : int
            Sample rate of the result, in Hz.
        max_seconds : float
            Longest duration, in seconds. Default: half an hour.

        Returns
        -------
        torch.Tensor
            ``[time]``.

        Raises
        ------
        InputError
            If the audio is empty, silent or too long, or holds samples that are not finite or not
            at full scale 1.
        """
        return join_blocks(self.blocks(sample_rate), sample_rate, self.name, max_seconds)

    def blocks(self, sample_rate: int) -> Iterator[Tensor]:
        """Read the audio in blocks of some seconds; memory does not grow with the duration.

        Arguments
        ---------
        sample_rate : int
            Sample rate of the blocks, in Hz.

        Yields
        ------
        torch.Tensor
            ``[time]``; joined, the blocks equal the result of :meth:`read`.

        Raises
        ------
        InputError
            If :meth:`read` raises it; within the blocks or at their end.
        """
        return resample_blocks(self._reader.blocks(), self._reader.rate, sample_rate)

    def read_segments(self, sample_rate: int, segments: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Read several segments in one pass.

        Arguments
        ---------
        sample_rate : int
            Sample rate of the segments, in Hz.
        segments : sequence of (int, int)
            First sample of each segment at that rate, and the sample after its last one.

        Returns
        -------
        list of torch.Tensor
            ``[time]`` each.
        """
        parts: list[list[Tensor]] = [[] for _ in segments]
        begin = 0
        for block in self.blocks(sample_rate) if segments else ():
            for part, (first, stop) in zip(parts, segments):
                part.append(block[max(0, first - begin) : max(0, stop - begin)])
            begin += len(block)
        return [torch.cat(part) for part in parts]


def fetch_audio(path: Any, savedir: str | Path | None, sample_rate: int) -> Tensor:
    """Read audio from a file, a web address or the Hub, as SpeechBrain's ``load_audio`` does.

    Arguments
    ---------
    path : str, Path or file object
        Audio file. An ``http(s)://`` address is downloaded. A path ``user/name/file.wav`` that does
        not exist locally is a file of the Hub.
    savedir : str or Path
        Folder that keeps a download. Default: downloads are removed.
    sample_rate : int
        Sample rate of the result, in Hz.

    Returns
    -------
    torch.Tensor
        ``[time]``.
    """
    text = str(path)
    if text.startswith(("http://", "https://")):
        with tempfile.TemporaryDirectory(prefix="speechbrain_lmac_") as folder:
            name = Path(urlsplit(text).path).name or "sound"
            file = download.fetch(text, Path(savedir or folder) / name, None)
            return AudioSource(file).read(sample_rate)
    is_local = hasattr(path, "read") or text.startswith((HUB, "/", ".")) or Path(path).exists()
    if not is_local and text.count("/") >= 2:
        path = HUB + text
    return AudioSource(path).read(sample_rate)


class _FileReader:
    """Reader of an audio file. A short file is decoded once for its duration and its samples."""

    def __init__(self, file: Any):
        self.file, self.name = file, display_name(file)
        self._decoded: list[Tensor] | None = None
        self._warnings: list[Any] = []
        with AudioFile(file) as opened:
            self.rate = opened.rate

    @cached_property
    def samples(self) -> int:
        parts: list[Tensor] = []
        samples = 0
        try:
            with AudioFile(self.file) as opened, warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                for block in mono_blocks(opened):
                    samples += len(block)
                    parts = [*parts, block] if samples <= MAX_KEPT_SAMPLES else []
        except InputError:  # it is raised again when the samples are read
            return measure_length(self.file)[1]
        if samples <= MAX_KEPT_SAMPLES:
            self._decoded, self._warnings = parts, [each.message for each in caught]
        return samples

    def blocks(self) -> Iterator[Tensor]:
        if self._decoded is None:
            with AudioFile(self.file) as opened:
                yield from mono_blocks(opened)
            return
        yield from (block.clone() for block in self._decoded)
        for message in self._warnings:
            warnings.warn(message, stacklevel=3)


class _ArrayReader:
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
        return iter(self.wav.split(round(blocks.BLOCK_SECONDS * self.rate)))
