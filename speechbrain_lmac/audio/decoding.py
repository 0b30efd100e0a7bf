"""Decode audio files of any supported container with PyAV (FFmpeg).

A file is opened here and passed to FFmpeg with the name of the container that its first bytes
indicate. FFmpeg guesses nothing, follows no playlist and opens no other file. Decoding continues to
the end of the stream, whatever duration the header announces.
"""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import av
import numpy as np

from speechbrain_lmac.audio.containers import CODECS, Header, describe_header, find_container
from speechbrain_lmac.audio.ffmpeg import (
    EXACT_SEEK,
    FAILURES,
    failure_reason,
    frame_samples,
    open_container,
)
from speechbrain_lmac.audio.files import check_rate, decoding_error, display_name, open_binary
from speechbrain_lmac.utils.errors import InputError, first_line

MISSING_SECONDS = 0.1
"""Difference between announced and decoded duration that causes a warning, in seconds."""
MAX_GAP_SECONDS = 10
"""Longest damaged part that becomes silence, in seconds; a longer gap is a wrong time stamp."""


class AudioFile:
    """Audio file that is open for decoding. Use it as a context manager.

    Arguments
    ---------
    path : str, Path or file object
        File to read; a file object must be binary and seekable.

    Attributes
    ----------
    rate : int
        Sample rate, in Hz.
    announced : float or None
        Duration in the header, in seconds; None if the header states no reliable duration.

    Raises
    ------
    InputError
        If the file is missing, holds no audio, or its container or codec is not supported.
    """

    def __init__(self, path: Any):
        self.path, self.name = path, display_name(path)
        self._stack = contextlib.ExitStack()
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> "AudioFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        file = self._stack.enter_context(open_binary(self.path))
        try:
            container = find_container(file)
            header = describe_header(file, container)
        except (OSError, ValueError, AttributeError) as error:
            raise decoding_error(self.path, first_line(error)) from error
        if container is None:
            raise decoding_error(self.path, "no known sound format")
        self._exact_seek = container in EXACT_SEEK
        try:
            opened = open_container(file, container, ignore_length=header.is_short)
            self._container = self._stack.enter_context(opened)
        except FAILURES as error:
            raise decoding_error(self.path, failure_reason(error)) from error
        self._stream = self._audio_stream()
        self.rate = check_rate(self._stream.codec_context.sample_rate, self.name)
        self.announced = self._announced(container, header)
        self._unread_bytes = header.unread_bytes

    def _audio_stream(self) -> Any:
        streams = self._container.streams.audio
        if not streams:
            raise decoding_error(self.path, "it holds no sound")
        stream = streams[0]
        codec = stream.codec_context.name if stream.codec_context is not None else "unknown"
        if codec not in CODECS:
            raise decoding_error(self.path, f"its codec {codec} is not supported")
        stream.codec_context.thread_count = 1
        return stream

    def _announced(self, container: str, header: Header) -> float | None:
        """Announced duration in seconds; None if there is no reliable one."""
        if container in ("wav", "w64"):
            return header.seconds
        if not header.states_length:
            return None
        if container == "caf":  # FFmpeg reports the duration of the available bytes
            return self._stream.frames / self.rate or None
        if self._stream.duration is not None:
            return float(self._stream.duration * self._stream.time_base) or None
        return None if self._container.duration is None else self._container.duration / 1e6

    def blocks(self, start: int = 0, stop: int = 0) -> Iterator[np.ndarray]:
        """Decode the file block by block.

        Arguments
        ---------
        start, stop : int
            First sample and the sample after the last one, at the file's rate. A ``stop`` of 0 is
            the end of the file. Default: 0.

        Yields
        ------
        numpy.ndarray
            float32 ``[time, channels]``; full scale is 1.

        Raises
        ------
        InputError
            If nothing can be decoded, or the sample rate changes within the file.

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
        if self._unread_bytes:
            warnings.warn(
                f"{self.name}: {self._unread_bytes} bytes after its audio are not read. Is its "
                "header damaged?",
                stacklevel=3,
            )

    def _seek(self, start: int) -> None:
        """Seek to the last time stamp before ``start`` in containers with exact time stamps."""
        if start and self._exact_seek:
            place = int(start / self.rate / self._stream.time_base)
            self._container.seek(place, stream=self._stream, backward=True)

    def _samples(self, start: int) -> Iterator[np.ndarray]:
        """Decoded samples ``[time, channels]``, with silence for skipped and damaged parts."""
        position, damaged, lost = 0, 0, 0
        for frames, packet_samples in self._packets():
            damaged += frames is None
            lost += packet_samples if frames is None else 0
            for frame in frames or ():
                self._check_frame(frame)
                samples = frame_samples(frame)
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

    def _packets(self) -> Iterator[tuple[list[Any] | None, int]]:
        """Frames of each packet and 0; of a damaged packet, None and its length in samples."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.PatchWelcomeError as error:
                raise InputError(
                    f"{self.name} changes its sample rate or channels. Split it there"
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

    def _check_frame(self, frame: Any) -> None:
        if frame.sample_rate != self.rate:
            raise InputError(
                f"{self.name} changes its sample rate from {self.rate} to {frame.sample_rate} Hz. "
                "Split it there"
            )

    def _gap(self, frame: Any, position: int, lost: int, max_gap: int) -> int:
        """Number of samples between ``position`` and a frame; 0 if it exceeds ``max_gap``."""
        if not self._exact_seek or frame.pts is None:
            return lost if position else 0
        gap = round(frame.pts * frame.time_base * self.rate) - position
        return gap if 0 < gap <= max_gap else 0

    def _compare_with_announced(self, decoded: float, wanted: float) -> None:
        """Warn if decoded and announced seconds differ; ``wanted`` seconds of 0 mean all."""
        announced = self.announced
        if wanted and announced is not None:
            announced = min(announced, wanted)
        if announced is None or abs(announced - decoded) <= MISSING_SECONDS:
            return
        if decoded < announced:
            note = "Is it cut short?"
        elif not wanted:
            note = "All decoded audio is read"
        else:
            return
        warnings.warn(
            f"{self.name} announces {announced:.1f} s and holds {decoded:.1f} s. {note}",
            stacklevel=4,
        )


def count_samples(path: Any) -> tuple[int, int]:
    """Sample rate in Hz and number of samples that can be decoded, without warnings.

    Raises
    ------
    InputError
        If :class:`AudioFile` raises it.
    """
    with AudioFile(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return file.rate, sum(len(block) for block in file.blocks())
