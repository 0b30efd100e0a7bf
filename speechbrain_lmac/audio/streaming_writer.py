"""Write long wav files block by block, although their common gain is known only at the end."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

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


class StreamingWavWriter:
    """Write several 16-bit wav files with a common gain that prevents clipping.

    Blocks are written to temporary files of floats. At the end, when the common gain is known, the
    wav files are written atomically and the temporary files are removed. Use it as a context
    manager: an error leaves no file.

    Arguments
    ---------
    paths : sequence of Path
        Files to write.
    sample_rate : int
        Sample rate, in Hz.

    Example
    -------
    >>> import tempfile
    >>> import torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "loud.wav"
    ...     with StreamingWavWriter([path], 8000) as writer:
    ...         writer.write(torch.full((1, 100), 2.0))
    ...     round(writer.gain, 3), soundfile.info(path).frames
    (0.495, 100)
    """

    def __init__(self, paths: Sequence[str | Path], sample_rate: int):
        self.paths, self.sample_rate = [Path(path) for path in paths], sample_rate
        self.peak, self.gain = 0.0, 1.0

    def __enter__(self) -> "StreamingWavWriter":
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
                for partial, path in zip(self.partial, self.paths):
                    self._finish(partial, path)
        finally:
            self.temporaries.close()

    def _finish(self, partial: Path, path: Path) -> None:
        """Write a wav file from the temporary file of floats."""
        with (
            atomic_write(path) as target,
            wrap_audio_write_errors(path),
            soundfile.SoundFile(os.fsencode(partial)) as floats,  # names are not always UTF-8
        ):
            kind = "WAV" if 2 * floats.frames < MAX_WAV_BYTES else "RF64"
            with self._create(target, kind, "PCM_16") as file:
                for block in floats.blocks(BLOCK, dtype="float32"):
                    file.write(self.gain * block)

    def _create(self, path: Path, kind: str, subtype: str) -> soundfile.SoundFile:
        settings = {"subtype": subtype, "format": kind}
        return soundfile.SoundFile(os.fsencode(path), "w", self.sample_rate, 1, **settings)
