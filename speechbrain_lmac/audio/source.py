"""A sound wherever it is: a file, an open file, an array, a file of the Hugging Face Hub."""

import io
import operator
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import soxr
import torch

from speechbrain_lmac.audio import io as audio_io
from speechbrain_lmac.audio.decoding import AudioFile, check_rate, display_name
from speechbrain_lmac.audio.io import (
    MAX_WHOLE_SECONDS,
    SampleCheck,
    join_blocks,
    measure_length,
    mono_blocks,
)
from speechbrain_lmac.utils import download
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.hub import hub_file

HUB = "hf://"
"""What the name of a file of the Hub begins with: ``hf://user/name/path`` of a model,
``hf://datasets/user/name/path`` of a data set."""
FULL_SCALE = {torch.uint8: (128, 128), torch.int16: (0, 2**15), torch.int32: (0, 2**31)}
"""Integers as in files: what rests, and full scale."""
MAX_STREAM_BYTES = 1 << 30
"""Largest stream that is held because it cannot be read twice."""


class AudioSource:
    """A sound, read as mono at any rate, whole or block by block.

    Arguments
    ---------
    source : str, Path, file object, numpy.ndarray or torch.Tensor
        A sound file (wav, flac, ogg, mp3, m4a ...) by its path, or open for binary reading;
        ``hf://`` names a file of the Hub; an array is ``[time]``, or two-dimensional with channels
        along its shorter axis. Integers are of full scale, as in files.
    sample_rate : int
        Of an array, in Hz. Files know theirs.

    Raises
    ------
    InputError
        If there is no sound, or an array comes without its rate.

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
        """Duration in seconds. All of a file is decoded for it, for headers may be wrong."""
        return self._reader.samples / self._reader.rate

    def read(self, sample_rate: int, max_seconds: float = MAX_WHOLE_SECONDS) -> torch.Tensor:
        """All of it, ``[time]``, at a rate in Hz, unless it is longer than ``max_seconds``.

        Raises
        ------
        InputError
            If it is empty, silent, too long to be held, or holds samples that are not finite or
            of another scale.
        """
        return join_blocks(self.blocks(sample_rate), sample_rate, self.name, max_seconds)

    def blocks(self, sample_rate: int) -> Iterator[torch.Tensor]:
        """Some seconds of it at a time, ``[time]`` each, of memory that does not grow.

        Together they are what :meth:`read` gives.

        Raises
        ------
        InputError
            On the way or at the end, as :meth:`read`.
        """
        rate = self._reader.rate
        if rate == sample_rate:
            yield from self._reader.blocks()
            return
        stream = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
        for block in self._reader.blocks():
            block = torch.from_numpy(stream.resample_chunk(block.numpy()))
            if len(block):
                yield block
        yield torch.from_numpy(stream.resample_chunk(np.zeros(0, np.float32), last=True))

    def read_segments(
        self, sample_rate: int, stretches: list[tuple[int, int]]
    ) -> list[torch.Tensor]:
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


def fetch_audio(path: Any, savedir: str | Path | None, sample_rate: int) -> torch.Tensor:
    """A sound as SpeechBrain's ``load_audio`` finds it: a file, a web address, a Hub file.

    Arguments
    ---------
    path : str, Path or file object
        ``http(s)://`` addresses are downloaded; ``user/name/file.wav`` that is no file here is of
        the Hub.
    savedir : str or Path
        Folder in which a download is kept; not kept by default.
    sample_rate : int
        Rate wanted, in Hz.

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
    here = hasattr(path, "read") or text.startswith((HUB, "/", ".")) or Path(path).exists()
    if not here and text.count("/") >= 2:
        path = HUB + text
    return AudioSource(path).read(sample_rate)


def canonical_path(source: Any) -> str | None:
    """The whole path of a file, or its name on the Hub; None of an array or an open file."""
    if not isinstance(source, (str, Path)):
        return None
    try:
        return str(source) if str(source).startswith(HUB) else str(Path(source).resolve())
    except ValueError as error:  # a zero byte
        raise InputError(f"{source} names no file: {first_line(error)}") from error


class _File:
    """A sound file."""

    def __init__(self, file):
        self.file, self.name = file, display_name(file)
        with AudioFile(file) as opened:
            self.rate = opened.rate

    @cached_property
    def samples(self):
        return measure_length(self.file)[1]

    def blocks(self):
        with AudioFile(self.file) as opened:
            yield from mono_blocks(opened)


class _Array:
    """Samples in memory."""

    name = "the array"

    def __init__(self, samples, rate):
        if rate is None:
            raise InputError("an array does not say its rate: give sample_rate, in Hz")
        try:
            rate = operator.index(rate)
        except TypeError as error:
            raise InputError(f"sample_rate must be a whole number of Hz, got {rate!r}") from error
        self.rate = check_rate(rate, self.name)
        if isinstance(samples, np.ndarray):
            samples = _as_tensor(samples)
        check = SampleCheck(self.name)
        self.wav = check.add(_channels(_floats(samples.detach().cpu())))
        check.finish()
        self.samples = len(self.wav)

    def blocks(self):
        return iter(self.wav.split(round(audio_io.BLOCK_SECONDS * self.rate)))


def _as_tensor(samples):
    try:
        return torch.from_numpy(np.ascontiguousarray(samples, samples.dtype.newbyteorder("=")))
    except TypeError as error:
        raise InputError(f"samples are real numbers, not {samples.dtype}") from error


def _floats(samples):
    """Samples of full scale 1, in single precision."""
    if samples.layout != torch.strided:
        raise InputError(f"samples must be a dense array, got {samples.layout}")
    if samples.is_floating_point():
        return samples.float()
    if samples.dtype in FULL_SCALE:
        middle, full = FULL_SCALE[samples.dtype]
        return (samples.float() - middle) / full
    raise InputError(f"samples are floats or integers as in files, not {samples.dtype}")


def _channels(samples):
    """``[time, channels]`` of ``[time]``, or of two axes of which the shorter is the channels."""
    if samples.dim() not in (1, 2):
        raise InputError(f"samples are [time] or [time, channels], not {list(samples.shape)}")
    if samples.dim() == 1 or samples.numel() == 0:
        return samples.reshape(-1, 1)
    return samples.T if samples.shape[0] < samples.shape[1] else samples


def _seekable(source):
    """A stream that can only be read once, such as an answer from the network, is held."""
    if isinstance(source, io.TextIOBase):
        raise InputError("the open file gives text: open it for binary reading")
    if getattr(source, "closed", False):
        raise InputError("the file object is closed: open it for binary reading")
    if not hasattr(source, "read") or (hasattr(source, "seekable") and source.seekable()):
        return source
    held = source.read(MAX_STREAM_BYTES + 1)
    if len(held) > MAX_STREAM_BYTES:
        raise InputError(f"a stream must be at most {MAX_STREAM_BYTES} bytes. Save it as a file")
    return io.BytesIO(held)


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
