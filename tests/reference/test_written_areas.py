"""Smallest areas of real recordings, certified by the sounds in files."""

import pytest

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio, save_audio
from tests.conftest import REAL_ESC10, needs_esc10
from tests.unit.inference.test_areas import leads

CLIPS = 20
"""Clips of ESC-10 whose explanations are written and encoded again."""


@needs_esc10
@pytest.mark.parametrize(
    "source", ["mini-stft", pytest.param("mini-mel", marks=pytest.mark.exhaustive)]
)
def test_written_sounds_certify_real_clips(source, tmp_path):
    """Files of the sounds at both areas keep, and lose, the decision in 95 % of ESC-10 clips."""
    interpreter = Interpreter.from_hparams(source=source, run_opts={"device": "cpu"})
    files = sorted((REAL_ESC10 / "audio").glob("5-*"))
    agree = {"sufficient": [], "necessary": []}
    for file in files[:: len(files) // CLIPS][:CLIPS]:
        result = interpreter.interpret_file(file)
        areas = result.areas[0]
        for name, area in areas._asdict().items():
            if area is None:
                continue
            sound = result.waveform_at(area) if name == "sufficient" else result.residual_at(area)
            save_audio(tmp_path / "sound.wav", sound, interpreter.sample_rate)
            written = load_audio(tmp_path / "sound.wav", interpreter.sample_rate)
            agree[name].append(leads(result, written) == (name == "sufficient"))
    assert len(agree["sufficient"]) >= 0.9 * CLIPS
    for name, values in agree.items():
        assert sum(values) >= 0.95 * len(values), name
