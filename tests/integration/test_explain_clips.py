"""Clips of regions: cut from the original recording, and never over a file of the user."""

import csv

import numpy as np
import pytest
import soundfile

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.audio.clips import Cut, write_clips
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.data.synthetic import synthesize

MEL = ["--source", "mini-mel"]
RATE = 32000


@pytest.mark.parametrize("channels", [1, 2, 9])
def test_clips_are_samples_of_the_file(tmp_path, channels):
    """Clips that overlap hold the samples of 16 bits; more than eight channels are mixed."""
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, (48000, channels), np.int16)
    soundfile.write(tmp_path / "a.wav", samples, 96000)
    spans = [(0.0, 0.125), (0.25, 0.3125), (0.0625, 0.375), (0.4375, 9.0)]
    cuts = [Cut(tmp_path / f"{i}.flac", *span) for i, span in enumerate(spans)]
    write_clips(AudioSource(str(tmp_path / "a.wav")), cuts)
    for cut in cuts:
        part = samples[round(cut.start * 96000) : round(cut.stop * 96000)]
        clip, rate = soundfile.read(cut.path, dtype="int16", always_2d=True)
        assert rate == 96000 and len(clip) == len(part)
        if channels <= 8:
            assert np.array_equal(clip, part)
        else:
            assert np.abs(clip - part.mean(axis=1, keepdims=True)).max() <= 1


def write_siren(path, seconds):
    """Write a siren from 2 to 3.5 s in faint noise, with two channels of 16 bits."""
    samples = 1e-3 * np.random.default_rng(0).standard_normal((round(seconds * RATE), 2))
    siren = synthesize("siren", seed=2, seconds=1.5).numpy()
    samples[2 * RATE : 2 * RATE + len(siren)] += siren[:, None] * [1.0, 0.5]
    soundfile.write(path, samples, RATE, "PCM_16")
    return soundfile.read(path, dtype="int16")[0]


@pytest.mark.parametrize("seconds", [5.0, 16.0])
def test_explain_writes_clips_of_regions(tmp_path, seconds):
    """Each region has a clip of the stereo file with a margin; clips of before are replaced."""
    samples = write_siren(tmp_path / "a.wav", seconds)
    folder = tmp_path / "why" / "a"
    command = ["explain", str(tmp_path / "a.wav"), "--prompt", "siren", *MEL, "--no-areas"]
    command += ["--output", str(tmp_path / "why"), "--clips"]
    assert main(command) == 0
    with open(folder / "regions.csv") as file:
        spans = [(float(row["start"]), float(row["stop"])) for row in csv.DictReader(file)]
    names = [f"0-siren-clip-{start:07.1f}-{stop:07.1f}s.flac" for start, stop in spans]
    assert sorted(path.name for path in folder.glob("*clip*")) == sorted(names) != []
    for name, (start, stop) in zip(names, spans):
        clip, rate = soundfile.read(folder / name, dtype="int16")
        span = slice(round(max(0, start - 0.5) * RATE), round((stop + 0.5) * RATE))
        assert rate == RATE and np.array_equal(clip, samples[span])
    assert main([*command, "--min-duration", "99"]) == 0
    assert not list(folder.glob("*clip*"))


def test_clips_replace_no_file_of_the_user(tmp_path, capsys):
    """A file with the name of a clip is refused, and nothing else is written."""
    write_siren(tmp_path / "a.wav", 5.0)
    command = ["explain", str(tmp_path / "a.wav"), "--prompt", "siren", *MEL, "--no-areas"]
    command += ["--clips", "--output"]
    assert main([*command, str(tmp_path / "first")]) == 0
    (clip, *_) = sorted((tmp_path / "first" / "a").glob("*clip*"))
    folder = tmp_path / "second" / "a"
    folder.mkdir(parents=True)
    (folder / clip.name).write_text("mine")
    assert main([*command, str(tmp_path / "second")]) == 1
    assert "it is left alone" in " ".join(capsys.readouterr().err.split())
    assert (folder / clip.name).read_text() == "mine"
    assert [path.name for path in folder.iterdir() if path.name[0] != "."] == [clip.name]
