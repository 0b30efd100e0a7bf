"""Containers of sound: which one a file's first bytes name, and what its header announces."""

import struct
from typing import NamedTuple

EXTENSIONS = (
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".au", ".snd", ".aif", ".aiff", ".aifc", ".caf"),
    *(".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mpga", ".m4a", ".m4b", ".aac", ".mka"),
    *(".weba", ".voc"),
)
"""Extensions of sound files that are looked for in folders."""
CODECS = (
    *("pcm_u8", "pcm_s8", "pcm_alaw", "pcm_mulaw", "pcm_f32le", "pcm_f32be", "pcm_f64le"),
    *("pcm_f64be", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
    *("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "gsm_ms", "flac", "vorbis", "opus", "libopus"),
    *("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "aac", "alac"),
)
"""FFmpeg's decoders that may run."""
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
"""Place of magic bytes, the bytes, and FFmpeg's name of the container."""
CHUNKED = {"wav": (b"RIFF", b"RF64", b"BW64"), "aiff": (b"FORM",)}
"""First bytes of containers whose name stands behind them."""
SEARCHED = 1 << 16
"""Bytes in which the first frame of an MPEG stream is looked for."""
MPEG_RATES = {1: (44100, 48000, 32000), 2: (22050, 24000, 16000), 2.5: (11025, 12000, 8000)}
MPEG_KBITS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by (version, layer); layers 2 and 3 of versions 2 and 2.5 are alike."""
UNKNOWN = (0, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
"""Sizes that a writer leaves who does not know, as of a pipe or after a crash."""
METADATA = (b"ID3", b"TAG", b"\x00\x00\x00\x00")
"""First bytes of what may follow the sound and is none: tags, padding."""


class Header(NamedTuple):
    """What the header of a file announces."""

    seconds: float | None = None
    """Duration, in seconds; None if it is not stated, or the decoder knows better."""
    states_length: bool = True
    """Whether the duration is stated, not estimated from the size of the file."""
    short: bool = False
    """Whether sound follows behind what is announced, and is read by ignoring the length."""
    unread: int = 0
    """Bytes behind the sound that are neither chunks nor tags, and are not read."""


def find_container(file):
    """FFmpeg's name of the container of an open binary file, or None.

    Example
    -------
    >>> import io
    >>> find_container(io.BytesIO(b"fLaC" + bytes(40))), find_container(io.BytesIO(b"text"))
    ('flac', None)
    """
    file.seek(_after_tags(file))
    head = file.read(SEARCHED)
    for place, magic, name in SIGNATURES:
        found = head[place : place + len(magic)] == magic
        if found and (name not in CHUNKED or head[:4] in CHUNKED[name]):
            return name
    if head[:4] == b"RIFX":
        raise ValueError("a big-endian WAV")
    if len(head) > 7 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    return "mp3" if _first_frame(head) is not None else None


def describe_header(file, container):
    """What the header of an open file announces: :class:`Header`."""
    if container == "wav":
        return _describe_riff(file)
    if container == "w64":
        return _describe_w64(file)
    if container in ("aiff", "caf"):
        return Header(unread=_unread(file, container))
    if container == "mp3":
        file.seek(_after_tags(file))
        head = file.read(SEARCHED)
        start = _first_frame(head) or 0
        frame = head[start : start + 200]
        return Header(states_length=any(name in frame for name in (b"Xing", b"Info", b"VBRI")))
    return Header(states_length=container != "aac")


def _after_tags(file):
    """Place of the first byte behind ID3 tags."""
    place = 0
    while True:
        file.seek(place)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 127:
            return place
        place += 10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0)))


def _first_frame(head):
    """Place of the first of two MPEG frames in a row, or None."""
    place = head.find(b"\xff")
    while 0 <= place < len(head) - 4:
        length = _frame_length(head[place : place + 4])
        if length:
            behind = head[place + length : place + length + 4]
            if len(behind) < 4 or _frame_length(behind):
                return place
        place = head.find(b"\xff", place + 1)
    return None


def _frame_length(head):
    """Bytes of the MPEG audio frame that begins with these four, or 0."""
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


def _describe_riff(file):
    size = file.seek(0, 2)
    place, per_second, large = 12, 0, None
    while place + 8 <= size:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(8))
        held = file.read(min(length, 40))
        if name == b"ds64" and len(held) >= 16:
            (large,) = struct.unpack("<Q", held[8:16])
        elif name == b"fmt " and len(held) >= 12:
            (per_second,) = struct.unpack("<I", held[8:12])
        elif name == b"data":
            length = large if length == UNKNOWN[1] and large is not None else length
            return _of_data(file, place + 8, length, size, per_second)
        place += 8 + length + length % 2
    return Header()


def _of_data(file, begin, length, size, per_second):
    """Header of a RIFF file by its data chunk and what follows."""
    end = begin + length
    stated = length not in UNKNOWN and per_second > 0
    seconds = length / per_second if stated else None
    if length in UNKNOWN[1:] or end >= size or not per_second:
        return Header(seconds, stated)
    short = size - end > per_second / 10 and not _is_metadata(file, end + end % 2, size)
    if not length:
        return Header(None if short else 0.0, not short, short)
    return Header(seconds, True, short)


def _is_metadata(file, place, size):
    """Whether chunks, tags or padding lie behind the sound, up to the end of the file."""
    while place + 8 <= size:
        file.seek(place)
        head = file.read(8)
        if head.startswith(METADATA):
            return True
        name, length = struct.unpack("<4sI", head)
        if not all(32 <= byte < 127 for byte in name) or place + 8 + length > size + 1:
            return False
        if name in (b"data", b"RIFF"):
            raise ValueError("it holds several sounds one after the other, as joined by cat")
        place += 8 + length + length % 2
    return True


def _unread(file, container):
    """Bytes of an AIFF or CAF file that lie behind its sound and are neither chunks nor tags."""
    size, place = file.seek(0, 2), 12 if container == "aiff" else 8
    form, sound = (">4sI", b"SSND") if container == "aiff" else (">4sq", b"data")
    passed = False
    while place + struct.calcsize(form) <= size:
        file.seek(place)
        head = file.read(struct.calcsize(form))
        name, length = struct.unpack(form, head)
        if passed and not all(32 <= byte < 127 for byte in name):
            return 0 if head.startswith(METADATA) else size - place
        passed |= name == sound
        if length < 0:  # to the end of the file
            return 0
        place += len(head) + length + (length % 2 if container == "aiff" else 0)
    return 0


def _describe_w64(file):
    size = file.seek(0, 2)
    place, per_second = 40, 0
    while place + 24 <= size:
        file.seek(place)
        name, length = struct.unpack("<16sQ", file.read(24))
        if name == W64_FORMAT:
            per_second = struct.unpack("<I", file.read(12)[8:])[0]
        if name == W64_DATA:
            stated = per_second > 0 and length - 24 not in UNKNOWN and length > 24
            return Header((length - 24) / per_second if stated else None, stated)
        place += max(24, length + -length % 8)
    return Header()
