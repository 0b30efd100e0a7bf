"""A recording, and commands that must be refused before they do any work."""

import pytest
import soundfile

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize


def refuse(*words):
    """Run a command that must end with status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(list(map(str, words)))
    assert stopped.value.code == 2


@pytest.fixture
def recording(tmp_path):
    """A sound file in a folder of its own."""
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "rec.wav"
    soundfile.write(path, synthesize("siren", seed=1, seconds=0.5).numpy(), SAMPLE_RATE)
    return path


@pytest.fixture
def no_interpreter(monkeypatch):
    """Fail if a command loads an interpreter."""

    def load(*options):
        raise AssertionError("an interpreter was loaded")

    for name in ("explain", "report", "compare"):
        monkeypatch.setattr(f"speechbrain_lmac.cli.{name}.load_interpreter", load)
