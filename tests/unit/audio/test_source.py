"""Audio from files, open files, streams and arrays."""

import io
import warnings

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_lmac.audio import blocks as audio_blocks
from speechbrain_lmac.audio import readers as audio_readers
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.utils.errors import InputError

RATE = 22050


@pytest.fixture(scope="module")
def stereo():
    """Two channels of noise, ``[time, 2]``, as 16-bit files hold them."""
    noise = torch.randn(30001, 2, generator=torch.Generator().manual_seed(0)).mul(0.1)
    return (noise * 32768).round().clamp(-32768, 32767).to(torch.int16)


@pytest.fixture
def path(stereo, tmp_path):
    soundfile.write(tmp_path / "noise.wav", stereo.numpy(), RATE)
    return tmp_path / "noise.wav"


def test_audio_source_is_equal_for_all_sources(stereo, path):
    """A file, an open file and arrays of every layout give the same waveform."""
    expected = load_audio(path, 32000)
    floats = stereo.float() / 32768
    sources = [
        AudioSource(path),
        AudioSource(str(path)),
        AudioSource(io.BytesIO(path.read_bytes())),
        AudioSource(stereo, RATE),
        AudioSource(stereo.T, RATE),
        AudioSource(stereo.numpy(), np.int64(RATE)),
        AudioSource(stereo.numpy().astype(">i2"), RATE),
        AudioSource(stereo.numpy()[:, ::-1], RATE),
        AudioSource(floats.double().numpy(), RATE),
        AudioSource(floats.mean(dim=1), RATE),
        AudioSource((stereo.int() * 65536).numpy(), RATE),
    ]
    with open(path, "rb") as file:
        sources.append(AudioSource(file))
        for source in sources:
            assert source.seconds == pytest.approx(30001 / RATE)
            torch.testing.assert_close(source.read(32000), expected, atol=1e-6, rtol=0)


def test_audio_source_reads_stream_without_seek(path):
    """A response from the network can be read once only; a text file is refused."""

    class Response(io.BytesIO):
        def seekable(self):
            return False

    source = AudioSource(Response(path.read_bytes()))
    torch.testing.assert_close(source.read(RATE), load_audio(path, RATE))
    with open(__file__) as text, pytest.raises(InputError, match="binary"):
        AudioSource(text)


def test_audio_source_warns_of_cut_file(stereo, tmp_path):
    """The part of a truncated MP3 that exists is read once, and nothing is added."""
    path, cut = tmp_path / "full.mp3", tmp_path / "cut.mp3"
    soundfile.write(path, stereo.repeat(15, 1).numpy(), RATE, format="MP3")
    content = path.read_bytes()
    cut.write_bytes(content[: len(content) * 2 // 5])
    full, source = load_audio(path, RATE), AudioSource(cut)
    with pytest.warns(UserWarning, match=r"announces 20\.4 s and holds .* cut short"):
        wav = source.read(RATE)
    assert 0.2 * len(full) < len(wav) < 0.6 * len(full)
    torch.testing.assert_close(wav[: RATE * 3], full[: RATE * 3])
    with pytest.warns(UserWarning, match="cut short"):
        torch.testing.assert_close(torch.cat(list(source.blocks(RATE))), wav)


def test_audio_source_measures_unstated_length(stereo, tmp_path):
    """A FLAC file that was written to a pipe states no number of samples."""
    path = tmp_path / "streamed.flac"
    soundfile.write(path, stereo.numpy(), RATE)
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the lower 36 bits of eight bytes of STREAMINFO
    data[22:26] = bytes(4)
    path.write_bytes(data)
    assert AudioSource(path).seconds == pytest.approx(30001 / RATE)
    torch.testing.assert_close(AudioSource(path).read(RATE), stereo.float().mean(dim=1) / 32768)


def test_read_segments_equals_slices(path, monkeypatch):
    """Segments from one pass are slices of the whole waveform."""
    monkeypatch.setattr(audio_blocks, "BLOCK_SECONDS", 0.1)
    full = AudioSource(path).read(32000)
    spans = [(100, 9000), (0, 50), (30000, 40000)]
    segments = AudioSource(path).read_segments(32000, spans)
    for (first, stop), segment in zip(spans, segments, strict=True):
        torch.testing.assert_close(segment, full[first:stop], atol=1e-6, rtol=0)


@pytest.mark.parametrize("rate", [RATE, 32000, 16000])
def test_blocks_join_to_whole_audio(stereo, path, rate, monkeypatch):
    """Short blocks, resampled or not, join to the result of read."""
    monkeypatch.setattr(audio_blocks, "BLOCK_SECONDS", 0.1)
    for source in (AudioSource(path), AudioSource(stereo, RATE)):
        blocks = [*source.blocks(rate)]
        assert max(len(block) for block in blocks) <= 0.25 * rate
        torch.testing.assert_close(torch.cat(blocks), source.read(rate), atol=1e-7, rtol=0)


def test_audio_source_centers_bytes_at_128():
    """Unsigned 8-bit samples are silent at 128."""
    samples = torch.tensor([128, 192, 128, 64], dtype=torch.uint8)
    assert AudioSource(samples, RATE).read(RATE).tolist() == [0, 0.5, 0, -0.5]


@pytest.mark.parametrize("bad", [torch.zeros(100), torch.tensor([0.1, torch.nan]), torch.zeros(0)])
def test_audio_source_refuses_invalid_samples(bad):
    """Silent, nonfinite and empty arrays are errors, as a whole and in blocks."""
    for read in (AudioSource.read, lambda source, rate: [*source.blocks(rate)]):
        with pytest.raises(InputError, match="the array"):
            read(AudioSource(bad, RATE), 32000)


def test_audio_source_names_cancelling_channels(stereo, tmp_path):
    """A recorder may invert its second channel; the error differs from that of silence."""
    inverted = torch.stack([stereo[:, 0], -stereo[:, 0]], dim=1).clamp(min=-32767)
    path = tmp_path / "inverted.wav"
    soundfile.write(path, inverted.numpy(), RATE)
    for read in (
        lambda: load_audio(path, RATE),
        lambda: load_audio(path, RATE, 100, 200),
        lambda: [*AudioSource(path).blocks(RATE)],
        lambda: AudioSource(inverted, RATE),
    ):
        with pytest.raises(InputError, match="cancel one another"):
            read()


@pytest.mark.parametrize(
    ("source", "rate", "message"),
    [
        (torch.ones(5), None, "Give sample_rate"),
        (torch.ones(5), 0, "1000 to"),
        (torch.ones(5), 44100.0, "whole number"),
        (torch.ones(2, 2, 2), RATE, r"\[time\] or"),
        (torch.ones(5, dtype=torch.bool), RATE, "floats or integers"),
        (np.ones(5, dtype=np.int64), RATE, "floats or integers"),
        (np.ones(5, dtype=object), RATE, "real numbers"),
        (3000 * torch.ones(5), RATE, "full scale is 1"),
        (7, None, "got int"),
        ("nowhere.wav", None, "no such sound file"),
        ("hf://user/name", None, "a file of the Hub must be hf://"),
        (io.BytesIO(b"no sound"), None, "cannot read the open file as sound"),
    ],
)
def test_audio_source_names_invalid_source(source, rate, message):
    """The error states the constraint that the source breaks."""
    with pytest.raises(InputError, match=message):
        AudioSource(source, rate)


def test_duration_and_samples_are_decoded_once(stereo, path, tmp_path, monkeypatch):
    """A short file is decoded once for both; samples and warnings are those of a new source."""
    cut = tmp_path / "cut.wav"
    cut.write_bytes(path.read_bytes()[:80_000])
    opened = []
    for file in path, cut:
        with warnings.catch_warnings(record=True) as expected:
            warnings.simplefilter("always")
            samples = AudioSource(file).read(32000)
        source = AudioSource(file)
        assert source.seconds > 0
        with monkeypatch.context() as patch, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            patch.setattr(audio_readers, "AudioFile", opened.append)
            assert torch.equal(source.read(32000), samples)
            assert torch.equal(source.read(32000), samples)
        texts = [str(each.message) for each in expected]
        assert [str(each.message) for each in caught] == 2 * texts
        assert len(texts) == (file == cut)
    assert not opened


def test_long_files_are_not_kept(path, monkeypatch):
    """A file of more samples is decoded again, in blocks, with the same samples."""
    expected = AudioSource(path).read(RATE)
    monkeypatch.setattr(audio_readers, "MAX_KEPT_SAMPLES", 30000)
    source = AudioSource(path)
    assert source.seconds == 30001 / RATE and source._reader._decoded is None
    assert torch.equal(source.read(RATE), expected)


def test_dicts_of_datasets_are_arrays(stereo):
    """A decoded sound of ``datasets`` reads as its array at its rate."""
    array = stereo[:, 0].float().numpy() / 32768
    sound = AudioSource({"path": None, "array": array, "sampling_rate": RATE})
    assert torch.equal(sound.read(16000), AudioSource(array, RATE).read(16000))
    assert sound.rate == RATE
    for wrong, rate in ({"array": array}, None), ({}, None), (sound_dict(array), RATE):
        with pytest.raises(InputError, match="must have array and sampling_rate, without"):
            AudioSource(wrong, rate)


def sound_dict(array):
    """Return a decoded sound of ``datasets``."""
    return {"array": array, "sampling_rate": RATE}
