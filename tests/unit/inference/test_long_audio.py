"""Sounds of any length, window by window."""

import subprocess
import sys

import pytest
import soundfile
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.inference.long_audio import WINDOW_SECONDS
from speechbrain_lmac.inference.presence import PresenceClassifier
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.reports.annotations import RAVEN
from speechbrain_lmac.utils.errors import InputError

PROMPTS = ["the sound of siren", "the sound of rain"]


@pytest.fixture(scope="module", params=["mini-stft", "mini-mel"])
def interpreter(request):
    return Interpreter.from_hparams(source=request.param, run_opts={"device": "cpu"})


def explain_recording(interpreter, sound, folder):
    timeline = interpreter.interpret_file(
        sound, PROMPTS, sample_rate=interpreter.sample_rate, save_to=folder
    )
    return timeline, [load_audio(path, interpreter.sample_rate) for path in timeline.files]


def let_through(monkeypatch, gain):
    """Masks of one gain, in the model that explains."""

    def masks(self, encoded, text, evidence=None):
        return gain * torch.ones(len(text), *encoded.power.shape)

    monkeypatch.setattr(InterpreterNetwork, "forward", masks)
    everywhere = lambda self, embedding, text: torch.ones(len(embedding), len(text))  # noqa: E731
    monkeypatch.setattr(PresenceClassifier, "probability", everywhere)


def without_rumble(sound):
    """A sound whose lowest frequencies, which are never explained, are gone."""
    spectrum = torch.fft.rfft(sound)
    spectrum[torch.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE) < 300] = 0
    return torch.fft.irfft(spectrum, len(sound))


@pytest.mark.parametrize("seconds", [1.3, 5.0, 6.1, 17.77])
def test_windows_let_through_are_the_sound(interpreter, seconds, tmp_path, monkeypatch):
    let_through(monkeypatch, 1.0)
    sound = without_rumble(synthesize("rain", seed=3, seconds=seconds))
    timeline, written = explain_recording(interpreter, sound, tmp_path)
    for wav in written:
        torch.testing.assert_close(wav, sound, atol=1e-3, rtol=0)
    torch.testing.assert_close(timeline.kept, torch.ones_like(timeline.kept), atol=1e-3, rtol=0)
    assert len(timeline.seconds) == -(-len(sound) // (SAMPLE_RATE // 10))


def test_a_steady_tone_has_no_seams(interpreter, tmp_path, monkeypatch):
    """Level of what is kept, by 20 ms, across all borders of windows."""
    present = lambda self, embedding, text: torch.ones(len(embedding), len(text))  # noqa: E731
    monkeypatch.setattr(PresenceClassifier, "probability", present)
    time = torch.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    _, (kept, _) = explain_recording(
        interpreter, 0.2 * torch.sin(2 * torch.pi * 1000 * time), tmp_path
    )
    levels = 10 * kept.unfold(0, 640, 640).square().mean(dim=1).log10()
    step = round(WINDOW_SECONDS / 2 / 0.02)
    for border in range(step, len(levels) - step, step):
        around = levels[border - 2 : border + 3]
        assert around.max() - around.min() < 0.1


def test_what_is_found_lies_where_it_sounds(interpreter, tmp_path):
    sound = 0.05 * synthesize("rain", seed=1, seconds=20.0)
    sound[6 * SAMPLE_RATE : 9 * SAMPLE_RATE] += synthesize("siren", seed=2, seconds=3.0)
    timeline, (kept, _) = explain_recording(interpreter, sound, tmp_path)
    away = kept[12 * SAMPLE_RATE :].square().mean() / sound[12 * SAMPLE_RATE :].square().mean()
    assert 10 * away.log10() < -30  # where no siren is, none is heard
    (region,) = [region for region in timeline.regions() if region.prompt == PROMPTS[0]]
    assert region.start == pytest.approx(6, abs=0.3) and region.stop == pytest.approx(9, abs=0.3)
    assert 300 < region.low_hz < region.high_hz < 4000
    inside, whole = slice(6 * SAMPLE_RATE, 9 * SAMPLE_RATE), kept.square().sum()
    assert kept[inside].square().sum() > 0.95 * whole
    table = (tmp_path / "regions.selections.txt").read_text().splitlines()
    assert table[0].split("\t") == list(RAVEN)
    assert len(table) == 1 + len(timeline.regions())


def test_a_clip_in_one_piece_has_the_evidence_of_one_window(interpreter, tmp_path):
    sound = 0.05 * synthesize("rain", seed=1, seconds=5.0)
    sound[2 * SAMPLE_RATE : 4 * SAMPLE_RATE] += synthesize("siren", seed=2, seconds=2.0)
    whole = interpreter.interpret_file(sound, PROMPTS, sample_rate=SAMPLE_RATE)
    timeline, _ = explain_recording(interpreter, sound, tmp_path / "windows")
    torch.testing.assert_close(whole.timeline.evidence, timeline.evidence)
    assert whole.timeline.regions() == timeline.regions()
    whole.save(tmp_path / "whole")
    for table in ("evidence.csv", "regions.csv", "regions.selections.txt"):
        one, other = ((tmp_path / part / table).read_text() for part in ("whole", "windows"))
        assert one == other
    (region,) = [region for region in timeline.regions() if region.prompt == PROMPTS[0]]
    assert region.start == pytest.approx(2, abs=0.3) and region.stop == pytest.approx(4, abs=0.3)


def test_no_region_goes_beyond_the_sound(interpreter, tmp_path, monkeypatch):
    let_through(monkeypatch, 1.0)
    sound = synthesize("rain", seed=3, seconds=7.03)
    timeline, _ = explain_recording(interpreter, sound, tmp_path)
    assert {(r.start, r.stop) for r in timeline.regions()} == {(0.0, len(sound) / SAMPLE_RATE)}


def test_the_picture_shows_the_sound_in_time_and_pitch(interpreter, tmp_path):
    """A tone in the second of three parts of a minute of noise."""
    sound = 0.01 * torch.randn(60 * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    time = torch.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    sound[20 * SAMPLE_RATE : 40 * SAMPLE_RATE] += torch.sin(2 * torch.pi * 4000 * time)
    timeline, _ = explain_recording(interpreter, sound, tmp_path)
    columns, bins = timeline.picture.shape
    assert columns == 480 and timeline.sample_rate == SAMPLE_RATE
    loud = (timeline.picture[:, bins // 4] > 1).nonzero().flatten()
    assert loud.min().item() == pytest.approx(160, abs=2)
    assert loud.max().item() == pytest.approx(320, abs=2)
    assert timeline.picture[240].argmax().item() == pytest.approx(bins // 4, abs=1)


def test_explanations_of_other_prompts_do_not_stay(interpreter, tmp_path):
    sound = synthesize("siren", seed=2, seconds=3.0)
    (tmp_path / "5-mine.wav").write_text("not of ours")
    interpreter.interpret_file(sound, PROMPTS, sample_rate=SAMPLE_RATE).save(tmp_path)
    interpreter.interpret_file(sound, ["a dog"], sample_rate=SAMPLE_RATE, save_to=tmp_path)
    wavs = sorted(path.name for path in tmp_path.glob("*.wav"))
    assert wavs == ["0-a-dog-explanation.wav", "5-mine.wav"]


def test_nothing_of_another_sound_stays(interpreter, tmp_path):
    """Under the same prompts too: what is written in pieces has no residual and no original."""
    sound = synthesize("siren", seed=2, seconds=3.0)
    interpreter.interpret_file(sound, ["a dog"], sample_rate=SAMPLE_RATE).save(tmp_path)
    interpreter.interpret_file(sound / 2, ["a dog"], sample_rate=SAMPLE_RATE, save_to=tmp_path)
    assert [path.name for path in tmp_path.glob("*.wav")] == ["0-a-dog-explanation.wav"]
    (tmp_path / "original.wav").write_text("not of ours")
    interpreter.interpret_file(sound, ["a dog"], sample_rate=SAMPLE_RATE, save_to=tmp_path)
    assert (tmp_path / "original.wav").is_file()


def test_silence_between_sounds_is_passed_over(interpreter, tmp_path):
    sound = torch.zeros(20 * SAMPLE_RATE)
    sound[: 2 * SAMPLE_RATE] = synthesize("siren", seed=2, seconds=2.0)
    timeline, (kept, _) = explain_recording(interpreter, sound, tmp_path)
    assert not kept[8 * SAMPLE_RATE :].any()
    assert not timeline.evidence[:, 80:].any() and timeline.evidence.isfinite().all()


def test_a_loud_sound_does_not_clip(interpreter, tmp_path):
    sound = 3 * synthesize("siren", seed=2, seconds=7.0) / 0.3
    _, written = explain_recording(interpreter, sound, tmp_path)
    assert max(wav.abs().max() for wav in written) <= 0.99 + 2**-15


@pytest.mark.parametrize("bad", [torch.nan, None])
def test_a_sound_that_cannot_be_used_leaves_nothing_behind(interpreter, bad, tmp_path):
    sound = synthesize("siren", seed=2, seconds=12.0) if bad else torch.zeros(12 * SAMPLE_RATE)
    if bad:
        sound[-1] = bad
    with pytest.raises(InputError, match="the array"):
        explain_recording(interpreter, sound, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_to_is_said_at_once(interpreter):
    sound = synthesize("siren", seed=2, seconds=6.0)
    with pytest.raises(InputError, match="/proc/nowhere"):
        interpreter.interpret_file(sound, "x", sample_rate=SAMPLE_RATE, save_to="/proc/nowhere")


def test_memory_does_not_grow_with_the_sound(tmp_path):
    """Half a minute more costs no more memory than the file's own blocks."""
    code = (
        "import resource, sys\nfrom speechbrain_lmac import Interpreter\n"
        "it = Interpreter.from_hparams(source='mini-mel', run_opts={'device': 'cpu'})\n"
        "it.interpret_file(sys.argv[1], ['siren'], save_to=sys.argv[2])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for seconds in (20, 120):
        path = tmp_path / f"{seconds}.wav"
        soundfile.write(path, synthesize("rain", 1, 20.0).repeat(seconds // 20).numpy(), 32000)
        command = [sys.executable, "-c", code, str(path), str(tmp_path / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    assert peaks[1] - peaks[0] < 60  # MiB; the longer file alone would take 15 as floats
