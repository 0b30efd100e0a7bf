"""Every format, whole, cut and empty, with headers that lie: one answer, or one sentence."""

import gzip
import io
import json
import struct
import tempfile
import warnings

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.__main__ import main
from speechbrain_lmac.audio.checks import MAX_PEAK
from speechbrain_lmac.audio.containers import find_container
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.sound_formats import (
    ALL_RATES,
    FFMPEG,
    MONO_OR_STEREO,
    RATES,
    SNDFILE,
    encode_audio,
)

FORMATS = (*SNDFILE, *FFMPEG)
DELAY_SECONDS = {"mp3-no-header": 0.16, "aac": 0.1, "m4a": 0.1}
"""Silence that an encoder lays before a sound, where no header says how much."""


@pytest.fixture(scope="module")
def interpreter():
    return Interpreter.from_hparams(source="mini-stft")


def siren(rate, channels=1, seconds=1.0):
    """A synthetic siren ``[time, channels]`` at any rate."""
    wav = AudioSource(synthesize("siren", seed=3, seconds=seconds), SAMPLE_RATE).read(rate)
    return 0.5 * wav.unsqueeze(1).expand(-1, channels).numpy()


def presence(interpreter, wav):
    """Presence of a siren in ``[time]``."""
    clap = interpreter.model.classifier.audio_classifier
    embedding = clap(wav.unsqueeze(0)).vector
    return interpreter.presence_classifier.probability(embedding, clap.queries(["siren"])).item()


@pytest.mark.parametrize("name", FORMATS)
def test_reader_formats_give_equal_samples(interpreter, name):
    """At any rate and number of channels, from a file, in blocks and as an array."""
    for rate in RATES.get(name, ALL_RATES):
        for channels in (1, 2) if name in MONO_OR_STEREO else (1, 2, 6):
            samples = siren(rate, channels)
            sound = AudioSource(io.BytesIO(encode_audio(name, samples, rate)))
            expected = AudioSource(samples, rate).read(SAMPLE_RATE)
            whole, blocks = sound.read(SAMPLE_RATE), torch.cat(list(sound.blocks(SAMPLE_RATE)))
            assert torch.equal(whole, blocks)
            delay = DELAY_SECONDS.get(name, 0.05)
            assert abs(len(whole) - len(expected)) <= delay * SAMPLE_RATE
            assert sound.seconds == pytest.approx(len(whole) / SAMPLE_RATE, abs=1e-3)
            told, right = presence(interpreter, whole), presence(interpreter, expected)
            assert told == pytest.approx(right, abs=0.01), (rate, channels)


@pytest.mark.parametrize("name", FORMATS)
def test_reader_reads_truncated_files(name, tmp_path):
    """What is there is the beginning of the whole, or one sentence says why it is not read."""
    samples = siren(48000, seconds=2.0)
    path = tmp_path / "cut.sound"
    held = encode_audio(name, samples, 48000)
    path.write_bytes(held)
    whole = load_audio(path, 48000)
    path.write_bytes(held[: len(held) * 3 // 5])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            cut = load_audio(path, 48000)
        except InputError as error:
            assert "cannot read" in str(error) and len(str(error).splitlines()) == 1
            return
    assert 0.3 * len(whole) < len(cut) < 0.8 * len(whole)
    torch.testing.assert_close(cut[:30000], whole[:30000], atol=1e-3, rtol=0)
    unstated = ("ogg", "opus", "opus-ffmpeg", "mp3-no-header", "aac", "mp2", "au")
    assert said or name in unstated


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "m4a"])
def test_reader_refuses_empty_files(name, tmp_path):
    """No samples, no bytes, nothing but a header."""
    path = tmp_path / "empty.sound"
    held = encode_audio(name, siren(48000), 48000)
    for size in (0, 3, 12, 24):
        path.write_bytes(held[:size])
        with pytest.raises(InputError) as refused:
            load_audio(path, 48000)
        assert len(str(refused.value).splitlines()) == 1
    if name in SNDFILE and not name.startswith("mp3"):
        kind, subtype = SNDFILE[name]
        soundfile.write(path, np.zeros((0, 1)), 48000, subtype, format=kind)
        with pytest.raises(InputError):
            load_audio(path, 48000)


def with_size(name, held, announced):
    """A file whose header announces so many times what it holds; None: the size is unknown."""
    data = bytearray(held)
    if name == "flac":
        place, form = 18, ">Q"
        (value,) = struct.unpack_from(form, data, place)
        total = 0 if announced is None else round((value & (1 << 36) - 1) * announced)
        struct.pack_into(form, data, place, value >> 36 << 36 | total)
        return bytes(data)
    place, form, unknown = {
        "wav16": (held.find(b"data") + 4, "<I", 0xFFFFFFFF),
        "au": (8, ">I", 0xFFFFFFFF),
        "caf": (held.find(b"data") + 4, ">q", -1),
        "aiff": (held.find(b"COMM") + 10, ">I", 0),
    }[name]
    (value,) = struct.unpack_from(form, data, place)
    struct.pack_into(form, data, place, unknown if announced is None else round(value * announced))
    return bytes(data)


@pytest.mark.parametrize("announced", [None, 0, 0.5, 2])
@pytest.mark.parametrize("name", ["wav16", "flac", "au", "aiff"])
def test_reader_ignores_wrong_lengths(name, announced, tmp_path):
    """A recorder that crashed, a pipe, a damaged header: all that can be decoded is read."""
    held = encode_audio(name, siren(32000, seconds=2.0), 32000)
    path = tmp_path / "lies.sound"
    path.write_bytes(held)
    whole = load_audio(path, 32000)
    path.write_bytes(with_size(name, held, announced))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        read = load_audio(path, 32000)
    assert torch.equal(read, whole)
    assert AudioSource(path).seconds == pytest.approx(2.0)
    assert bool(said) == (announced in (0.5, 2))


def test_reader_ignores_trailing_chunks(tmp_path):
    """Tags and padding that follow an honest data chunk stay unread, without a warning."""
    held = encode_audio("wav16", siren(32000), 32000)
    whole = load_audio(io.BytesIO(held), 32000)
    chunk = b"LIST" + struct.pack("<I", 20000) + bytes(20000)
    for tail in (chunk, bytes(30000), b"TAG" + bytes(20000), b"ID3" + bytes(20000)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert torch.equal(load_audio(io.BytesIO(held + tail), 32000), whole)


def test_reader_refuses_joined_files():
    """Joined by cat, or of two formats: half of it would be dropped without a word."""
    one, other = (encode_audio("wav16", siren(rate), rate) for rate in (32000, 16000))
    again = one[one.find(b"data") :]
    vorbis = [encode_audio("ogg", siren(rate), rate) for rate in (32000, 8000)]
    for joined in (one + one, one + other, one + again, b"".join(vorbis)):
        with pytest.raises(InputError, match=r"several sounds|Split it there"):
            load_audio(io.BytesIO(joined), 32000)
    whole = load_audio(io.BytesIO(vorbis[0] + vorbis[0]), 32000)
    assert len(whole) == pytest.approx(2 * 32000, abs=1200)


def test_reader_refuses_big_endian_wav():
    """FFmpeg reads its samples as little-endian: noise."""
    buffer = io.BytesIO()
    soundfile.write(buffer, siren(32000), 32000, "PCM_16", endian="BIG", format="WAV")
    assert buffer.getvalue()[:4] == b"RIFX"
    with pytest.raises(InputError, match="big-endian"):
        load_audio(buffer, 32000)


def test_reader_accepts_file_objects(tmp_path):
    """Compressed, closed, spooled; a name that no file can have."""
    held = encode_audio("wav16", siren(16000), 16000)
    expected = load_audio(io.BytesIO(held), 16000)
    (tmp_path / "a.wav.gz").write_bytes(gzip.compress(held))
    with gzip.open(tmp_path / "a.wav.gz") as file:
        assert torch.equal(load_audio(file, 16000), expected)
    with tempfile.SpooledTemporaryFile() as file:
        file.write(held)
        assert torch.equal(load_audio(file, 16000), expected)
    with open(tmp_path / "a.wav.gz", "rb") as file:
        pass
    for source in (file, "a\0.wav", torch.ones(3, 2).to_sparse()):
        with pytest.raises(InputError):
            AudioSource(source, 16000 if isinstance(source, torch.Tensor) else None)


def test_reader_excerpt_equals_slice(tmp_path):
    """Seeking in exact containers and decoding up to the place in others give the same samples."""
    for name in ("wav24", "w64", "aiff", "au", "caf", "flac", "ogg", "mp3-vbr"):
        path = tmp_path / name
        path.write_bytes(encode_audio(name, siren(44100, channels=2, seconds=3.0), 44100))
        whole = load_audio(path, 44100)
        for start, stop in ((1, 400), (100_001, 120_000), (70_000, 0)):
            part = load_audio(path, 44100, start, stop)
            torch.testing.assert_close(part, whole[start : stop or None], msg=f"{name} {start}")


def test_reader_finds_stream_within_frame():
    """A radio stream is recorded from anywhere; text and pictures are no MPEG."""
    held = encode_audio("mp3-no-header", siren(44100), 44100)
    assert find_container(io.BytesIO(held[777:])) == "mp3"
    assert len(load_audio(io.BytesIO(held[777:]), 44100)) > 0.8 * 44100
    noise = np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8).tobytes()
    for other in (b"plain text " * 500, b"\xff\xd8\xff\xe0" + noise, b"\xff\xfe" * 999, b"\x89PNG"):
        assert find_container(io.BytesIO(other)) is None


def test_reader_refuses_playlists_and_codecs(tmp_path):
    """FFmpeg follows no playlist, whatever it is called, and runs no decoder but those listed."""
    secret = tmp_path / "secret.wav"
    secret.write_bytes(encode_audio("wav16", siren(16000), 16000))
    playlist = tmp_path / "list.wav"
    for text in ("#EXTM3U\n#EXTINF:1,\nsecret.wav\n", "ffconcat version 1.0\nfile secret.wav\n"):
        playlist.write_text(text)
        with pytest.raises(InputError, match="no known sound format"):
            AudioSource(playlist)
    held = bytearray(secret.read_bytes())
    held[20:22] = struct.pack("<H", 0x0161)  # Windows Media Audio
    secret.write_bytes(held)
    with pytest.raises(InputError, match="secret"):
        load_audio(secret, 16000)


@pytest.mark.parametrize("rate", [1, 999, 4_000_000])
def test_reader_refuses_absurd_rates(rate, tmp_path):
    """A file of a few bytes that claims 1 Hz would fill the memory at 32 kHz."""
    held = bytearray(encode_audio("wav16", siren(16000), 16000))
    held[24:28], held[28:32] = struct.pack("<I", rate), struct.pack("<I", 2 * rate)
    for source, own in ((io.BytesIO(held), None), (np.zeros(9, np.float32), rate)):
        with pytest.raises(InputError, match="must be 1000 to 3072000 Hz"):
            AudioSource(source, own)


SCALES = [2**15, 2**31, 1e19, 1e30]


@pytest.mark.parametrize("scale", SCALES)
def test_reader_refuses_wrong_scales(scale, tmp_path, interpreter):
    """Integers in floats, and single wild samples, from a file, blocks, arrays and batches."""
    samples = siren(32000)[:, 0]
    wild = samples.copy()
    wild[100] = scale
    for wav in (samples * np.float32(scale), wild):
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
    """Floats beyond full scale are music; whole numbers beyond it are integers in disguise."""
    loud = siren(32000) * (0.9 * MAX_PEAK / 0.5)
    soundfile.write(tmp_path / "loud.wav", loud, 32000, "FLOAT")
    torch.testing.assert_close(load_audio(tmp_path / "loud.wav", 32000), torch.tensor(loud[:, 0]))
    quiet = np.concatenate([np.array([0, 3, -2, 1] * 99), [0.5]]).astype(np.float32)
    with pytest.raises(InputError, match="full scale is 1"):
        AudioSource(quiet, 32000)


def test_reader_silences_damaged_parts(tmp_path):
    """A FLAC frame that cannot be decoded is silence, and what follows is where it was."""
    held = bytearray(encode_audio("flac", siren(32000, seconds=4.0), 32000))
    path = tmp_path / "a.flac"
    path.write_bytes(held)
    whole = load_audio(path, 32000)
    middle = len(held) // 2
    held[middle : middle + 8] = bytes(8)
    path.write_bytes(held)
    with pytest.warns(UserWarning, match="damaged"):
        read = load_audio(path, 32000)
    assert len(read) == len(whole)
    same = (read == whole).float()
    assert same.mean() > 0.8 and torch.equal(read[-20000:], whole[-20000:])


def test_interfaces_agree_on_formats(tmp_path, capsys):
    """A folder of all formats, found by their first bytes: classify, explain and Python agree."""
    loaded = Interpreter.from_hparams(source="mini-mel")
    folder, told = tmp_path / "sounds", {}
    folder.mkdir()
    for name in FORMATS:
        rate = RATES.get(name, ALL_RATES)[1]
        path = folder / f"{name}.sound"
        path.write_bytes(encode_audio(name, siren(rate, channels=2), rate))
        told[str(path)] = loaded.interpret_file(str(path), ["siren"]).presence.item()
    (folder / "notes.txt").write_text("no sound")
    source = ["--source", "mini-mel", "--json"]
    assert main(["classify", str(folder), "--top", "50", *source]) == 0
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert {row["file"] for row in rows} == set(told)
    assert all(row["labels"][0]["label"] == "siren" for row in rows)
    assert "skipped 1 files that are not sounds" in said.err
    out = str(tmp_path / "why")
    assert main(["explain", str(folder), "--prompt", "siren", "--output", out, *source]) == 0
    for line in capsys.readouterr().out.splitlines():
        row = json.loads(line)
        (prompt,) = row["prompts"]
        assert prompt["presence"] == pytest.approx(told[row["file"]], abs=1e-5)
        assert row["seconds"] == pytest.approx(1, abs=0.1)
    assert min(told.values()) > max(told.values()) - 0.05
