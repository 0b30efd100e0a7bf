"""Reading, resampling and writing of audio files."""

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_lmac.audio.io import load_audio, safe_gain, save_audio
from speechbrain_lmac.utils.errors import InputError


def tone(frequency, rate, seconds=1.0):
    """A sine wave, ``[time]``."""
    time = torch.arange(round(rate * seconds), dtype=torch.float64) / rate
    return torch.sin(2 * torch.pi * frequency * time).float()


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_load_audio_keeps_pitch_level_and_length(tmp_path, rate):
    """A tone of any sample rate is the same tone after resampling."""
    soundfile.write(tmp_path / "tone.wav", tone(1000.0, rate).numpy(), rate, "FLOAT")
    wav = load_audio(tmp_path / "tone.wav", 32000)
    assert len(wav) == 32000
    inner = slice(1000, -1000)
    error = (wav - tone(1000.0, 32000))[inner]
    assert error.square().mean() < 1e-9 * wav[inner].square().mean()


def test_load_audio_averages_channels(tmp_path):
    """Stereo becomes the mean of its channels."""
    path = tmp_path / "stereo.wav"
    left, right = tone(300.0, 32000), tone(700.0, 32000)
    soundfile.write(path, torch.stack([left, right], dim=1).numpy(), 32000, "FLOAT")
    torch.testing.assert_close(load_audio(path, 32000), (left + right) / 2)


def test_save_audio_reads_back(tmp_path):
    """A written waveform differs by the rounding to 16 bits only."""
    wav = 0.5 * tone(440.0, 32000)
    save_audio(tmp_path / "a.wav", wav, 32000)
    torch.testing.assert_close(load_audio(tmp_path / "a.wav", 32000), wav, atol=2**-15, rtol=0)


def test_safe_gain_keeps_all_from_clipping():
    """The loudest waveform decides, and quiet audio is not amplified."""
    loud, quiet = torch.tensor([1.5, -3.0]), torch.tensor([0.1])
    assert safe_gain(loud, quiet) * 3.0 == pytest.approx(0.99)
    assert safe_gain(quiet) == 1
    assert safe_gain(torch.zeros(3)) == 1


def test_load_audio_names_missing_file(tmp_path):
    """The error names the file."""
    with pytest.raises(InputError, match=r"no such sound file: .*gone\.wav"):
        load_audio(tmp_path / "gone.wav", 32000)


def test_load_audio_refuses_text_file(tmp_path):
    """The extension does not matter."""
    path = tmp_path / "notes.wav"
    path.write_text("not a sound")
    with pytest.raises(InputError, match=r"cannot read .*notes\.wav as sound"):
        load_audio(path, 32000)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_load_audio_refuses_nonfinite_samples(tmp_path, bad):
    """NaN and infinity are errors."""
    path = tmp_path / "bad.wav"
    soundfile.write(path, np.array([0.0, bad], dtype=np.float32), 32000, "FLOAT")
    with pytest.raises(InputError, match="NaN or infinite"):
        load_audio(path, 32000)


def test_load_audio_refuses_silent_file(tmp_path):
    """Silence cannot be explained."""
    path = tmp_path / "silent.wav"
    soundfile.write(path, np.zeros(100, dtype=np.float32), 32000)
    with pytest.raises(InputError, match="all silence"):
        load_audio(path, 32000)


def test_load_audio_refuses_empty_file(tmp_path):
    """A header without samples is an error."""
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros(0, dtype=np.float32), 32000)
    with pytest.raises(InputError, match="no samples"):
        load_audio(path, 32000)
