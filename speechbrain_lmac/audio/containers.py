"""Containers of audio: identify one by its first bytes, and read what its header announces."""

import struct
from typing import BinaryIO, NamedTuple

EXTENSIONS = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".au", ".snd", ".aif", ".aiff", ".aifc", ".caf"),
    *(".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mpga", ".m4a", ".m4b", ".aac", ".mka"),
    *(".weba", ".voc"),
)
"""Extensions of the audio files that are searched for in folders."""
CODECS = (
    *("pcm_u8", "pcm_s8", "pcm_alaw", "pcm_mulaw", "pcm_f32le", "pcm_f32be", "pcm_f64le"),
    *("pcm_f64be", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
    *("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "gsm_ms", "flac", "vorbis", "opus", "libopus"),
    *("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "aac", "alac"),
)
"""Decoders of FFmpeg that may run."""
W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
W64_FORMAT = b"fmt \xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
SIGNATURES = (
    (0, b".snd", "au"),
    (0, b"caff", "caf"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"\x1aE\xdf\xa3", "matroska"),
    (0, b"Creative Voice File", "voc"),
    (0, W64, "w64"),
    (4, b"ftyp", "mov"),
    (8, b"WAVE", "wav"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
)
"""Offset of the magic bytes, the bytes, and FFmpeg's name of the container."""
FIRST_BYTES = {"wav": (b"RIFF", b"RF64", b"BW64"), "aiff": (b"FORM",)}
"""First bytes of containers whose magic bytes follow them."""
SEARCHED = 1 << 16
"""Number of bytes in which the first frame of an MPEG stream is searched for."""
MPEG_RATES = {1: (44100, 48000, 32000), 2: (22050, 24000, 16000), 2.5: (11025, 12000, 8000)}
"""Sample rates in Hz by version."""
MPEG_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates in kbit/s by (version, layer); layers 2 and 3 of versions 2 and 2.5 are equal."""
UNKNOWN = (0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
"""Lengths in headers whose writer did not know the length, as in a pipe or after a crash."""
METADATA = (b"ID3", b"TAG", b"\x00\x00\x00\x00")
"""First bytes of tags and padding that may follow the audio."""


class Header(NamedTuple):
    """Announcements of a file's header."""

    seconds: float | None = None
    """Duration, in seconds; None if it is not stated, or the decoder reads it better."""
    states_length: bool = True
    """Whether the duration is stated, not estimated from the size of the file."""
    is_short: bool = False
    """Whether audio follows after the announced length; it is read by ignoring the length."""
    unread_bytes: int = 0
    """Number of bytes after the audio that are neither chunks nor tags, and are not read."""


def find_container(file: BinaryIO) -> str | None:
    """FFmpeg's name of the container of an open file; None if it is not supported.

    Example
    -------
    >>> import io
    >>> find_container(io.BytesIO(b"fLaC" + bytes(40))), find_container(io.BytesIO(b"text"))
    ('flac', None)
    """
    file.seek(_offset_after_tags(file))
    head = file.read(SEARCHED)
    for offset, magic, name in SIGNATURES:
        matches = head[offset : offset + len(magic)] == magic
        if matches and (name not in FIRST_BYTES or head[:4] in FIRST_BYTES[name]):
            return name
    if head[:4] == b"RIFX":
        raise ValueError("a big-endian WAV")
    if len(head) > 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    return "mp3" if _first_frame(head) is not None else None


def describe_header(file: BinaryIO, container: str | None) -> Header:
    """Read the header of an open file.

    Arguments
    ---------
    file : file object
        Open binary file.
    container : str or None
        FFmpeg's name of the container.

    Returns
    -------
    Header
    """
    if container == "wav":
        return _describe_riff(file)
    if container == "w64":
        return _describe_w64(file)
    if container in ("aiff", "caf"):
        return Header(unread_bytes=_unread_bytes(file, container))
    if container == "mp3":
        file.seek(_offset_after_tags(file))
        head = file.read(SEARCHED)
        start = _first_frame(head) or 0
        frame = head[start : start + 200]
        return Header(states_length=any(name in frame for name in (b"Xing", b"Info", b"VBRI")))
    return Header(states_length=container != "aac")


def _offset_after_tags(file: BinaryIO) -> int:
    """Offset of the first byte after ID3 tags."""
    offset = 0
    while True:
        file.seek(offset)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 127:
            return offset
        offset += 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0)))


def _first_frame(head: bytes) -> int | None:
    """Offset of the first of two consecutive MPEG frames; None if there is none."""
    offset = head.find(b"\xff")
    while 0 <= offset < len(head) - 4:
        length = _frame_length(head[offset : offset + 4])
        if length:
            following = head[offset + length : offset + length + 4]
            if len(following) < 4 or _frame_length(following):
                return offset
        offset = head.find(b"\xff", offset + 1)
    return None


def _frame_length(head: bytes) -> int:
    """Bytes of the MPEG audio frame that begins with these four bytes, or 0."""
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version = {0: 2.5, 2: 2, 3: 1}.get(head[1] >> 3 & 3)
    layer = {1: 3, 2: 2, 3: 1}.get(head[1] >> 1 & 3)
    kbit, rate = head[2] >> 4, head[2] >> 2 & 3
    if version is None or layer is None or kbit in (0, 15) or rate == 3:
        return 0
    bits = MPEG_KBITS[min(2, int(version)), layer if version == 1 else min(layer, 2)][kbit - 1]
    hertz, padding = MPEG_RATES[version][rate], head[2] >> 1 & 1
    if layer == 1:
        return (12 * bits * 1000 // hertz + padding) * 4
    samples = 72 if layer == 3 and version != 1 else 144
    return samples * bits * 1000 // hertz + padding


def _describe_riff(file: BinaryIO) -> Header:
    size = file.seek(0, 2)
    offset, per_second, long_length = 12, 0, None
    while offset + 8 <= size:
        file.seek(offset)
        name, length = struct.unpack("<4sI", file.read(8))
        chunk = file.read(min(length, 40))
        if name == b"ds64" and len(chunk) >= 16:
            (long_length,) = struct.unpack("<Q", chunk[8:16])
        elif name == b"fmt " and len(chunk) >= 12:
            (per_second,) = struct.unpack("<I", chunk[8:12])
        elif name == b"data":
            if length == UNKNOWN[1] and long_length is not None:
                length = long_length
            return _describe_data(file, offset + 8, length, size, per_second)
        offset += 8 + length + length % 2
    return Header()


def _describe_data(file: BinaryIO, begin: int, length: int, size: int, per_second: int) -> Header:
    """Header of a RIFF file from its data chunk and the bytes after it."""
    end = begin + length
    stated = length not in UNKNOWN and per_second > 0
    seconds = length / per_second if stated else None
    if length in UNKNOWN[1:] or end >= size or not per_second:
        return Header(seconds, stated)
    is_short = size - end > per_second / 10 and not _is_metadata(file, end + end % 2, size)
    if not length:
        return Header(None if is_short else 0.0, not is_short, is_short)
    return Header(seconds, True, is_short)


def _is_metadata(file: BinaryIO, offset: int, size: int) -> bool:
    """Whether chunks, tags or padding follow the audio up to the end of the file."""
    while offset + 8 <= size:
        file.seek(offset)
        head = file.read(8)
        if head.startswith(METADATA):
            return True
        name, length = struct.unpack("<4sI", head)
        if not all(32 <= byte < 127 for byte in name) or offset + 8 + length > size + 1:
            return False
        if name in (b"data", b"RIFF"):
            raise ValueError("it holds several sounds one after the other, as joined by cat")
        offset += 8 + length + length % 2
    return True


def _unread_bytes(file: BinaryIO, container: str) -> int:
    """Bytes of an AIFF or CAF file after its audio that are neither chunks nor tags."""
    size, offset = file.seek(0, 2), 12 if container == "aiff" else 8
    form, audio = (">4sI", b"SSND") if container == "aiff" else (">4sq", b"data")
    after_audio = False
    while offset + struct.calcsize(form) <= size:
        file.seek(offset)
        head = file.read(struct.calcsize(form))
        name, length = struct.unpack(form, head)
        if after_audio and not all(32 <= byte < 127 for byte in name):
            return 0 if head.startswith(METADATA) else size - offset
        after_audio |= name == audio
        if length < 0:  # to the end of the file
            return 0
        offset += len(head) + length + (length % 2 if container == "aiff" else 0)
    return 0


def _describe_w64(file: BinaryIO) -> Header:
    size = file.seek(0, 2)
    offset, per_second = 40, 0
    while offset + 24 <= size:
        file.seek(offset)
        name, length = struct.unpack("<16sQ", file.read(24))
        if name == W64_FORMAT:
            per_second = struct.unpack("<I", file.read(12)[8:])[0]
        if name == W64_DATA:
            stated = per_second > 0 and length - 24 not in UNKNOWN and length > 24
            return Header((length - 24) / per_second if stated else None, stated)
        offset += max(24, length + -length % 8)
    return Header()
