"""Audio from any source: a file, an open file, an array, a file of the Hugging Face Hub."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch
from torch import Tensor

from speechbrain_lmac.audio.blocks import (
    MAX_WHOLE_SECONDS,
    join_blocks,
    resample_blocks,
)
from speechbrain_lmac.audio.locations import (
    HUB,
    canonical_path,
    is_web_address,
    local_file,
    seekable,
)
from speechbrain_lmac.audio.readers import ArrayReader, FileReader
from speechbrain_lmac.utils import download
from speechbrain_lmac.utils.errors import InputError


class AudioSource:
    """Audio that is read as mono at any rate, as a whole or block by block.

    Arguments
    ---------
    source : str, Path, file object, numpy.ndarray, torch.Tensor or dict
        Path of an audio file (wav, flac, ogg, mp3, m4a and others), or the file open for binary
        reading. A path that begins with ``hf://`` is a file of the Hub, and one that begins with
        ``http://`` or ``https://`` is downloaded. An array is ``[time]``, or two-dimensional with
        channels along its shorter axis; integers have the full scale of files. A dict has an
        ``array`` and its ``sampling_rate``, as in Hugging Face's ``datasets``.
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
        if isinstance(source, Mapping):
            source, sample_rate = _array_and_rate(source, sample_rate)
        if isinstance(source, (np.ndarray, torch.Tensor)):
            self._reader: ArrayReader | FileReader = ArrayReader(source, sample_rate)
        elif is_web_address(source):
            self._folder = tempfile.TemporaryDirectory(prefix="speechbrain_lmac_")  # lives as long
            self._reader = FileReader(_download(str(source), self._folder.name))
        elif isinstance(source, (str, Path)) or hasattr(source, "read"):
            self._reader = FileReader(seekable(local_file(source)))
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

    def channel_blocks(self) -> Iterator[np.ndarray]:
        """Read the audio in blocks ``[time, channels]`` at its own :attr:`rate`.

        Samples are not checked. Arrays are read as mono.
        """
        return self._reader.channel_blocks()

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
    if is_web_address(path) and savedir is not None:
        return AudioSource(_download(text, savedir)).read(sample_rate)
    is_found = is_web_address(path) or text.startswith((HUB, "/", "."))
    if not is_found and not hasattr(path, "read") and not Path(path).exists():
        path = HUB + text if text.count("/") >= 2 else path
    return AudioSource(path).read(sample_rate)


def _download(address: str, folder: str | Path) -> Path:
    """Return the path of a web address's file, which is downloaded to a folder."""
    return download.fetch(
        address, Path(folder) / (Path(urlsplit(address).path).name or "sound"), None
    )


def _array_and_rate(audio: Mapping[str, Any], rate: int | None) -> tuple[np.ndarray, int]:
    """Return the array and the sample rate of a decoded sound of ``datasets``."""
    if not {"array", "sampling_rate"} <= audio.keys() or rate is not None:
        raise InputError(
            "a dict must have array and sampling_rate, without sample_rate, got "
            f"{', '.join(map(str, audio)) or 'an empty one'}"
        )
    return np.asarray(audio["array"]), audio["sampling_rate"]
