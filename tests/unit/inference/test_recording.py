"""Recordings of any length, explained in windows."""

import pytest
import soundfile
import torch

from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.inference.recording import WINDOW_SECONDS
from speechbrain_lmac.inference.sound_names import explanation_files, is_of_other_prompt
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.models.clap.base import CLAP
from speechbrain_lmac.models.classifiers.base import SupervisedClassifier
from speechbrain_lmac.reports.selection_tables import RAVEN_COLUMNS
from speechbrain_lmac.utils.errors import InputError
from tests.unit.inference.conftest import questions

PROMPTS = ["this is the sound of siren", "this is the sound of rain"]
"""Prompts of a CLAP for the classes that are explained."""


def explain_recording(interpreter, sound, folder):
    """Explain two prompts; return the timeline and the complete masked-in sounds."""
    rate = interpreter.sample_rate
    prompts = questions(interpreter, "siren", "rain")
    options = {"sample_rate": rate, "stems": True}
    timeline = interpreter.interpret_recording(sound, prompts, folder, **options)
    return timeline, [load_audio(path, rate) for path in timeline.files]


def replace_masks(monkeypatch, gain):
    """Replace the masks by one gain."""

    def masks(self, encoded, queries, features=None):
        return gain * torch.ones(len(queries), *encoded.power.shape)

    monkeypatch.setattr(InterpreterNetwork, "forward", masks)
    replace_presence(monkeypatch)


def replace_presence(monkeypatch):
    """Replace the presence of all prompts by 1."""

    def presence(self, vector, queries):
        return torch.ones(len(vector), len(queries))

    for kind in (CLAP, SupervisedClassifier):
        monkeypatch.setattr(kind, "presence", presence)


def high_pass(sound):
    """Remove the lowest frequencies, which are not encoded."""
    spectrum = torch.fft.rfft(sound)
    spectrum[torch.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE) < 300] = 0
    return torch.fft.irfft(spectrum, len(sound))


@pytest.mark.parametrize("seconds", [1.3, 5.0, 6.1, 12.77])
def test_full_masks_reconstruct_the_recording(any_interpreter, seconds, tmp_path, monkeypatch):
    """Windows overlap and add up to the recording, at any length."""
    replace_masks(monkeypatch, 1.0)
    sound = high_pass(synthesize("rain", seed=3, seconds=seconds))
    timeline, explanations = explain_recording(any_interpreter, sound, tmp_path)
    for wav in explanations:
        torch.testing.assert_close(wav, sound, atol=1e-3, rtol=0)
    fraction = timeline.masked_in_fraction
    torch.testing.assert_close(fraction, torch.ones_like(fraction), atol=1e-3, rtol=0)
    assert len(timeline.seconds) == -(-len(sound) // (SAMPLE_RATE // 10))


def test_windows_of_a_tone_have_no_seams(interpreter, tmp_path, monkeypatch):
    """The masked-in level, by 20 ms, is constant across all borders of windows."""
    replace_presence(monkeypatch)
    time = torch.arange(13 * SAMPLE_RATE) / SAMPLE_RATE
    tone = 0.2 * torch.sin(2 * torch.pi * 1000 * time)
    _, (masked_in, _) = explain_recording(interpreter, tone, tmp_path)
    levels = 10 * masked_in.unfold(0, 640, 640).square().mean(dim=1).log10()
    step = round(WINDOW_SECONDS / 2 / 0.02)
    for border in range(step, len(levels) - step, step):
        around = levels[border - 2 : border + 3]
        assert around.max() - around.min() < 0.1


def test_regions_match_the_sources(interpreter, tmp_path):
    """Time and frequency of a siren in rain."""
    sound = 0.05 * synthesize("rain", seed=1, seconds=20.0)
    sound[6 * SAMPLE_RATE : 9 * SAMPLE_RATE] += synthesize("siren", seed=2, seconds=3.0)
    timeline, (masked_in, _) = explain_recording(interpreter, sound, tmp_path)
    away = masked_in[12 * SAMPLE_RATE :].square().mean() / sound[12 * SAMPLE_RATE :].square().mean()
    assert 10 * away.log10() < -30  # where there is no siren
    (region,) = [region for region in timeline.regions() if region.prompt == PROMPTS[0]]
    assert region.start == pytest.approx(6, abs=0.3) and region.stop == pytest.approx(9, abs=0.3)
    assert 300 < region.low_hz < region.high_hz < 4000
    inside, total = slice(6 * SAMPLE_RATE, 9 * SAMPLE_RATE), masked_in.square().sum()
    assert masked_in[inside].square().sum() > 0.95 * total
    table = (tmp_path / "original.Table.1.selections.txt").read_text().splitlines()
    assert table[0].split("\t") == list(RAVEN_COLUMNS)
    assert len(table) == 1 + len(timeline.regions())


def test_sounds_of_regions_are_parts_of_stems(interpreter, tmp_path):
    """FLAC of the same length: equal to the stems in the regions, and silent away from them."""
    sound = 0.05 * synthesize("rain", seed=1, seconds=20.0)
    sound[6 * SAMPLE_RATE : 9 * SAMPLE_RATE] += synthesize("siren", seed=2, seconds=3.0)
    timeline, stems = explain_recording(interpreter, sound, tmp_path / "stems")
    prompts, folder = timeline.prompts, tmp_path / "regions"
    other = interpreter.interpret_recording(sound, prompts, folder, sample_rate=SAMPLE_RATE)
    assert other.regions() == timeline.regions() and other.gain == timeline.gain
    seconds = torch.arange(len(sound)) / SAMPLE_RATE
    for prompt, path, stem in zip(timeline.prompts, other.files, stems):
        samples = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        assert path.suffix == ".flac" and len(samples) == len(stem) == len(sound)
        spans = [(r.start, r.stop) for r in timeline.regions() if r.prompt == prompt]
        inside, near = (
            sum([(seconds >= a - m) & (seconds <= b + m) for a, b in spans], seconds < 0)
            for m in (0.49, 0.53)
        )
        assert not samples[~near].any()
        torch.testing.assert_close(samples[inside], stem[inside], atol=2**-15, rtol=0)
        assert bool(samples.any()) == bool(spans)
    siren = (folder / timeline.files[0].name).with_suffix(".flac")
    assert siren.stat().st_size < timeline.files[0].stat().st_size / 4


def test_sounds_of_other_prompts_stay(interpreter, tmp_path):
    """Explaining another prompt of a file deletes nothing; the same prompt is replaced."""
    path, other = tmp_path / "siren.wav", tmp_path / "other.wav"
    for seed, file in enumerate((path, other)):
        sound = synthesize("siren", seed, seconds=3.0)
        soundfile.write(file, sound.numpy(), SAMPLE_RATE)

    def sounds():
        return sorted(file.name for file in (tmp_path / "why").glob("[0-9]*"))

    interpreter.interpret_recording(path, ["a dog", "siren"], tmp_path / "why")
    interpreter.interpret_recording(path, "siren", tmp_path / "why", stems=True)
    assert sounds() == ["0-a-dog-explanation.flac", "0-siren-explanation.wav"]
    interpreter.interpret_file(path, "rain").save(tmp_path / "why", areas=False, figure=False)
    rain = ["0-rain-explanation.wav", "0-rain-residual.wav"]
    assert sounds() == ["0-a-dog-explanation.flac", *rain, "0-siren-explanation.wav"]
    interpreter.interpret_recording(other, "siren", tmp_path / "why")
    assert sounds() == ["0-siren-explanation.flac"]


def test_long_prompts_have_names_of_their_own(tmp_path):
    """Prompts that begin alike share no file, so that one does not delete the sounds of another."""
    start = "the sound of a very loud siren that passes by slowly on a wet street "
    prompts = [start + end for end in ("at night", "at noon")]
    first, second = explanation_files(tmp_path, prompts)
    assert first.name[2:] != second.name[2:] and len(first.name) < 100
    assert is_of_other_prompt(first.name, prompts[1:])
    assert not is_of_other_prompt(first.name, prompts[:1])


def test_single_window_equals_interpret_file(interpreter, tmp_path):
    """Activity, regions and tables are equal."""
    sound = 0.05 * synthesize("rain", seed=1, seconds=5.0)
    sound[2 * SAMPLE_RATE : 4 * SAMPLE_RATE] += synthesize("siren", seed=2, seconds=2.0)
    clip = interpreter.interpret_file(sound, PROMPTS, sample_rate=SAMPLE_RATE)
    timeline, _ = explain_recording(interpreter, sound, tmp_path / "windows")
    torch.testing.assert_close(clip.timeline.activity, timeline.activity)
    assert clip.timeline.regions() == timeline.regions()
    clip.save(tmp_path / "clip")
    for table in ("activity.csv", "regions.csv", "original.Table.1.selections.txt"):
        one, other = ((tmp_path / part / table).read_text() for part in ("clip", "windows"))
        assert one == other
    (region,) = [region for region in timeline.regions() if region.prompt == PROMPTS[0]]
    assert region.start == pytest.approx(2, abs=0.3) and region.stop == pytest.approx(4, abs=0.3)


def test_regions_end_with_the_recording(any_interpreter, tmp_path, monkeypatch):
    """The last region is not rounded up."""
    replace_masks(monkeypatch, 1.0)
    sound = synthesize("rain", seed=3, seconds=7.03)
    timeline, _ = explain_recording(any_interpreter, sound, tmp_path)
    assert {(r.start, r.stop) for r in timeline.regions()} == {(0.0, len(sound) / SAMPLE_RATE)}


def test_spectrogram_shows_time_and_frequency(any_interpreter, tmp_path):
    """A tone in the second of three parts of half a minute of noise."""
    sound = 0.01 * torch.randn(30 * SAMPLE_RATE, generator=torch.Generator().manual_seed(0))
    time = torch.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    sound[10 * SAMPLE_RATE : 20 * SAMPLE_RATE] += torch.sin(2 * torch.pi * 4000 * time)
    timeline, _ = explain_recording(any_interpreter, sound, tmp_path)
    columns, bins = timeline.spectrogram.shape
    assert columns == 480 and timeline.sample_rate == SAMPLE_RATE
    loud = (timeline.spectrogram[:, bins // 4] > 1).nonzero().flatten()
    assert loud.min().item() == pytest.approx(160, abs=2)
    assert loud.max().item() == pytest.approx(320, abs=2)
    assert timeline.spectrogram[240].argmax().item() == pytest.approx(bins // 4, abs=1)


def test_stale_explanations_are_removed(interpreter, tmp_path):
    """Files of an earlier explanation are removed; files of the user stay."""
    sound = synthesize("siren", seed=2, seconds=3.0)
    (tmp_path / "5-mine.wav").write_text("a file of the user")
    interpreter.interpret_file(sound, PROMPTS, sample_rate=SAMPLE_RATE).save(tmp_path)
    interpreter.interpret_recording(sound, ["a dog"], tmp_path, sample_rate=SAMPLE_RATE)
    sounds = sorted(path.name for path in tmp_path.glob("[0-9]*"))
    assert sounds == ["0-a-dog-explanation.flac", "5-mine.wav"]


def test_stale_residuals_are_removed(interpreter, tmp_path):
    """A recording has no residual and no original, even with the same prompts."""
    sound = synthesize("siren", seed=2, seconds=3.0)
    interpreter.interpret_file(sound, ["a dog"], sample_rate=SAMPLE_RATE).save(tmp_path)
    interpreter.interpret_recording(sound / 2, ["a dog"], tmp_path, sample_rate=SAMPLE_RATE)
    assert [path.name for path in tmp_path.glob("0*")] == ["0-a-dog-explanation.flac"]
    (tmp_path / "original.wav").write_text("a file of the user")
    interpreter.interpret_recording(sound, ["a dog"], tmp_path, sample_rate=SAMPLE_RATE)
    assert (tmp_path / "original.wav").is_file()


def test_silence_has_no_activity(any_interpreter, tmp_path):
    """Digital silence after a siren stays silent."""
    sound = torch.zeros(13 * SAMPLE_RATE)
    sound[: 2 * SAMPLE_RATE] = synthesize("siren", seed=2, seconds=2.0)
    timeline, (masked_in, _) = explain_recording(any_interpreter, sound, tmp_path)
    assert not masked_in[8 * SAMPLE_RATE :].any()
    assert not timeline.activity[:, 80:].any() and timeline.activity.isfinite().all()


def test_loud_recordings_do_not_clip(any_interpreter, tmp_path):
    """Explanations are scaled to at most 0.99."""
    sound = 3 * synthesize("siren", seed=2, seconds=7.0) / 0.3
    _, explanations = explain_recording(any_interpreter, sound, tmp_path)
    assert max(wav.abs().max() for wav in explanations) <= 0.99 + 2**-15


@pytest.mark.parametrize("bad", [torch.nan, None])
def test_unusable_recordings_leave_no_files(any_interpreter, bad, tmp_path):
    """Silence, and NaN in the last sample."""
    sound = synthesize("siren", seed=2, seconds=12.0) if bad else torch.zeros(12 * SAMPLE_RATE)
    if bad:
        sound[-1] = bad
    with pytest.raises(InputError, match="the array"):
        explain_recording(any_interpreter, sound, tmp_path)
    assert not list(tmp_path.iterdir())


def test_unwritable_folder_is_reported_first(any_interpreter):
    """The error names the folder before anything is explained."""
    sound = synthesize("siren", seed=2, seconds=6.0)
    with pytest.raises(InputError, match="/proc/nowhere"):
        any_interpreter.interpret_recording(sound, "rain", "/proc/nowhere", sample_rate=SAMPLE_RATE)
