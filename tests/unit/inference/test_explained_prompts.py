"""Explanation of the present prompts only, and of several prompts at once."""

from dataclasses import replace

import pytest
import torch

from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.evaluation.encoder_passes import EncoderPasses
from speechbrain_lmac.inference.areas import PromptAreas
from speechbrain_lmac.utils.errors import InputError


def test_unexplained_prompts_are_not_decoded(interpreter, tmp_path):
    """Scores of all prompts are those of a full explanation; nothing else is computed."""
    wav = synthesize("siren", seed=1, seconds=1.0)
    prompts, decoded = ["siren", "a dog", "rain"], []
    full = interpreter.interpret(wav, prompts)
    decoder = interpreter.model.decoder
    handle = decoder.register_forward_hook(lambda *call: decoded.append(len(call[1][1])))
    with EncoderPasses(interpreter.audio_classifier.audio_blocks[0]) as passes:
        result = interpreter.interpret(wav, prompts, explain_above=0.05)
        before = passes.count
        assert before == 1 + interpreter.model.decoder.uses_gradients
        assert result.warnings is not None and passes.count == before + 2  # both masked parts
    handle.remove()
    assert decoded == [1] and result.explained.tolist() == [True, False, False]
    for name in ("similarity", "presence", "probabilities"):
        assert torch.equal(getattr(result, name), getattr(full, name))
    torch.testing.assert_close(result.waveform[0], full.waveform[0], rtol=0, atol=1e-4)
    assert not result.waveform[1:].any() and not result.mask[1:].any()
    assert not result.timeline.activity[1:].any() and result.timeline.activity[0].any()
    activity = (result.timeline.activity[0], full.timeline.activity[0])
    torch.testing.assert_close(*activity, atol=1e-3, rtol=0)
    assert result.scores["presence_masked_in"].isnan().tolist() == [False, True, True]
    assert result.areas[1:] == (PromptAreas(None, None),) * 2 and result.areas[0].sufficient
    assert [path.name for path in result.save(tmp_path)] == ["0-siren-explanation.wav"]
    with pytest.raises(InputError, match="prompt must be explained, got “a dog”"):
        result.waveform_at(0.1, "a dog")
    assert result._repr_html_().count("<h3>") <= full._repr_html_().count("<h3>")


def test_no_prompt_may_be_explained(interpreter, tmp_path):
    """A clip without any of the prompts has scores, tables and a figure, and no sounds."""
    wav = synthesize("siren", seed=1, seconds=1.0)
    result = interpreter.interpret(wav, ["a dog"], explain_above=0.05)
    assert not result.explained.any() and result.save(tmp_path) == []
    assert not list(tmp_path.glob("*-explanation.wav"))
    assert (tmp_path / "figure.png").exists() and (tmp_path / "activity.csv").exists()
    assert "is not explained" in result._repr_html_()


def test_contrasts_are_always_explained(interpreter):
    """No prompt is absent from a contrast, and the prediction is never absent."""
    wav = synthesize("siren", seed=1, seconds=1.0)
    contrast = interpreter.interpret(wav, ["a dog"], against="a cat", explain_above=1.0)
    assert contrast.explained.all()
    assert interpreter.interpret(wav, explain_above=1.0).explained.all()


def test_sounds_of_prompts_are_inverted_alone(interpreter, wavs):
    """One inverse STFT for all masks equals one inverse per mask, bit by bit."""
    classifier = interpreter.model.classifier
    encoded = classifier.encode_clips(interpreter.encoder_input(wavs[0]))
    masks = interpreter.interpret(wavs[0], ["siren", "rain", "a dog"]).mask.unsqueeze(1)
    together = classifier.apply_mask(encoded, masks)
    alone = [classifier.apply_mask(encoded, mask.unsqueeze(0)) for mask in masks]
    assert torch.equal(together, torch.cat(alone))


def test_scores_encode_chunks(interpreter, wavs, monkeypatch):
    """Sounds are encoded in chunks; the size of a chunk changes the last digits only."""
    result = interpreter.interpret(wavs[0], ["siren", "rain", "a dog"])
    expected = dict(result.scores)
    monkeypatch.setattr("speechbrain_lmac.inference.scores.CHUNK_SIZE", 2)
    for name, values in replace(result).scores.items():
        torch.testing.assert_close(values, expected[name], rtol=1e-3, atol=1e-3)
