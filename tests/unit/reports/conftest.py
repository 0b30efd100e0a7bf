"""An interpretation, its report, and a report on a long recording."""

import pytest
import soundfile

from speechbrain_lmac import Interpreter
from speechbrain_lmac.__main__ import main
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, mixture, synthesize
from speechbrain_lmac.reports.clip import clip_section
from speechbrain_lmac.reports.page import write_report

PROMPTS = ["the sound of siren", "<b>the “dog” & $the$ cat</b>"]


@pytest.fixture(scope="session")
def mel_interpreter():
    return Interpreter.from_hparams(source="mini-mel", run_opts={"device": "cpu"})


@pytest.fixture(scope="session")
def interpretation(mel_interpreter):
    scene = mixture("siren", "rain", seed=5, seconds=2.0)
    return mel_interpreter.interpret_batch(scene.mixture.unsqueeze(0), PROMPTS)[0]


@pytest.fixture(scope="session")
def report(interpretation, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    names = ("street.wav", "<again>.wav")
    return write_report(path, [clip_section(name, interpretation) for name in names], "A test")


@pytest.fixture(scope="session")
def long_report(tmp_path_factory):
    """Sirens at 6 s and 21 s in 30 s of faint rain."""
    folder = tmp_path_factory.mktemp("long")
    sound = 0.05 * synthesize("rain", seed=1, seconds=30.0)
    for second in (6, 21):
        start = second * SAMPLE_RATE
        sound[start : start + 3 * SAMPLE_RATE] += synthesize("siren", seed=2, seconds=3.0)
    soundfile.write(folder / "night.wav", sound.numpy(), SAMPLE_RATE)
    command = ["report", str(folder / "night.wav"), "--source", "mini-mel"]
    for prompt in ("the sound of siren", "a <dog>"):
        command += ["--prompt", prompt]
    assert main([*command, "--output", str(folder / "night.html")]) == 0
    return folder / "night.html"
