"""Fixtures of several modules: a pretrained interpreter, a folder of sounds and a Hub."""

import pytest
import soundfile
from huggingface_hub import constants

from speechbrain_lmac import Interpreter
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture
from tests.helpers.fake_hub import TOKEN, FakeHub, point_at


@pytest.fixture(scope="module")
def interpreter():
    """Pretrained interpreter of the STFT domain."""
    return Interpreter.from_hparams(source="mini-stft")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Hub on loopback; the client has a valid token."""
    fake_hub = FakeHub()
    point_at(monkeypatch, fake_hub.endpoint, tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield fake_hub
    fake_hub.close()


@pytest.fixture
def sound_folder(tmp_path):
    """A folder with two sounds, a broken sound and a text file."""
    folder = tmp_path / "sounds"
    (folder / "below").mkdir(parents=True)
    mixed = mixture("siren", "rain", seed=5, seconds=2.0)
    soundfile.write(folder / "street.wav", mixed.mixture.numpy(), SAMPLE_RATE)
    soundfile.write(folder / "below" / "street.flac", mixed.first.numpy(), SAMPLE_RATE)
    (folder / "broken.wav").write_text("no sound")
    (folder / "notes.txt").write_text("siren\n\n rain \n")
    return folder
