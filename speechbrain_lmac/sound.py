"""A sound wherever it is: a file, an open file, an array, a file of the Hugging Face Hub."""

import io
import operator
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch

from speechbrain_lmac.audio import (
    blocks,
    called,
    cancelled,
    check_samples,
    load_audio,
    opened,
    resample,
)
from speechbrain_lmac.errors import InputError
from speechbrain_lmac.hub import hub_file

HUB = "hf://"
"""What the name of a file of the Hub begins with: ``hf://user/name/path`` of a model,
``hf://datasets/user/name/path`` of a data set."""
FULL_SCALE = {torch.uint8: (128, 128), torch.int16: (0, 2**15), torch.int32: (0, 2**31)}
"""Integers as in files: what rests, and full scale."""
BLOCK_SECONDS = 10.0
LARGEST = 100
"""Of samples as floats; what is larger was never divided by its full scale."""


class Sound:
    """A sound, read as mono at any rate, whole or block by block.

    Arguments
    ---------
    source : str, Path, file object, numpy.ndarray or torch.Tensor
        What libsndfile reads (wav, flac, ogg, mp3 ...), also from a file that is open for binary
        reading; ``hf://`` names a file of the Hub; an array is ``[time]``, or two-dimensional
        with channels along its shorter axis. Integers are of full scale, as in files.
    sample_rate : int
        Of an array, in Hz. Files know theirs.

    Raises
    ------
    InputError
        If there is no sound, or an array comes without its rate.

    Example
    -------
    >>> sound = Sound(np.full((4, 2), 16384, dtype=np.int16), sample_rate=8000)
    >>> sound.name, sound.seconds
    ('the array', 0.0005)
    >>> sound.read(8000)
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """

    def __init__(self, source: Any, sample_rate: int | None = None):
        self.path = path_of(source)
        if isinstance(source, (np.ndarray, torch.Tensor)):
            self._reader: _Array | _File = _Array(source, sample_rate)
        elif isinstance(source, (str, Path)) or hasattr(source, "read"):
            self._reader = _File(_seekable(_fetched(source)))
        else:
            kind = type(source).__name__
            raise InputError(f"a sound is a path, an open file, an array or a tensor, not {kind}")

    @property
    def name(self) -> str:
        """What to call it."""
        return self._reader.name

    @property
    def rate(self) -> int:
        """Its own rate, in Hz."""
        return self._reader.rate

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self._reader.frames / self._reader.rate

    def read(self, sample_rate: int) -> torch.Tensor:
        """All of it, ``[time]``, at a rate in Hz.

        Raises
        ------
        InputError
            If it is empty, silent, or holds NaN or infinite samples.
        """
        return self._reader.whole(sample_rate)

    def blocks(self, sample_rate: int) -> Iterator[torch.Tensor]:
        """Some seconds of it at a time, ``[time]`` each, of memory that does not grow.

        Together they are what :meth:`read` gives.

        Raises
        ------
        InputError
            On the way, if it is empty, silent, or holds NaN or infinite samples.
        """
        rate, heard = self._reader.rate, False
        stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
        for block in self._reader.blocks():
            if not block.isfinite().all():
                check_samples(block, self.name)
            heard = heard or bool(block.any())
            if rate != sample_rate:
                block = torch.from_numpy(stream.resample_chunk(block.numpy()))
            if len(block):
                yield block
        if not heard:
            check_samples(torch.zeros(min(1, self._reader.frames)), self.name)
        if rate != sample_rate:
            yield torch.from_numpy(stream.resample_chunk(np.zeros(0, np.float32), last=True))

    def cut(self, sample_rate: int, stretches: list[tuple[int, int]]) -> list[torch.Tensor]:
        """Stretches of it, read in one pass.

        Arguments
        ---------
        sample_rate : int
            Rate wanted, in Hz.
        stretches : list of (int, int)
            First sample of each, at that rate, and the one after its last.

        Returns
        -------
        list of torch.Tensor
            ``[time]`` each.
        """
        pieces: list[list[torch.Tensor]] = [[] for _ in stretches]
        begin = 0
        for block in self.blocks(sample_rate) if stretches else ():
            for piece, (first, stop) in zip(pieces, stretches):
                piece.append(block[max(0, first - begin) : max(0, stop - begin)])
            begin += len(block)
        return [torch.cat(piece) for piece in pieces]


def path_of(source: Any) -> str | None:
    """The whole path of a file, or its name on the Hub; None of an array or an open file."""
    if not isinstance(source, (str, Path)):
        return None
    return str(source) if str(source).startswith(HUB) else str(Path(source).resolve())


class _File:
    """A file that libsndfile reads."""

    def __init__(self, file):
        self.file, self.name = file, called(file)
        with opened(file) as sound:
            self.rate, self.frames = sound.samplerate, sound.frames

    def whole(self, sample_rate):
        return load_audio(self.file, sample_rate)

    def blocks(self):
        with opened(self.file) as sound:
            yield from blocks(self.file, sound, size=round(BLOCK_SECONDS * self.rate))


class _Array:
    """Samples in memory."""

    name = "the array"

    def __init__(self, samples, rate):
        if rate is None:
            raise InputError("an array does not say its rate: give sample_rate, in Hz")
        try:
            self.rate = operator.index(rate)
        except TypeError:
            self.rate = 0
        if self.rate <= 0:
            raise InputError(f"sample_rate is a whole number of Hz above 0, not {rate!r}")
        if isinstance(samples, np.ndarray):
            samples = _as_tensor(samples)
        self.samples = _mono(samples.detach().cpu())
        self.frames = len(self.samples)

    def whole(self, sample_rate):
        return check_samples(resample(self.samples, self.rate, sample_rate), self.name)

    def blocks(self):
        return iter(self.samples.split(round(BLOCK_SECONDS * self.rate)))


def _as_tensor(samples):
    try:
        return torch.from_numpy(np.ascontiguousarray(samples, samples.dtype.newbyteorder("=")))
    except TypeError as error:
        raise InputError(f"samples are real numbers, not {samples.dtype}") from error


def _mono(samples):
    """Channels' mean, of full scale 1, ``[time]``."""
    if samples.dim() not in (1, 2):
        raise InputError(f"samples are [time] or [time, channels], not {list(samples.shape)}")
    if samples.is_floating_point():
        samples = samples.float()
    elif samples.dtype in FULL_SCALE:
        middle, full = FULL_SCALE[samples.dtype]
        samples = (samples.float() - middle) / full
    else:
        raise InputError(f"samples are floats or integers as in files, not {samples.dtype}")
    if samples.numel() and samples.abs().max() > LARGEST:
        raise InputError(
            f"samples go up to {samples.abs().max():.0f}, and full scale is 1: divide them by it"
        )
    if samples.dim() == 2 and samples.numel() == 0:
        return samples.flatten()
    if samples.dim() == 2:
        mean = samples.mean(dim=0 if 0 < samples.shape[0] < samples.shape[1] else 1)
        if samples.any() and not mean.any():
            raise cancelled(_Array.name)
        samples = mean
    return samples


def _seekable(source):
    """A stream that can only be read once, such as an answer from the network, is held."""
    if isinstance(source, io.TextIOBase):
        raise InputError("the open file gives text: open it for binary reading")
    if not hasattr(source, "read") or (hasattr(source, "seekable") and source.seekable()):
        return source
    return io.BytesIO(source.read())


def _fetched(source):
    """A path of the Hub's cache for what the Hub holds, else the source itself."""
    if not str(source).startswith(HUB) or hasattr(source, "read"):
        return source
    parts = str(source).removeprefix(HUB).split("/")
    kind = "dataset" if parts[0] == "datasets" else "model"
    owner, name, *path = (parts[1:] if kind == "dataset" else parts) + ["", ""]
    path = "/".join(filter(None, path))
    if not (owner and name and path):
        raise InputError(f"{source} names no file of the Hub: {HUB}user/name/file.wav")
    return hub_file(f"{owner}/{name}", path, repo_type=kind)
