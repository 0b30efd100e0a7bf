"""Truncated, damaged, joined and mislabeled audio files: read with a warning, or refused."""

import io
import struct
import warnings

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_lmac.audio.checks import MAX_PEAK
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.sound_formats import (
    FORMATS,
    SNDFILE,
    encode_audio,
    siren,
)


@pytest.mark.parametrize("name", FORMATS)
def test_reader_reads_truncated_files(name, tmp_path):
    """A truncated file gives the beginning with a warning, or an error of one line."""
    samples = siren(48000, seconds=2.0)
    path = tmp_path / "cut.sound"
    data = encode_audio(name, samples, 48000)
    path.write_bytes(data)
    full = load_audio(path, 48000)
    path.write_bytes(data[: len(data) * 3 // 5])
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            cut = load_audio(path, 48000)
        except InputError as error:
            assert "cannot read" in str(error) and len(str(error).splitlines()) == 1
            return
    assert 0.3 * len(full) < len(cut) < 0.8 * len(full)
    torch.testing.assert_close(cut[:30000], full[:30000], atol=1e-3, rtol=0)
    without_length = ("ogg", "opus", "opus-ffmpeg", "mp3-no-header", "aac", "mp2", "au")
    assert warned or name in without_length


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "m4a"])
def test_reader_refuses_empty_files(name, tmp_path):
    """Files without bytes, with a part of a header or without samples."""
    path = tmp_path / "empty.sound"
    data = encode_audio(name, siren(48000), 48000)
    for size in (0, 3, 12, 24):
        path.write_bytes(data[:size])
        with pytest.raises(InputError) as refused:
            load_audio(path, 48000)
        assert len(str(refused.value).splitlines()) == 1
    if name in SNDFILE and not name.startswith("mp3"):
        kind, subtype = SNDFILE[name]
        soundfile.write(path, np.zeros((0, 1)), 48000, subtype, format=kind)
        with pytest.raises(InputError):
            load_audio(path, 48000)


def with_size(name, data, factor):
    """Return a file whose header states ``factor`` times its size; None: an unknown size."""
    changed = bytearray(data)
    if name == "flac":
        place, kind = 18, ">Q"
        (value,) = struct.unpack_from(kind, data, place)
        total = 0 if factor is None else round((value & (1 << 36) - 1) * factor)
        struct.pack_into(kind, changed, place, value >> 36 << 36 | total)
        return bytes(changed)
    place, kind, unknown = {
        "wav16": (data.find(b"data") + 4, "<I", 0xFFFFFFFF),
        "au": (8, ">I", 0xFFFFFFFF),
        "caf": (data.find(b"data") + 4, ">q", -1),
        "aiff": (data.find(b"COMM") + 10, ">I", 0),
    }[name]
    (value,) = struct.unpack_from(kind, data, place)
    struct.pack_into(kind, changed, place, unknown if factor is None else round(value * factor))
    return bytes(changed)


@pytest.mark.parametrize("factor", [None, 0, 0.5, 2])
@pytest.mark.parametrize("name", ["wav16", "flac", "au", "aiff"])
def test_reader_ignores_wrong_lengths(name, factor, tmp_path):
    """All samples are read. A length that is stated but wrong is a warning."""
    data = encode_audio(name, siren(32000, seconds=2.0), 32000)
    path = tmp_path / "wrong.sound"
    path.write_bytes(data)
    full = load_audio(path, 32000)
    path.write_bytes(with_size(name, data, factor))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        read = load_audio(path, 32000)
    assert torch.equal(read, full)
    assert AudioSource(path).seconds == pytest.approx(2.0)
    assert bool(warned) == (factor in (0.5, 2))


def test_reader_ignores_trailing_chunks(tmp_path):
    """Tags and padding after a valid data chunk are not read and give no warning."""
    data = encode_audio("wav16", siren(32000), 32000)
    full = load_audio(io.BytesIO(data), 32000)
    chunk = b"LIST" + struct.pack("<I", 20000) + bytes(20000)
    for tail in (chunk, bytes(30000), b"TAG" + bytes(20000), b"ID3" + bytes(20000)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert torch.equal(load_audio(io.BytesIO(data + tail), 32000), full)


def test_reader_refuses_joined_files():
    """Files joined by ``cat`` are refused, because only a part would be read."""
    one, other = (encode_audio("wav16", siren(rate), rate) for rate in (32000, 16000))
    chunk = one[one.find(b"data") :]
    vorbis = [encode_audio("ogg", siren(rate), rate) for rate in (32000, 8000)]
    for joined in (one + one, one + other, one + chunk, b"".join(vorbis)):
        with pytest.raises(InputError, match=r"several sounds|Split it there"):
            load_audio(io.BytesIO(joined), 32000)
    full = load_audio(io.BytesIO(vorbis[0] + vorbis[0]), 32000)
    assert len(full) == pytest.approx(2 * 32000, abs=1200)


def test_reader_refuses_big_endian_wav():
    """FFmpeg would read the samples of RIFX as little-endian noise."""
    buffer = io.BytesIO()
    soundfile.write(buffer, siren(32000), 32000, "PCM_16", endian="BIG", format="WAV")
    assert buffer.getvalue()[:4] == b"RIFX"
    with pytest.raises(InputError, match="big-endian"):
        load_audio(buffer, 32000)


def test_reader_refuses_playlists_and_codecs(tmp_path):
    """FFmpeg follows no playlist with a sound file's ending, and uses only listed decoders."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encode_audio("wav16", siren(16000), 16000))
    playlist = tmp_path / "list.wav"
    for text in ("#EXTM3U\n#EXTINF:1,\nsecret.wav\n", "ffconcat version 1.0\nfile secret.wav\n"):
        playlist.write_text(text)
        with pytest.raises(InputError, match="no known sound format"):
            AudioSource(playlist)
    data = bytearray(secret.read_bytes())
    data[20:22] = struct.pack("<H", 0x0161)  # Windows Media Audio
    secret.write_bytes(data)
    with pytest.raises(InputError, match="secret"):
        load_audio(secret, 16000)


@pytest.mark.parametrize("rate", [1, 999, 4_000_000])
def test_reader_refuses_absurd_rates(rate, tmp_path):
    """A short file that states 1 Hz would fill the memory at 32 kHz."""
    data = bytearray(encode_audio("wav16", siren(16000), 16000))
    data[24:28], data[28:32] = struct.pack("<I", rate), struct.pack("<I", 2 * rate)
    for source, own in ((io.BytesIO(data), None), (np.zeros(9, np.float32), rate)):
        with pytest.raises(InputError, match="must be 1000 to 3072000 Hz"):
            AudioSource(source, own)


SCALES = [2**15, 2**31, 1e19, 1e30]


@pytest.mark.parametrize("scale", SCALES)
def test_reader_refuses_wrong_scales(scale, tmp_path, interpreter):
    """Integers in floats and single extreme samples, in files, blocks, arrays and batches."""
    samples = siren(32000)[:, 0]
    outlier = samples.copy()
    outlier[100] = scale
    for wav in (samples * np.float32(scale), outlier):
        path = tmp_path / "a.wav"
        soundfile.write(path, wav, 32000, "FLOAT")
        batch = torch.from_numpy(wav)[None]
        for read in (
            lambda path=path: AudioSource(path).read(32000),
            lambda path=path: list(AudioSource(path).blocks(32000)),
            lambda wav=wav: AudioSource(wav, 32000),
            lambda batch=batch: interpreter.interpret_batch(batch, ["siren"]),
            lambda batch=batch: interpreter.interpret(batch[0], ["siren"]),
        ):
            with pytest.raises(InputError, match="must be at most 32"):
                read()


def test_reader_accepts_loud_mixes(tmp_path):
    """Floats above full scale are accepted. Whole numbers above it are refused as integers."""
    loud = siren(32000) * (0.9 * MAX_PEAK / 0.5)
    soundfile.write(tmp_path / "loud.wav", loud, 32000, "FLOAT")
    torch.testing.assert_close(load_audio(tmp_path / "loud.wav", 32000), torch.tensor(loud[:, 0]))
    quiet = np.concatenate([np.array([0, 3, -2, 1] * 99), [0.5]]).astype(np.float32)
    with pytest.raises(InputError, match="full scale is 1"):
        AudioSource(quiet, 32000)


def test_reader_silences_damaged_parts(tmp_path):
    """A damaged FLAC frame is silent, and the following samples keep their positions."""
    data = bytearray(encode_audio("flac", siren(32000, seconds=4.0), 32000))
    path = tmp_path / "a.flac"
    path.write_bytes(data)
    full = load_audio(path, 32000)
    middle = len(data) // 2
    data[middle : middle + 8] = bytes(8)
    path.write_bytes(data)
    with pytest.warns(UserWarning, match="damaged"):
        read = load_audio(path, 32000)
    assert len(read) == len(full)
    same = (read == full).float()
    assert same.mean() > 0.8 and torch.equal(read[-20000:], full[-20000:])
