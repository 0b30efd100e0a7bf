"""Sound files of any container to samples, by their magic bytes and until the decoder ends.

PyAV (FFmpeg) decodes. A file is opened here and handed over, under the container that its first
bytes name: FFmpeg guesses nothing, follows no playlist and opens no other file.
"""

import contextlib
import warnings
from pathlib import Path

import av
import numpy as np

from speechbrain_lmac.audio.containers import (
    CODECS,
    EXTENSIONS,
    Header,
    describe_header,
    find_container,
)
from speechbrain_lmac.utils.errors import InputError, first_line

RATES = (1_000, 3_072_000)
"""Sample rates that are read, in Hz: lowest and highest."""
MISSING_SECONDS = 0.1
"""Difference between the announced and the decoded duration that is reported, in seconds."""
FULL_SCALE = {"u1": (128, 2**7), "i2": (0, 2**15), "i4": (0, 2**31), "i8": (0, 2**63)}
"""Zero and full scale of integer samples, by NumPy's names."""
MAX_GAP_SECONDS = 10
"""Longest silence that stands for a damaged part, in seconds; what is longer is a wrong stamp."""
SEEKABLE = ("wav", "w64", "aiff", "au", "caf", "flac")
"""Containers whose time stamps are exact, so that seeking lands on the sample asked for."""
FAILURES = (av.error.FFmpegError, ValueError, MemoryError, OSError, OverflowError, UnicodeError)
"""Exceptions by which PyAV says that something cannot be decoded."""


def display_name(path):
    """Name of a file in messages; undecodable bytes are escaped."""
    if hasattr(path, "seek"):
        return "the open file"
    return str(path).encode(errors="backslashreplace").decode()


def decoding_error(path, why):
    """The InputError of a file that cannot be decoded."""
    return InputError(f"cannot read {display_name(path)} as sound ({why}); convert it to wav")


def check_rate(rate: int, name: str) -> int:
    """Return a sample rate in Hz if it is one that is read, else raise InputError."""
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(
            f"the sample rate of {name} must be {RATES[0]} to {RATES[1]} Hz, got {rate}. Give its "
            "true rate"
        )
    return rate


class AudioFile:
    """A sound file, open for decoding. Use it as a context manager.

    Arguments
    ---------
    path : str, Path or file object
        File to read; a file object must be binary and seekable.

    Attributes
    ----------
    rate : int
        Sample rate, in Hz.
    announced : float or None
        Duration that the header states, in seconds; None if it states none that can be trusted.

    Raises
    ------
    InputError
        If the file is missing, holds no sound, or its container or codec is not supported.
    """

    def __init__(self, path):
        self.path, self.name = path, display_name(path)
        self._stack = contextlib.ExitStack()
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _open(self):
        file = self._stack.enter_context(_binary(self.path))
        try:
            self._container_name = find_container(file)
            header = describe_header(file, self._container_name)
        except (OSError, ValueError, AttributeError) as error:
            raise decoding_error(self.path, first_line(error)) from error
        if self._container_name is None:
            raise decoding_error(self.path, "no known sound format")
        options = {"codec_whitelist": ",".join(CODECS), "protocol_whitelist": ""}
        if self._container_name in SEEKABLE:  # their headers say all: nothing need be probed
            options |= {"probesize": "32768", "analyzeduration": "1"}
        if self._container_name == "wav":
            options |= {"max_size": "16384"} | ({"ignore_length": "1"} if header.short else {})
        try:
            file.seek(0)
            opened = av.open(_Bytes(file), format=self._container_name, options=options)
            self._container = self._stack.enter_context(opened)
        except FAILURES as error:
            raise decoding_error(self.path, _reason(error)) from error
        self._stream = self._audio_stream()
        self.rate = check_rate(self._stream.codec_context.sample_rate, self.name)
        self.announced = self._announced(header)
        self._unread = header.unread

    def _audio_stream(self):
        streams = self._container.streams.audio
        if not streams:
            raise decoding_error(self.path, "it holds no sound")
        stream = streams[0]
        codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
        if codec not in CODECS:
            raise decoding_error(self.path, f"its codec {codec} is not supported")
        stream.codec_context.thread_count = 1
        return stream

    def _announced(self, header: Header):
        """Announced duration in seconds, or None."""
        if self._container_name in ("wav", "w64"):
            return header.seconds
        if not header.states_length:
            return None
        if self._container_name == "caf":  # FFmpeg's duration is that of the bytes that are there
            return self._stream.frames / self.rate or None
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base) or None
        return None if self._container.duration is None else self._container.duration / 1e6

    def blocks(self, start=0, stop=0):
        """Decode the file block by block.

        Arguments
        ---------
        start, stop : int
            First sample and the one after the last, at the file's own rate; 0 for the end.

        Yields
        ------
        numpy.ndarray
            float32 ``[time, channels]``, full scale is 1.

        Raises
        ------
        InputError
            If nothing can be decoded, or the sample rate changes on the way.

        Warns
        -----
        UserWarning
            If the file holds less or more than its header announces, or damaged parts.
        """
        self._seek(start)
        position = 0
        for samples in self._samples(start):
            begin, position = position, position + len(samples)
            samples = samples[max(0, start - begin) : (max(0, stop - begin)) if stop else None]
            if len(samples):
                yield samples
            if stop and position >= stop:
                return
        self._compare_with_announced(position / self.rate, stop / self.rate)
        if self._unread:
            warnings.warn(
                f"{self.name}: {self._unread} bytes behind its sound are not read: is its header "
                "damaged?",
                stacklevel=3,
            )

    def _seek(self, start):
        """Move to the last time stamp before ``start``, where time stamps are exact."""
        if start and self._container_name in SEEKABLE:
            place = int(start / self.rate / self._stream.time_base)
            self._container.seek(place, stream=self._stream, backward=True)

    def _samples(self, start):
        """Decoded samples ``[time, channels]``, with silence for what was passed or is damaged."""
        position, damaged, lost = 0, 0, 0
        for frames, packet_samples in self._packets():
            damaged += frames is None
            lost += packet_samples if frames is None else 0
            for frame in frames or ():
                samples = self._converted(frame)
                gap = self._gap(frame, position, lost, MAX_GAP_SECONDS * self.rate + start)
                damaged += bool(gap and position and not lost)
                if gap:
                    yield np.broadcast_to(np.float32(0), (gap, samples.shape[1]))
                yield samples
                position, lost = position + gap + len(samples), 0
        if damaged and not position:
            raise decoding_error(self.path, "nothing of it can be decoded")
        if damaged:
            warnings.warn(
                f"{self.name} has {damaged} damaged parts, which are silent or left out",
                stacklevel=4,
            )

    def _packets(self):
        """Frames of every packet, None of one that is damaged; and its length in samples."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.PatchWelcomeError as error:
                raise InputError(
                    f"{self.name} changes its sample rate or channels on the way. Split it there"
                ) from error
            except FAILURES:
                yield None, 0
                return
            if packet is None:
                return
            try:
                yield packet.decode(), 0
            except FAILURES:
                yield None, round((packet.duration or 0) * self._stream.time_base * self.rate)

    def _gap(self, frame, position, lost, most):
        """Samples between what was decoded and a frame, at most ``most``."""
        if self._container_name not in SEEKABLE or frame.pts is None:
            return lost if position else 0
        gap = round(frame.pts * frame.time_base * self.rate) - position
        return gap if 0 < gap <= most else 0

    def _converted(self, frame):
        """Samples of a frame, float32 ``[time, channels]``."""
        if frame.sample_rate != self.rate:
            raise InputError(
                f"{self.name} changes its sample rate from {self.rate} to {frame.sample_rate} Hz. "
                "Split it there"
            )
        samples = frame.to_ndarray()
        if frame.format.is_packed:
            samples = samples.reshape(-1, frame.layout.nb_channels)
        else:
            samples = samples.T
        zero, full = FULL_SCALE.get(samples.dtype.str[1:], (0, 1))
        if full != 1:
            samples = (samples.astype(np.float64 if full > 2**15 else np.float32) - zero) / full
        return samples.astype(np.float32, copy=False)

    def _compare_with_announced(self, held, wanted):
        announced = self.announced
        if wanted and announced is not None:
            announced = min(announced, wanted)
        if announced is None or abs(announced - held) <= MISSING_SECONDS:
            return
        if held > announced and not wanted:
            what = "what could be decoded is read"
        elif held < announced:
            what = "is it cut short?"
        else:
            return
        warnings.warn(
            f"{self.name} announces {announced:.1f} s and holds {held:.1f} s: {what}", stacklevel=4
        )


class _Bytes:
    """What PyAV needs of a file object, and nothing that it takes for something else."""

    def __init__(self, file):
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def count_samples(path):
    """Sample rate in Hz, and the number of samples that can be decoded, without warnings.

    Raises
    ------
    InputError
        As :class:`AudioFile`.
    """
    with AudioFile(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return file.rate, sum(len(block) for block in file.blocks())


def _binary(path):
    """A file object of a path, or the one that is given, at its beginning."""
    try:
        if hasattr(path, "seek"):
            path.seek(0)
            return contextlib.nullcontext(path)
        if not Path(path).is_file():
            raise InputError(f"no such sound file: {display_name(path)}")
        return open(path, "rb")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise decoding_error(path, first_line(error)) from error


def _reason(error):
    """What an exception of PyAV says, without the file's name."""
    return getattr(error, "strerror", None) or first_line(error)


def is_audio_file(path):
    """Whether a file has the extension or the first bytes of a sound that can be decoded."""
    path = Path(path)
    if not path.is_file():
        return False
    if path.suffix.lower() in EXTENSIONS:
        return True
    try:
        with open(path, "rb") as file:
            return find_container(file) is not None
    except OSError:
        return False


def find_audio_files(folder):
    """Sounds in a folder and below, in order, and the number of other files.

    Hidden files and folders, such as the ``._`` files of macOS, count as neither.

    Returns
    -------
    list of Path, int
    """
    files = [path for path in sorted(Path(folder).rglob("*")) if not _is_hidden(path, folder)]
    sounds = [path for path in files if is_audio_file(path)]
    return sounds, sum(path.is_file() for path in files) - len(sounds)


def _is_hidden(path, folder):
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
