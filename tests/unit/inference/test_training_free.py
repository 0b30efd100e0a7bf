"""Interpreters of any classifier without a trained decoder."""

import pytest
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.inference.sources import InterpreterSource
from speechbrain_lmac.models.registry import parse_description
from speechbrain_lmac.utils.errors import InputError

WAV = synthesize("siren", seed=1, seconds=1.0)


@pytest.mark.parametrize("masking", ["stft", "mel"])
def test_from_classifier_explains(clap, masking):
    """Scores are those of the classifier; both parts sum to the clip."""
    interpreter = Interpreter.from_classifier(clap, masking, "gradcam++")
    result = interpreter.interpret(WAV, ["siren", "rain"])
    vector = clap(interpreter.encoder_input(WAV)).vector
    expected = clap.logits(vector, clap.queries(["siren", "rain"]))[0]
    torch.testing.assert_close(result.similarity, expected)
    torch.testing.assert_close(result.waveform + result.residual, WAV.expand(2, -1))
    assert result.explainer == interpreter.explainer_name == "gradcam++"
    assert 0 < result.mask.mean() <= 0.25
    assert result.mask.shape[-1] == (513 if masking == "stft" else 64)


def test_from_classifier_explains_own_classes(hooked_cnn):
    """A supervised classifier is explained for its prediction."""
    interpreter = Interpreter.from_classifier(hooked_cnn, explainer="energy")
    (name,) = interpreter.interpret(WAV[: hooked_cnn.sample_rate]).prompts
    assert name in hooked_cnn.class_names


def test_with_explainer_keeps_the_classifier():
    """Another explainer scores as the interpreter does, and has another fingerprint."""
    trained = Interpreter.from_hparams(source="mini-mel")
    free = trained.with_explainer("input-x-gradient")
    assert free.audio_classifier is trained.audio_classifier
    one, other = (each.interpret(WAV, "siren") for each in (trained, free))
    torch.testing.assert_close(one.similarity, other.similarity)
    assert one.mask.shape == other.mask.shape and not torch.equal(one.mask, other.mask)
    prints = {trained.fingerprint, free.fingerprint}
    prints |= {trained.with_explainer("gradcam").fingerprint}
    assert len(prints) == 3
    assert free.fingerprint == trained.with_explainer("input-x-gradient").fingerprint


def test_free_interpreters_batch_clips(clap):
    """A batch gives the results of single clips."""
    interpreter = Interpreter.from_classifier(clap, explainer="gradcam")
    wavs = torch.stack([synthesize("siren", seed=s, seconds=1.0) for s in (1, 2)])
    for wav, result in zip(wavs, interpreter.interpret_batch(wavs, "siren")):
        alone = interpreter.interpret(wav, "siren")
        assert (result.mask - alone.mask).abs().mean() < 1e-3  # bins that tie may swap


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Interpreter.from_classifier("mini", "waves"), "masking must be mel or stft, got"),
        (lambda: Interpreter.from_classifier("mini", explainer="shap"), "explainer must be salie"),
        (lambda: Interpreter.from_classifier("minni"), "NAME is one of mini, efficientat"),
        (lambda: Interpreter.from_classifier(torch.nn.ReLU()), "must be an AudioClassifier or"),
        (lambda: InterpreterSource(masking="mel").load(), "masking must be given with a classif"),
        (lambda: InterpreterSource("here", classifier="mini").load(), "must not both be given"),
    ],
)
def test_invalid_descriptions_are_refused(call, message):
    """Each wrong argument is one sentence."""
    with pytest.raises(InputError, match=message):
        call()


def test_sources_load_what_they_describe():
    """A source is a decoder, its classifier with an explainer, or a classifier."""
    assert InterpreterSource().load().explainer_name == "LMAC-ZS-G"
    assert InterpreterSource(explainer="energy").load().explainer_name == "energy"
    free = InterpreterSource(classifier="mini", masking="mel").load()
    assert free.explainer_name == "integrated-gradients"
    assert type(free.model.classifier.domain).__name__ == "MelDomain"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("mini", ("mini", None, {})),
        ("laion:a,b.pt", ("laion", "a,b.pt", {})),
        (
            "transformers:C:/models/clap,lowest_hz=0.5,bfloat16=true",
            ("transformers", "C:/models/clap", {"lowest_hz": 0.5, "bfloat16": True}),
        ),
    ],
)
def test_descriptions_are_split(text, expected):
    """Settings follow the weights, which may have commas and colons."""
    assert parse_description(text) == expected


def test_folders_are_claps_of_transformers(tmp_path):
    """A folder needs no adapter name."""
    assert parse_description(str(tmp_path)) == ("transformers", str(tmp_path), {})
