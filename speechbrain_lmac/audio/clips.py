"""Clips cut from a recording, at its sample rate and with its channels."""

import contextlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from speechbrain_lmac.audio.io import wrap_audio_write_errors
from speechbrain_lmac.audio.source import AudioSource

MAX_CHANNELS = 8
"""Channels that a FLAC file can have. A clip of more channels is their mean."""
MAX_FLAC_RATE = 655_350
"""Highest sample rate of a FLAC file, in Hz."""


class Cut(NamedTuple):
    """Clip to cut from a recording."""

    path: Path
    """File to write, a FLAC file if its name ends with ``.flac``."""
    start: float
    """Start in the recording, in seconds."""
    stop: float
    """End in the recording, in seconds."""


def write_clips(sound: AudioSource, cuts: Sequence[Cut]) -> None:
    """Cut clips from a recording and write them with 24 bits, in one pass.

    Samples of 16 and of 24 bits are not changed. Samples beyond full scale are clipped. Memory
    does not grow with the length of the recording or of a clip.

    Arguments
    ---------
    sound : AudioSource
        Recording.
    cuts : sequence of Cut
        Clips, which may overlap. A clip that ends after the recording is shorter.

    Example
    -------
    >>> import tempfile
    >>> recording = AudioSource(np.arange(800, dtype=np.int16), sample_rate=1000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "clip.flac"
    ...     write_clips(recording, [Cut(path, 0.2, 0.203)])
    ...     soundfile.read(path, dtype="int16")[0].tolist()
    [200, 201, 202]
    """
    waiting = sorted(cuts, key=lambda cut: cut.start)
    begin = 0
    with contextlib.ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the recording was read before, with its warnings
        files: dict[Path, soundfile.SoundFile] = {}
        for block in sound.channel_blocks() if cuts else ():
            end = begin + len(block)
            for cut in waiting:
                first, stop = round(cut.start * sound.rate), round(cut.stop * sound.rate)
                if first >= end:
                    break
                part = block[max(0, first - begin) : max(0, stop - begin)]
                if cut.path not in files:
                    files[cut.path] = stack.enter_context(_create(cut.path, sound.rate, block))
                with wrap_audio_write_errors(cut.path):
                    files[cut.path].write(_with_channels(part, files[cut.path].channels))
                if stop <= end:
                    files[cut.path].close()
            waiting = [cut for cut in waiting if round(cut.stop * sound.rate) > end]
            begin = end
            if not waiting:
                return


def _create(path: Path, rate: int, block: np.ndarray) -> soundfile.SoundFile:
    """Open a file with the channels of a block."""
    kind = "FLAC" if path.suffix == ".flac" else "WAV"
    channels = block.shape[1] if block.shape[1] <= MAX_CHANNELS else 1
    with wrap_audio_write_errors(path):
        return soundfile.SoundFile(os.fsencode(path), "w", rate, channels, "PCM_24", format=kind)


def _with_channels(part: np.ndarray, channels: int) -> np.ndarray:
    """Return samples ``[time, channels]``. Samples of other channels become their mean."""
    if part.shape[1] == channels:
        return part
    return np.repeat(part.mean(axis=1, keepdims=True), channels, axis=1)
