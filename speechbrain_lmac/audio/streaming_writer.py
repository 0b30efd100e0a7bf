"""Write long sound files block by block, although their common gain is known only at the end."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile
from torch import Tensor

from speechbrain_lmac.audio.io import gain_for_peak, wrap_audio_write_errors
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write
from speechbrain_lmac.utils.temporary_files import temporary_path

BLOCK = 1 << 18
"""Number of samples that are copied at once."""
MAX_WAV_BYTES = (1 << 32) - 4096
"""Largest number of bytes that the header of a wav file can state."""
FADE_SECONDS = 0.02
"""Length of the fades before and after an audible span, in seconds."""

Span = tuple[float, float]
"""Start and end, in seconds."""


class StreamingWriter:
    """Write several 16-bit wav or flac files with a common gain that prevents clipping.

    Blocks are written to temporary files of floats. At the end, when the common gain is known, the
    files are written atomically and the temporary files are removed. Use it as a context manager:
    an error leaves no file.

    Arguments
    ---------
    paths : sequence of Path
        Files to write. A name that ends with ``.flac`` is one of a flac file.
    sample_rate : int
        Sample rate, in Hz.

    Attributes
    ----------
    audible : sequence of sequence of (float, float) or None
        Spans of each file, in seconds, outside which it is silent; set before the end. Default:
        None, the files are complete.

    Example
    -------
    >>> import tempfile
    >>> import torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "loud.wav"
    ...     with StreamingWriter([path], 8000) as writer:
    ...         writer.write(torch.full((1, 100), 2.0))
    ...     round(writer.gain, 3), soundfile.info(path).frames
    (0.495, 100)
    """

    def __init__(self, paths: Sequence[str | Path], sample_rate: int):
        self.paths, self.sample_rate = [Path(path) for path in paths], sample_rate
        self.peak, self.gain = 0.0, 1.0
        self.audible: Sequence[Sequence[Span]] | None = None

    def __enter__(self) -> "StreamingWriter":
        self.stack, self.temporaries = contextlib.ExitStack(), contextlib.ExitStack()
        try:
            self.partial = [
                self.temporaries.enter_context(temporary_path(path.absolute().parent))
                for path in self.paths
            ]
            self.files = [
                self.stack.enter_context(self._create(path, "RF64", "FLOAT"))
                for path in self.partial
            ]
        except (OSError, soundfile.LibsndfileError) as error:
            self.__exit__(InputError, error, None)
            raise InputError(f"{self.paths[0].parent} cannot be written to: {error}") from error
        return self

    def write(self, wavs: Tensor) -> None:
        """Append ``wavs`` ``[files, time]``, one row to each file."""
        for path, file, wav in zip(self.paths, self.files, wavs, strict=True):
            with wrap_audio_write_errors(path):
                file.write(wav.numpy())
        if wavs.numel():
            self.peak = max(self.peak, wavs.abs().max().item())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(soundfile.LibsndfileError):  # a full disk, reported before
            self.stack.close()
        try:
            if kind is None:
                self.gain = gain_for_peak(self.peak)
                for i, (partial, path) in enumerate(zip(self.partial, self.paths)):
                    self._finish(partial, path, None if self.audible is None else self.audible[i])
        finally:
            self.temporaries.close()

    def _finish(self, partial: Path, path: Path, spans: Sequence[Span] | None) -> None:
        """Write a file from the temporary file of floats."""
        with (
            atomic_write(path) as target,
            wrap_audio_write_errors(path),
            soundfile.SoundFile(os.fsencode(partial)) as floats,  # names are not always UTF-8
        ):
            kind = "WAV" if 2 * floats.frames < MAX_WAV_BYTES else "RF64"
            kind = "FLAC" if path.suffix == ".flac" else kind
            first = 0
            with self._create(target, kind, "PCM_16") as file:
                for block in floats.blocks(BLOCK, dtype="float32"):
                    if spans is not None:
                        block = block * envelope(spans, first, len(block), self.sample_rate)
                    file.write(self.gain * block)
                    first += len(block)

    def _create(self, path: Path, kind: str, subtype: str) -> soundfile.SoundFile:
        settings = {"subtype": subtype, "format": kind}
        return soundfile.SoundFile(os.fsencode(path), "w", self.sample_rate, 1, **settings)


def envelope(spans: Sequence[Span], first: int, count: int, sample_rate: int) -> np.ndarray:
    """Return the gains of a block: 1 in the spans, 0 elsewhere, with linear fades between.

    Arguments
    ---------
    spans : sequence of (float, float)
        Start and end of each span, in seconds.
    first, count : int
        First sample and number of samples of the block.
    sample_rate : int
        Sample rate, in Hz.

    Returns
    -------
    numpy.ndarray
        float32, ``[count]``.

    Example
    -------
    >>> envelope([(0.5, 0.7)], 0, 10, 10).tolist()
    [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """
    gains = np.zeros(count, np.float32)
    fade = max(1, round(FADE_SECONDS * sample_rate))
    for start, stop in spans:
        begin, end = round(start * sample_rate), round(stop * sample_rate)
        low, high = max(0, begin - fade - first), min(count, end + fade + 1 - first)
        if low < high:
            place = np.arange(low, high) + first
            outside = np.maximum(begin - place, place - end).clip(0, fade)
            gains[low:high] = np.maximum(gains[low:high], 1 - outside / fade)
    return gains
