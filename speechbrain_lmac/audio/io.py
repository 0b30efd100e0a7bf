"""Read audio files as mono waveforms, resample them and write wav files."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor
from torch.nn.functional import pad

from speechbrain_lmac.audio.blocks import join_blocks, mono_blocks
from speechbrain_lmac.audio.checks import is_silent
from speechbrain_lmac.audio.decoding import AudioFile, count_samples
from speechbrain_lmac.audio.files import display_name
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.files import Writer, atomic_write

PEAK = 0.99
"""Largest absolute sample that is written: full scale less a margin for players."""


def load_audio(path: Any, sample_rate: int, start: int = 0, stop: int = 0) -> Tensor:
    """Read an audio file, or a segment of it, as a mono waveform.

    Arguments
    ---------
    path : str, Path or file object
        File in wav, flac, ogg, mp3, m4a or another format of
        :mod:`speechbrain_lmac.audio.containers`.
    sample_rate : int
        Sample rate of the waveform, in Hz.
    start, stop : int
        First sample and the sample after the last one, at the file's rate. A ``stop`` of 0 is the
        end of the file. Default: 0.

    Returns
    -------
    torch.Tensor
        Mean of the channels, ``[time]``; full scale is 1.

    Raises
    ------
    InputError
        If the file is missing, unreadable, too long for memory, empty or silent, or holds samples
        that are not finite or not at full scale 1.
    """
    mono, source_rate = read_mono(path, start, stop)
    return resample(mono, source_rate, sample_rate)


def load_clip(path: Any, sample_rate: int, seconds: float, start: int = 0, stop: int = 0) -> Tensor:
    """Read an audio file and cut or pad it to a fixed duration.

    Arguments
    ---------
    path, sample_rate, start, stop
        Arguments of :func:`load_audio`.
    seconds : float
        Duration of the clip, in seconds.

    Returns
    -------
    torch.Tensor
        ``[seconds * sample_rate]``.

    Raises
    ------
    InputError
        If :func:`load_audio` raises it, or the clip is silent after the cut.
    """
    wav = fit_length(load_audio(path, sample_rate, start, stop), round(seconds * sample_rate))
    return _check_clip(wav, path, seconds)


def check_clip(path: Any, seconds: float, start: int = 0, stop: int = 0) -> None:
    """Decode a whole file and raise the InputError that :func:`load_clip` would raise."""
    wav, rate = read_mono(path, start, stop)
    _check_clip(wav[: round(seconds * rate)], path, seconds)


def _check_clip(wav: Tensor, path: Any, seconds: float) -> Tensor:
    if is_silent(wav):
        raise InputError(
            f"the first {seconds:g} s of {display_name(path)} must not be silent, for the rest is "
            "not used. Cut it, or leave it out"
        )
    return wav


def resample(wav: Tensor, source_rate: int, sample_rate: int) -> Tensor:
    """Resample ``wav`` ``[time]`` with soxr's HQ filter, as librosa does; rates in Hz.

    A shorter filter is not enough: torchaudio's default changes logits of audio taggers by up to
    0.2.
    """
    if source_rate == sample_rate:
        return wav
    return torch.from_numpy(soxr.resample(wav.numpy(), source_rate, sample_rate))


def read_mono(path: Any, start: int = 0, stop: int = 0) -> tuple[Tensor, int]:
    """Read an audio file at its own rate; arguments and errors are those of :func:`load_audio`.

    Returns
    -------
    torch.Tensor, int
        Mean of the channels, ``[time]``, and the sample rate in Hz.
    """
    with AudioFile(path) as file:
        return join_blocks(mono_blocks(file, start, stop), file.rate, file.name), file.rate


def check_audio(path: Any, start: int = 0, stop: int = 0) -> None:
    """Decode a whole file in constant memory and raise the errors of :func:`load_audio`."""
    with AudioFile(path) as file:
        for _ in mono_blocks(file, start, stop):
            pass


def measure_length(path: Any) -> tuple[float, int]:
    """Decode a file to measure its duration in seconds and its number of samples.

    An unreadable file has infinite duration and 0 samples.
    """
    try:
        rate, samples = count_samples(path)
    except InputError:
        return float("inf"), 0
    return samples / rate, samples


def fit_length(wav: Tensor, length: int) -> Tensor:
    """Cut ``wav`` ``[time]`` to ``length`` samples, or pad it with silence."""
    return pad(wav[:length], (0, max(0, length - len(wav))))


def save_audio(
    path: str | Path, wav: Tensor, sample_rate: int, writer: Writer = atomic_write
) -> None:
    """Write a mono 16-bit wav file.

    Arguments
    ---------
    path : str or Path
        File to write.
    wav : torch.Tensor
        Waveform ``[time]``, within full scale.
    sample_rate : int
        Sample rate, in Hz.
    writer : callable
        Context manager that yields the path to write. Default:
        :func:`~speechbrain_lmac.utils.files.atomic_write`. Alternative:
        :func:`~speechbrain_lmac.utils.ownership.owned_file`, which does not replace a user's file.

    Raises
    ------
    InputError
        If the file cannot be written. It does not exist then.
    """
    samples = wav.detach().cpu().numpy().astype(np.float32)
    content = io.BytesIO()  # libsndfile would wait for the disk
    soundfile.write(content, samples, sample_rate, subtype="PCM_16", format="WAV")
    with writer(path) as partial, wrap_audio_write_errors(path):
        partial.write_bytes(content.getbuffer())


@contextlib.contextmanager
def wrap_audio_write_errors(path: str | Path) -> Iterator[None]:
    """Turn the write errors of libsndfile into the InputError that ``path`` cannot be written."""
    try:
        yield
    except (OSError, soundfile.LibsndfileError, AssertionError) as error:
        reason = first_line(error)
        raise InputError(f"{path} cannot be written ({reason}). Is the disk full?") from error


def safe_gain(*wavs: Tensor) -> float:
    """Largest common gain, at most 1, that keeps all waveforms from clipping in a file.

    A common gain keeps the balance between a clip, its explanation and its residual.

    Arguments
    ---------
    *wavs : torch.Tensor
        Waveforms of any shape.

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
    """Gain, at most 1, that brings audio of this peak within :data:`PEAK`."""
    return min(1.0, PEAK / peak) if peak > 0 else 1.0
