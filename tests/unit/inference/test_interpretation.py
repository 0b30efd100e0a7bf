"""Scores, warnings and files of an interpretation."""

import json
import pickle

import pytest
import soundfile
import torch

from speechbrain_lmac.audio.io import load_audio
from tests.unit.inference.conftest import questions


def test_absent_prompt_is_faded_out(interpreter, siren_file):
    """A warning names the absent prompt, and its explanation is quiet."""
    result = interpreter.interpret_file(siren_file, ["the sound of siren", "the sound of dog"])
    assert result.presence[0] > 0.5 and result.presence[1] < 0.01
    (warning,) = [text for text in result.warnings if "absent" in text]
    assert "the sound of dog" in warning
    assert result.absent.tolist() == [False, True]
    assert result.level_db[1] < -20 < result.level_db[0]


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_absence_is_the_classifiers(any_interpreter, siren_file, monkeypatch, factor):
    """A prompt is absent below ``min_presence``; clips and recordings agree."""
    classifier = any_interpreter.audio_classifier
    presence = factor * classifier.min_presence

    def low(self, vector, queries):
        return torch.full((len(vector), len(queries)), presence)

    monkeypatch.setattr(type(classifier), "presence", low)
    result = any_interpreter.interpret_file(siren_file, questions(any_interpreter, "siren"))
    assert result.absent.tolist() == result.timeline.absent.tolist() == [factor < 1]
    assert any("absent" in text for text in result.warnings) == (factor < 1)


def test_score_sounds_of_the_clip(any_interpreter, siren_file):
    """The scores of the clip itself are those of the interpretation."""
    prompts = questions(any_interpreter, "siren", "rain")
    result = any_interpreter.interpret_file(siren_file, prompts)
    scores = result.score_sounds(result.original.expand(2, -1))
    torch.testing.assert_close(scores.logit, result.similarity, atol=1e-3, rtol=0)
    torch.testing.assert_close(scores.probability, result.probabilities, atol=1e-4, rtol=0)
    torch.testing.assert_close(scores.presence, result.presence, atol=1e-4, rtol=0)


def test_level_db_is_at_most_the_clips(any_interpreter, wavs):
    """Explanations are at most 1 dB louder than the clip."""
    prompts = questions(any_interpreter, "siren", "rain")
    for result in any_interpreter.interpret_batch(
        wavs, [*prompts, *questions(any_interpreter, "dog")]
    ):
        assert result.level_db.max() < 1


def test_save_writes_sounds_and_scores(any_interpreter, wavs, tmp_path):
    """Explanation and residual add up to the original, without clipping."""
    prompts = questions(any_interpreter, "siren", "rain")
    (result,) = any_interpreter.interpret_batch(3 * wavs[2:], prompts)  # loud enough to clip
    paths = result.save(tmp_path / "out")
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    rate = any_interpreter.sample_rate
    original = load_audio(tmp_path / "out" / "original.wav", rate)
    for path, waveform, row in zip(paths, result.waveform, scores["prompts"]):
        explanation = load_audio(path, rate)
        residual = load_audio(str(path).replace("explanation", "residual"), rate)
        assert explanation.abs().max() <= 0.99 + 2**-15
        torch.testing.assert_close(explanation, scores["gain"] * waveform, atol=2**-15, rtol=0)
        torch.testing.assert_close(explanation + residual, original, atol=3 * 2**-15, rtol=0)
        assert 0 <= row["probability_masked_in"] <= 1
    assert (tmp_path / "out" / "figure.png").stat().st_size > 10_000
    assert [row["prompt"] for row in scores["prompts"]] == prompts


def test_save_names_similar_prompts_apart(interpreter, wavs, tmp_path):
    """Prompts that differ in punctuation have distinct files."""
    (result,) = interpreter.interpret_batch(wavs[:1], ["rain", "rain!", "rain?"])
    assert len(set(result.save(tmp_path))) == 3


def test_pickle_stays_small(any_interpreter, wavs):
    """Query vectors are rows of a table, and do not pickle the whole table each."""
    (result,) = any_interpreter.interpret_batch(wavs[:1], questions(any_interpreter, "rain"))
    pickled = pickle.dumps(result)
    assert len(pickled) < 2e8  # the text encoder may be in it, once
    torch.testing.assert_close(pickle.loads(pickled).waveform, result.waveform)


@pytest.mark.parametrize("hum", [0.0, 12.0])
def test_offset_and_hum_do_not_count(interpreter, siren_file, hum):
    """Energy below the lowest band changes neither regions, activity nor levels."""
    wav = 0.4 * load_audio(siren_file, 32000)
    time = torch.arange(len(wav)) / 32000
    offset = 0.5 * torch.cos(2 * torch.pi * hum * time)
    clean = interpreter.interpret(wav, ["siren"])
    shifted = interpreter.interpret(wav + offset, ["siren"])
    assert (wav + offset).square().mean() > 3 * wav.square().mean()
    torch.testing.assert_close(shifted.presence, clean.presence, atol=0.05, rtol=0)
    activity = (shifted.timeline.activity, clean.timeline.activity)
    torch.testing.assert_close(*activity, atol=0.15, rtol=0)
    torch.testing.assert_close(shifted.level_db, clean.level_db, atol=1.0, rtol=0)
    assert len(shifted.timeline.regions()) == len(clean.timeline.regions()) > 0


def test_failed_contrast_has_no_regions(interpreter, siren_file, monkeypatch, tmp_path):
    """A mask that favors the other prompt has no regions, in clips and in recordings."""
    wav, forward = load_audio(siren_file, 32000), type(interpreter.model).forward

    def inverted(self, encoded, queries):
        return 1 - forward(self, encoded, queries)

    good = interpreter.interpret(wav, ["siren"], against="rain")
    assert good.contrast_holds.all() and good.timeline.regions()
    monkeypatch.setattr(type(interpreter.model), "forward", inverted)
    bad = interpreter.interpret(wav, ["rain"], against="siren")
    if bad.contrast_holds.all():
        bad = interpreter.interpret(wav, ["siren"], against="rain")
    assert not bad.contrast_holds.any() and not bad.timeline.regions()
    assert any("favors" in text and "no regions" in text for text in bad.warnings)
    prompts, folder = list(bad.prompts), tmp_path / "why"
    timeline = interpreter.interpret_recording(wav, prompts, folder, bad.against, sample_rate=32000)
    assert not timeline.regions() and not soundfile.read(timeline.files[0])[0].any()


@pytest.mark.parametrize(("gain", "level"), [(1e-4, "very quiet"), (1, None), (25, "very loud")])
def test_warnings_name_an_unusual_level(any_interpreter, wavs, gain, level):
    """A sound at -80 dB may be called absent; a warning names its level."""
    wav = gain * wavs[0] / wavs[0].abs().max()
    result = any_interpreter.interpret(wav, "siren")
    warnings = [text for text in result.warnings if "of full scale) is very" in text]
    assert len(warnings) == (level is not None) and all(level in text for text in warnings)
