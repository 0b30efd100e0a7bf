"""Sound files in and out: one reader, one check of samples, one resampler, one writer."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from torch.nn.functional import pad

from speechbrain_lmac.audio.decoding import AudioFile, count_samples, display_name
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.files import atomic_write

BLOCK_SECONDS = 10.0
"""Duration that is decoded before it is handed on, in seconds."""
MAX_BLOCK = 2**19
"""Samples a channel that are decoded before they are handed on, at any rate."""
MAX_WHOLE_SECONDS = 1800.0
"""Longest sound that is held in memory at once, in seconds."""
MAX_PEAK = 32.0
"""Largest absolute sample, where full scale is 1: 30 dB above it."""
MIN_RANGE = 1e-8
"""Difference between the largest and the smallest sample below which a sound is silence."""
PEAK = 0.99
"""Largest absolute sample that is written: full scale less a margin for players."""


class SampleCheck:
    """The one rule on samples, whole or block by block, of files and arrays alike.

    Samples must be finite and at most :data:`MAX_PEAK`; a sound whose largest samples are whole
    numbers beyond 1 was never divided by its full scale. A constant offset is silence.

    Arguments
    ---------
    name : str
        What to call the sound in an error.

    Example
    -------
    >>> check = SampleCheck("the array")
    >>> check.add(torch.tensor([[0.5, 0.1]]))
    tensor([0.3000])
    >>> check.add(torch.tensor([[3000.0, 100.0]]))
    Traceback (most recent call last):
    ...
    speechbrain_lmac.utils.errors.InputError: the samples of the array must be at most 32, and ...
    """

    def __init__(self, name):
        self.name = name
        self._ranges = self._mean_range = None

    def add(self, samples: torch.Tensor) -> torch.Tensor:
        """Check a block ``[time, channels]`` and return the mean of its channels, ``[time]``.

        Raises
        ------
        InputError
            If a sample is not finite or of another scale.
        """
        mean = samples.mean(dim=1)
        if not len(samples):
            return mean
        low, high = torch.aminmax(samples, dim=0)
        peak = torch.maximum(high, -low).amax().item()
        if not np.isfinite(peak):
            raise InputError(f"{self.name} holds NaN or infinite samples; export it again")
        if peak > MAX_PEAK or (peak > 1 and _are_whole(samples)):
            raise InputError(
                f"the samples of {self.name} must be at most {MAX_PEAK:g}, and full scale is 1, "
                f"got {peak:g}. Divide them by their full scale"
            )
        self._ranges = _wider(self._ranges, low, high)
        self._mean_range = _wider(self._mean_range, *torch.aminmax(mean))
        return mean

    def finish(self) -> None:
        """Raise InputError if all that was added is nothing, or silence."""
        if self._ranges is None:
            raise InputError(f"{self.name} holds no samples")
        if _width(self._mean_range) > MIN_RANGE:
            return
        if _width(self._ranges) > MIN_RANGE:
            raise InputError(
                f"the channels of {self.name} cancel one another, as where one is inverted: give "
                "one of them"
            )
        raise InputError(f"{self.name} is all silence: there is nothing to explain; leave it out")


def _are_whole(samples):
    """Whether all but a hundredth of the samples that are not 0 are whole numbers."""
    loud = samples[samples != 0]
    return bool((loud == loud.round()).float().mean() > 0.99)


def _wider(held, low, high):
    """The range of samples so far; of another number of channels, that of all of them."""
    if held is None:
        return low, high
    if held[0].shape != low.shape:
        held, low, high = tuple(edge.amax() for edge in held), low.amin(), high.amax()
    return torch.minimum(held[0], low), torch.maximum(held[1], high)


def _width(held):
    return (held[1] - held[0]).amax().item()


def is_silent(wav: torch.Tensor) -> bool:
    """Whether ``wav`` ``[time]`` is empty, silent or a constant offset.

    Example
    -------
    >>> is_silent(torch.full((9,), 0.5)), is_silent(torch.tensor([0.0, 0.1]))
    (True, False)
    """
    return not len(wav) or _width(torch.aminmax(wav)) <= MIN_RANGE


def check_samples(wav: torch.Tensor, name: str = "the sound") -> torch.Tensor:
    """Return ``wav`` ``[time]`` if it can be explained, by the rule of :class:`SampleCheck`.

    Arguments
    ---------
    wav : torch.Tensor
        ``[time]``.
    name : str
        What to call the sound in the error.

    Raises
    ------
    InputError
        If it is empty, silent, not finite or of another scale.
    """
    check = SampleCheck(name)
    check.add(wav.detach().unsqueeze(1))
    check.finish()
    return wav


def load_audio(path: Any, sample_rate: int, start: int = 0, stop: int = 0) -> torch.Tensor:
    """Read a sound file, or a stretch of it, as mono at the asked rate.

    Arguments
    ---------
    path : str, Path or file object
        wav, flac, ogg, mp3, m4a and others: see :mod:`speechbrain_lmac.audio.containers`.
    sample_rate : int
        Rate wanted, in Hz.
    start, stop : int
        First sample and the one after the last, at the file's own rate; 0 for the file's end.

    Returns
    -------
    torch.Tensor
        The channels' mean, ``[time]``, full scale is 1.

    Raises
    ------
    InputError
        If the file is missing, unreadable, too long to be held, empty, silent, or holds samples
        that are not finite or of another scale.
    """
    mono, source_rate = read_mono(path, start, stop)
    return resample(mono, source_rate, sample_rate)


def load_clip(
    path: Any, sample_rate: int, seconds: float, start: int = 0, stop: int = 0
) -> torch.Tensor:
    """As :func:`load_audio`, cut or padded with silence to so many seconds; InputError too if
    there is no sound in what is left.
    """
    wav = fit_length(load_audio(path, sample_rate, start, stop), round(seconds * sample_rate))
    return _check_beginning(wav, path, seconds)


def check_clip(path: Any, seconds: float, start: int = 0, stop: int = 0) -> None:
    """Raise the InputError that :func:`load_clip` would; all of the file is read."""
    wav, rate = read_mono(path, start, stop)
    _check_beginning(wav[: round(seconds * rate)], path, seconds)


def _check_beginning(wav, path, seconds):
    if is_silent(wav):
        raise InputError(
            f"{display_name(path)} is silent for {seconds:g} s, and no more of it would be heard: "
            "cut it, or leave it out"
        )
    return wav


def resample(wav: torch.Tensor, source_rate: int, sample_rate: int) -> torch.Tensor:
    """Change the rate of ``wav`` ``[time]``; rates in Hz.

    By soxr's HQ, as librosa does it. A shorter filter is heard: torchaudio's default moves a
    tagger's logits by up to 0.2.
    """
    if source_rate == sample_rate:
        return wav
    return torch.from_numpy(soxr.resample(wav.numpy(), source_rate, sample_rate))


def read_mono(path: Any, start: int = 0, stop: int = 0) -> tuple[torch.Tensor, int]:
    """Read a sound file at its own rate; the arguments and errors of :func:`load_audio`.

    Returns
    -------
    torch.Tensor, int
        The channels' mean, ``[time]``, and the rate in Hz.
    """
    with AudioFile(path) as file:
        return join_blocks(mono_blocks(file, start, stop), file.rate, file.name), file.rate


def join_blocks(
    blocks: Iterator[torch.Tensor], rate: int, name: str, max_seconds: float = MAX_WHOLE_SECONDS
) -> torch.Tensor:
    """Join blocks ``[time]`` of a sound that fits in memory.

    Raises
    ------
    InputError
        As soon as it is longer than ``max_seconds``.
    """
    held, samples = [], 0
    for block in blocks:
        held.append(block)
        samples += len(block)
        if samples > max_seconds * rate:
            raise InputError(
                f"{name} must be at most {max_seconds:g} s long here, got more. Cut it, or explain "
                "it in windows by speechbrain-lmac explain or save_to"
            )
    return torch.cat(held)


def check_audio(path: Any, start: int = 0, stop: int = 0) -> None:
    """Decode all of a sound file, in memory that does not grow; errors as :func:`load_audio`."""
    with AudioFile(path) as file:
        for _ in mono_blocks(file, start, stop):
            pass


def mono_blocks(file: AudioFile, start: int = 0, stop: int = 0) -> Iterator[torch.Tensor]:
    """Checked blocks of an open file: the channels' mean, ``[time]``, at the file's own rate.

    Raises
    ------
    InputError
        On the way or at the end, as :func:`load_audio`.
    """
    check, wanted = SampleCheck(file.name), round(BLOCK_SECONDS * file.rate)
    for block in _gathered(file.blocks(start, stop), min(wanted, MAX_BLOCK)):
        yield check.add(torch.from_numpy(block))
    check.finish()


def _gathered(blocks, samples):
    """Blocks ``[time, channels]`` joined to at least so many samples, where channels agree."""
    held: list = []
    for block in blocks:
        if held and held[0].shape[1] != block.shape[1]:
            yield np.concatenate(held)
            held = []
        held.append(block)
        if sum(map(len, held)) >= samples:
            yield np.concatenate(held)
            held = []
    if held:
        yield np.concatenate(held)


def measure_length(path: Any) -> tuple[float, int]:
    """Seconds and samples that a file holds, by decoding it; infinite and 0 if it cannot be."""
    try:
        rate, samples = count_samples(path)
    except InputError:
        return float("inf"), 0
    return samples / rate, samples


def fit_length(wav: torch.Tensor, length: int) -> torch.Tensor:
    """Cut ``wav`` ``[time]`` to ``length`` samples, or pad it with silence."""
    return pad(wav[:length], (0, max(0, length - len(wav))))


def save_audio(path: str | Path, wav: torch.Tensor, sample_rate: int, writer=atomic_write) -> None:
    """Write a mono 16-bit wav whose samples are already within full scale.

    Arguments
    ---------
    path : str or Path
        File to write.
    wav : torch.Tensor
        ``[time]``.
    sample_rate : int
        In Hz.
    writer : callable
        Context manager that yields the path to write:
        :func:`~speechbrain_lmac.utils.files.atomic_write`, or
        :func:`~speechbrain_lmac.utils.ownership.owned_file` to refuse to replace a user's file.

    Raises
    ------
    InputError
        If it cannot be written; then it is not there.
    """
    samples = wav.detach().cpu().numpy().astype(np.float32)
    with writer(path) as partial, wrap_audio_write_errors(path):
        # names may be no UTF-8
        soundfile.write(os.fsencode(partial), samples, sample_rate, subtype="PCM_16", format="WAV")


@contextlib.contextmanager
def wrap_audio_write_errors(path):
    """Say that a sound cannot be written, whichever way libsndfile says it."""
    try:
        yield
    except (OSError, soundfile.LibsndfileError, AssertionError) as error:
        why = first_line(error)
        raise InputError(f"{path} cannot be written ({why}): is the disk full?") from error


def safe_gain(*wavs: torch.Tensor) -> float:
    """One gain, at most 1, under which none of the sounds clips when written.

    A common gain keeps the balance between a clip, its explanation and its residual.

    Arguments
    ---------
    *wavs : torch.Tensor
        Of any shape.

    Returns
    -------
    float

    Example
    -------
    >>> round(safe_gain(torch.tensor([0.5]), torch.tensor([-1.98])), 6)
    0.5
    """
    return gain_for_peak(max(wav.abs().max().item() for wav in wavs))


def gain_for_peak(peak: float) -> float:
    """Gain, at most 1, under which a sound of this peak does not clip when written."""
    return min(1.0, PEAK / peak) if peak > 0 else 1.0
