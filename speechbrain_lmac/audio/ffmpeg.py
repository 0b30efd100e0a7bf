"""Interface to PyAV (FFmpeg): safe options for a container, and samples of a frame."""

from typing import Any, BinaryIO

import av
import numpy as np

from speechbrain_lmac.audio.containers import CODECS
from speechbrain_lmac.utils.errors import first_line

EXACT_SEEK = ("wav", "w64", "aiff", "au", "caf", "flac")
"""Containers with exact time stamps, in which seeking finds the requested sample."""
FAILURES = (av.error.FFmpegError, ValueError, MemoryError, OSError, OverflowError, UnicodeError)
"""Exceptions of PyAV for data that cannot be decoded."""
FULL_SCALE = {"u1": (128, 2**7), "i2": (0, 2**15), "i4": (0, 2**31), "i8": (0, 2**63)}
"""Zero and full scale of integer samples, by NumPy's type codes."""


class _Bytes:
    """The methods of a file object that PyAV needs, and none that it misinterprets."""

    def __init__(self, file: BinaryIO):
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def open_container(file: BinaryIO, container: str, ignore_length: bool) -> Any:
    """Open a file in FFmpeg as a given container, with supported codecs and no other file.

    Arguments
    ---------
    file : file object
        Open binary file.
    container : str
        FFmpeg's name of the container.
    ignore_length : bool
        Decode a wav file beyond the length that its header states.

    Returns
    -------
    av.container.InputContainer

    Raises
    ------
    One of ``FAILURES``
        If FFmpeg cannot open the file.
    """
    options = {"codec_whitelist": ",".join(CODECS), "protocol_whitelist": ""}
    if container in EXACT_SEEK:  # their headers are complete: no data need be probed
        options |= {"probesize": "32768", "analyzeduration": "1"}
    if container == "wav":
        options |= {"max_size": "16384"} | ({"ignore_length": "1"} if ignore_length else {})
    file.seek(0)
    return av.open(_Bytes(file), format=container, options=options)


def frame_samples(frame: Any) -> np.ndarray:
    """Samples of a frame, float32 ``[time, channels]``; full scale is 1."""
    if frame.format.name == "fltp" and frame.layout.nb_channels == 1:  # many short frames
        return np.frombuffer(frame.planes[0], np.float32, frame.samples)[:, None]
    array = frame.to_ndarray()
    packed = frame.format.is_packed
    samples = array.reshape(-1, frame.layout.nb_channels) if packed else array.T
    zero, full = FULL_SCALE.get(samples.dtype.str[1:], (0, 1))
    if full != 1:
        samples = (samples.astype(np.float64 if full > 2**15 else np.float32) - zero) / full
    return samples.astype(np.float32, copy=False)


def failure_reason(error: BaseException) -> str:
    """Message of a PyAV exception without the file's name."""
    return getattr(error, "strerror", None) or first_line(error)
