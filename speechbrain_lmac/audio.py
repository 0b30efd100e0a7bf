"""Sound files in and out: one reader, one resampler, one writer."""

import contextlib
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
from torch.nn.functional import pad

from speechbrain_lmac.errors import InputError, first_line
from speechbrain_lmac.whole import whole

SOUNDS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff")
"""Endings of sound files that are looked for in folders."""
BLOCK = 2**19
"""Frames that are read at a time."""
ENDLESS = 2**48
"""Frames that no file has: libsndfile's way to say that a header does not tell."""
PEAK = 0.99
"""Largest absolute sample that is written: full scale less a margin for players."""


def load_audio(path: Any, sample_rate: int, start: int = 0, stop: int = 0) -> torch.Tensor:
    """Read a sound file, or a stretch of it, as mono at the asked rate.

    Arguments
    ---------
    path : str, Path or file object
        Anything libsndfile reads: wav, flac, ogg, mp3 ...
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
        If the file is missing, unreadable, empty, silent or holds NaN or infinite samples.
    """
    mono, source_rate = read_mono(path, start, stop)
    return check_samples(resample(mono, source_rate, sample_rate), called(path))


def load_clip(
    path: Any, sample_rate: int, seconds: float, start: int = 0, stop: int = 0
) -> torch.Tensor:
    """As :func:`load_audio`, cut or padded with silence to so many seconds; InputError too if
    there is no sound in what is left.
    """
    wav = fit(load_audio(path, sample_rate, start, stop), round(seconds * sample_rate))
    return _check_beginning(wav, path, seconds)


def check_clip(path: Any, seconds: float, start: int = 0, stop: int = 0) -> None:
    """Raise the InputError that :func:`load_clip` would; all of the file is read."""
    wav, rate = read_mono(path, start, stop)
    _check_beginning(wav[: round(seconds * rate)], path, seconds)


def _check_beginning(wav, path, seconds):
    if not wav.any():
        raise InputError(
            f"{called(path)} is silent for {seconds:g} s, and no more of it would be heard: cut "
            "it, or leave it out"
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
    with opened(path) as file:
        held = list(blocks(path, file, start, stop))
        wav = torch.cat(held) if held else torch.zeros(0)
        return check_samples(wav, called(path)), file.samplerate


def cancelled(name):
    """The InputError of a sound whose channels' mean is silence."""
    return InputError(
        f"the channels of {name} cancel one another, as where one is inverted: give one of them"
    )


def blocks(
    path: Any, file: soundfile.SoundFile, start: int = 0, stop: int = 0, size: int = BLOCK
) -> Iterator[torch.Tensor]:
    """What an open file really holds, so many frames at a time: the channels' mean, ``[time]``.

    An MP3's header may announce more than there is; that is said in a warning. Arguments and
    errors are those of :func:`load_audio`.
    """
    left = wanted = (stop or file.frames) - start
    loud = heard = False
    try:
        file.seek(start)
        while left > 0:
            samples = file.read(min(size, left), dtype="float32", always_2d=True)
            if not len(samples):
                break
            left -= len(samples)
            mean = torch.from_numpy(samples).mean(dim=1)
            loud, heard = loud or bool(samples.any()), heard or bool(mean.any())
            yield mean
    except (soundfile.LibsndfileError, ValueError, MemoryError) as error:
        raise unreadable(path, error) from error
    if loud and not heard:
        raise cancelled(called(path))
    if left > file.samplerate / 10:
        announced, held = ((count / file.samplerate) for count in (wanted, wanted - left))
        warnings.warn(
            f"{called(path)} announces {announced:.1f} s and holds {held:.1f} s: is it cut short?",
            stacklevel=2,
        )


def opened(path) -> soundfile.SoundFile:
    """A sound file, open; InputError if it is missing or none."""
    if hasattr(path, "seek"):
        path.seek(0)
    elif not Path(path).is_file():
        raise InputError(f"no such sound file: {path}")
    try:
        file = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, UnicodeError, TypeError, OSError) as error:
        raise unreadable(path, error) from error
    if file.frames > ENDLESS:
        file.close()
        raise InputError(f"{called(path)} does not say how long it is, as of a stream: convert it")
    return file


def length_of(path: Any) -> tuple[float, int]:
    """Seconds and frames that a file announces; of what cannot be read, which is said when it is
    heard, endless and 0.
    """
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError:
        return math.inf, 0
    return info.duration, info.frames


def unreadable(path, error):
    """The InputError of a file that libsndfile cannot read."""
    why = first_line(error)
    return InputError(f"cannot read {called(path)} as sound ({why}); convert it to wav or flac")


def called(path):
    """What to call a file in an error."""
    if hasattr(path, "seek"):
        return "the open file"
    return str(path).encode(errors="backslashreplace").decode()  # old archives: names of no text


def fit(wav: torch.Tensor, length: int) -> torch.Tensor:
    """Cut ``wav`` ``[time]`` to ``length`` samples, or pad it with silence."""
    return pad(wav[:length], (0, max(0, length - len(wav))))


def check_samples(wav, name="the sound"):
    """Return ``wav`` if it can be explained, else raise InputError.

    Arguments
    ---------
    wav : torch.Tensor
        ``[time]``.
    name : str
        What to call the sound in the error.

    Returns
    -------
    torch.Tensor
        ``wav`` itself.
    """
    if wav.numel() == 0:
        raise InputError(f"{name} holds no samples")
    if not torch.isfinite(wav).all():
        raise InputError(f"{name} holds NaN or infinite samples; export it again")
    if not wav.any():
        raise InputError(f"{name} is all silence: there is nothing to explain; leave it out")
    return wav


def save_audio(path: str | Path, wav: torch.Tensor, sample_rate: int) -> None:
    """Write a mono 16-bit wav whose samples are already within full scale.

    Arguments
    ---------
    path : str or Path
        File to write.
    wav : torch.Tensor
        ``[time]``.
    sample_rate : int
        In Hz.

    Raises
    ------
    InputError
        If it cannot be written; then it is not there.
    """
    samples = wav.detach().cpu().numpy().astype(np.float32)
    with whole(path) as partial, writing(path):
        soundfile.write(partial, samples, sample_rate, subtype="PCM_16", format="WAV")


@contextlib.contextmanager
def writing(path):
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
    return gain_under(max(wav.abs().max().item() for wav in wavs))


def gain_under(peak: float) -> float:
    """Gain, at most 1, under which a sound of this peak does not clip when written."""
    return min(1.0, PEAK / peak) if peak > 0 else 1.0
