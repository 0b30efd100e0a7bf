"""Reading of audio files in all formats: equal samples in all of them."""

import gzip
import io
import json
import tempfile

import numpy as np
import pytest
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.__main__ import main
from speechbrain_lmac.audio.containers import find_container
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.data.synthetic import SAMPLE_RATE
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.sound_formats import (
    ALL_RATES,
    FORMATS,
    MONO_OR_STEREO,
    RATES,
    encode_audio,
    siren,
)

DELAY_SECONDS = {"mp3-no-header": 0.16, "aac": 0.1, "m4a": 0.1}
"""Largest delay of formats whose header does not state the delay of the encoder."""


def presence(interpreter, wav):
    """Return the presence of a siren in a waveform ``[time]``."""
    clap = interpreter.model.classifier.audio_classifier
    embedding = clap(wav.unsqueeze(0)).vector
    return clap.presence(embedding, clap.queries(["siren"])).item()


@pytest.mark.parametrize("name", FORMATS)
def test_reader_formats_give_equal_samples(interpreter, name):
    """Files of all rates and channels equal the array, at once and in blocks."""
    for rate in RATES.get(name, ALL_RATES):
        for channels in (1, 2) if name in MONO_OR_STEREO else (1, 2, 6):
            samples = siren(rate, channels)
            sound = AudioSource(io.BytesIO(encode_audio(name, samples, rate)))
            expected = AudioSource(samples, rate).read(SAMPLE_RATE)
            full, blocks = sound.read(SAMPLE_RATE), torch.cat(list(sound.blocks(SAMPLE_RATE)))
            assert torch.equal(full, blocks)
            delay = DELAY_SECONDS.get(name, 0.05)
            assert abs(len(full) - len(expected)) <= delay * SAMPLE_RATE
            assert sound.seconds == pytest.approx(len(full) / SAMPLE_RATE, abs=1e-3)
            values = [presence(interpreter, wav) for wav in (full, expected)]
            assert values[0] == pytest.approx(values[1], abs=0.01), (rate, channels)


def test_reader_accepts_file_objects(tmp_path):
    """Compressed and temporary files are read; closed files and invalid names are refused."""
    data = encode_audio("wav16", siren(16000), 16000)
    expected = load_audio(io.BytesIO(data), 16000)
    (tmp_path / "a.wav.gz").write_bytes(gzip.compress(data))
    with gzip.open(tmp_path / "a.wav.gz") as file:
        assert torch.equal(load_audio(file, 16000), expected)
    with tempfile.SpooledTemporaryFile() as file:
        file.write(data)
        assert torch.equal(load_audio(file, 16000), expected)
    with open(tmp_path / "a.wav.gz", "rb") as file:
        pass
    for source in (file, "a\0.wav", torch.ones(3, 2).to_sparse()):
        with pytest.raises(InputError):
            AudioSource(source, 16000 if isinstance(source, torch.Tensor) else None)


def test_reader_excerpt_equals_slice(tmp_path):
    """Start and stop give the samples of a slice, in containers with and without exact seeking."""
    for name in ("wav24", "w64", "aiff", "au", "caf", "flac", "ogg", "mp3-vbr"):
        path = tmp_path / name
        path.write_bytes(encode_audio(name, siren(44100, channels=2, seconds=3.0), 44100))
        full = load_audio(path, 44100)
        for start, stop in ((1, 400), (100_001, 120_000), (70_000, 0)):
            part = load_audio(path, 44100, start, stop)
            torch.testing.assert_close(part, full[start : stop or None], msg=f"{name} {start}")


def test_reader_finds_stream_within_frame():
    """A recorded stream may start within a frame. Text and pictures are not detected as MPEG."""
    data = encode_audio("mp3-no-header", siren(44100), 44100)
    assert find_container(io.BytesIO(data[777:])) == "mp3"
    assert len(load_audio(io.BytesIO(data[777:]), 44100)) > 0.8 * 44100
    noise = np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8).tobytes()
    for other in (b"plain text " * 500, b"\xff\xd8\xff\xe0" + noise, b"\xff\xfe" * 999, b"\x89PNG"):
        assert find_container(io.BytesIO(other)) is None


def test_interfaces_agree_on_formats(tmp_path, capsys):
    """classify, explain and Python give equal results for a folder of all formats."""
    loaded = Interpreter.from_hparams(source="mini-mel")
    folder, expected = tmp_path / "sounds", {}
    folder.mkdir()
    for name in FORMATS:
        rate = RATES.get(name, ALL_RATES)[1]
        path = folder / f"{name}.sound"
        path.write_bytes(encode_audio(name, siren(rate, channels=2), rate))
        expected[str(path)] = loaded.interpret_file(str(path), ["siren"]).presence.item()
    (folder / "notes.txt").write_text("no sound")
    source = ["--source", "mini-mel", "--json"]
    assert main(["classify", str(folder), "--top", "50", *source]) == 0
    output = capsys.readouterr()
    rows = [json.loads(line) for line in output.out.splitlines()]
    assert {row["file"] for row in rows} == set(expected)
    assert all(row["labels"][0]["label"] == "siren" for row in rows)
    assert "skipped 1 file that is not a sound" in output.err
    out = str(tmp_path / "why")
    assert main(["explain", str(folder), "--prompt", "siren", "--output", out, *source]) == 0
    for line in capsys.readouterr().out.splitlines():
        row = json.loads(line)
        (prompt,) = row["prompts"]
        assert prompt["presence"] == pytest.approx(expected[row["file"]], abs=1e-5)
        assert row["seconds"] == pytest.approx(1, abs=0.1)
    assert min(expected.values()) > max(expected.values()) - 0.05
