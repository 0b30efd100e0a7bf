"""Sounds written as they come, at a level that is known only at their end."""

import contextlib
import os
from pathlib import Path

import soundfile

from speechbrain_lmac.audio.io import gain_for_peak, wrap_audio_write_errors
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write
from speechbrain_lmac.utils.temporary_files import temporary_path

BLOCK = 1 << 18
MAX_WAV_BYTES = (1 << 32) - 4096
"""Bytes that a wav's header can count."""


class StreamingWavWriter:
    """Write several sounds of one level, block by block: 16-bit wavs that do not clip.

    Until the end they are temporary files of floats; then one gain for all is known, the files
    are written under their names, and what was temporary is removed. A file that has its name is
    thus whole. Use as a context: an error leaves nothing behind.

    Arguments
    ---------
    paths : list of Path
        Files to write.
    sample_rate : int
        In Hz.

    Example
    -------
    >>> import tempfile
    >>> import torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "loud.wav"
    ...     with StreamingWavWriter([path], 8000) as spool:
    ...         spool.write(torch.full((1, 100), 2.0))
    ...     round(spool.gain, 3), soundfile.info(path).frames
    (0.495, 100)
    """

    def __init__(self, paths, sample_rate):
        self.paths, self.sample_rate = [Path(path) for path in paths], sample_rate
        self.peak, self.gain = 0.0, 1.0

    def __enter__(self):
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

    def write(self, sounds):
        """Append ``[sounds, time]``, one row to each file."""
        for path, file, sound in zip(self.paths, self.files, sounds, strict=True):
            with wrap_audio_write_errors(path):
                file.write(sound.numpy())
        if sounds.numel():
            self.peak = max(self.peak, sounds.abs().max().item())

    def __exit__(self, kind, error, trace):
        with contextlib.suppress(soundfile.LibsndfileError):  # a full disk, said already
            self.stack.close()
        try:
            if kind is None:
                self.gain = gain_for_peak(self.peak)
                for partial, path in zip(self.partial, self.paths):
                    self._finish(partial, path)
        finally:
            self.temporaries.close()

    def _finish(self, partial, path):
        with atomic_write(path) as made, wrap_audio_write_errors(path), _opened(partial) as read:
            kind = "WAV" if 2 * read.frames < MAX_WAV_BYTES else "RF64"
            with self._create(made, kind, "PCM_16") as written:
                for block in read.blocks(BLOCK, dtype="float32"):
                    written.write(self.gain * block)

    def _create(self, path, kind, subtype):
        more = {"subtype": subtype, "format": kind}
        return soundfile.SoundFile(os.fsencode(path), "w", self.sample_rate, 1, **more)


def _opened(path):
    """A sound file of ours, open for reading; its name may be no UTF-8."""
    return soundfile.SoundFile(os.fsencode(path))
