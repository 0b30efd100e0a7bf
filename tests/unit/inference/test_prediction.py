"""Predictions, classifications and probabilities, of a CLAP and of a supervised classifier."""

import pytest
import soundfile
import torch

from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.inference.prediction import probable_prompts
from speechbrain_lmac.utils.errors import InputError
from tests.unit.inference.conftest import questions


def test_probabilities_are_the_classifiers(any_interpreter, wavs):
    """They are a CLAP's softmax over the prompts, bit by bit, and a head's own probabilities."""
    prompts = questions(any_interpreter, "siren", "rain")
    result = any_interpreter.interpret(wavs[2], prompts)
    classifier = any_interpreter.audio_classifier
    vector = classifier(any_interpreter.encoder_input(wavs[2])).vector
    expected = classifier.probabilities(vector, classifier.queries(prompts)).squeeze(0)
    torch.testing.assert_close(result.probabilities, expected)
    if classifier.class_names is None:
        assert torch.equal(result.probabilities, result.similarity.softmax(dim=0))
    else:
        torch.testing.assert_close(result.probabilities, result.similarity.sigmoid())
        torch.testing.assert_close(result.probabilities, result.presence)


def test_no_prompt_explains_the_prediction(any_interpreter, siren_file, wavs, tmp_path):
    """The prompt is the question of the most probable class, for files, clips and batches."""
    best = any_interpreter.classify_file(siren_file).best
    prompts = tuple(questions(any_interpreter, best))
    result = any_interpreter.interpret_file(siren_file)
    assert result.prompts == prompts and not result.absent.any()
    given = any_interpreter.interpret_file(siren_file, prompts)
    assert torch.equal(result.mask, given.mask)
    assert any_interpreter.interpret(result.original).prompts == prompts
    timeline = any_interpreter.interpret_recording(siren_file, None, tmp_path / "why")
    assert timeline.prompts == prompts
    batch = any_interpreter.interpret_batch(wavs)
    assert [each.prompts for each in batch] == [
        any_interpreter.interpret(wav).prompts for wav in wavs
    ]


def test_predicted_prompts_are_the_probable(any_interpreter, siren_file):
    """All classes from a probability on, most probable first, and at least one."""
    top = any_interpreter.classify_file(siren_file).top(5)
    found = any_interpreter.predicted_prompts(siren_file, min_probability=top[2][1] - 1e-6)
    assert found[:3] == questions(any_interpreter, *(name for name, _ in top[:3]))
    assert any_interpreter.predicted_prompts(siren_file, 1.0) == found[:1]
    assert any_interpreter.predicted_prompts(siren_file) == found[:1]


def test_probable_prompts_are_never_empty(any_interpreter):
    """The first of equal classes is returned if none is probable."""
    classifier = any_interpreter.audio_classifier
    count = len(any_interpreter.label_queries()[0])
    (prompt,) = probable_prompts(classifier, torch.zeros(count), min_probability=0.5)
    assert prompt == classifier.question(any_interpreter.label_queries()[0][0])


def test_recording_prediction_is_of_any_window(any_interpreter, tmp_path):
    """A class counts by the window in which it is most probable."""
    sound = torch.zeros(20 * SAMPLE_RATE)
    sound[10 * SAMPLE_RATE : 15 * SAMPLE_RATE] = synthesize("siren", seed=2, seconds=5.0)
    soundfile.write(tmp_path / "long.wav", sound.numpy(), SAMPLE_RATE)
    expected = any_interpreter.predicted_prompts(
        sound[10 * SAMPLE_RATE : 15 * SAMPLE_RATE], sample_rate=SAMPLE_RATE
    )
    (prompt,) = any_interpreter.predicted_prompts(tmp_path / "long.wav")
    assert any_interpreter.audio_classifier.class_names or [prompt] == expected
    timeline = any_interpreter.interpret_recording(tmp_path / "long.wav", None, tmp_path / "why")
    assert timeline.prompts == (prompt,)


def test_classify_file_default_labels(any_interpreter, siren_file):
    """The labels are the classes of the classifier, or the 50 of ESC-50."""
    result = any_interpreter.classify_file(siren_file)
    names = any_interpreter.audio_classifier.class_names
    assert len(result.labels) == (50 if names is None else 527)
    assert names is None or result.labels == names
    assert result.top(1) == [(result.best, result.probabilities.max().item())]
    two = any_interpreter.classify_file(siren_file, ["siren", "rain"])
    explained = any_interpreter.interpret_file(
        siren_file, questions(any_interpreter, "siren", "rain")
    )
    torch.testing.assert_close(two.probabilities, explained.probabilities)


def test_contrast_between_classes(any_interpreter, wavs):
    """Why a rather than b: the probabilities add up to one, and the masks differ."""
    first, second = questions(any_interpreter, "siren", "rain")
    rather = any_interpreter.interpret(wavs[2], first, against=second)
    reverse = any_interpreter.interpret(wavs[2], second, against=first)
    torch.testing.assert_close(rather.probabilities, 1 - reverse.probabilities)
    assert not rather.absent.any() and not torch.equal(rather.mask, reverse.mask)
    with pytest.raises(InputError, match="must differ in meaning"):
        any_interpreter.interpret(wavs[2], first, against=first.upper())


def test_unknown_class_names_the_nearest(labels_source, siren_file):
    """The error suggests names; two spellings of one class are refused."""
    from speechbrain_lmac import Interpreter

    interpreter = Interpreter.from_hparams(source=labels_source, run_opts={"device": "cpu"})
    with pytest.raises(InputError, match=r"one of 527, got 'sirens'. Did you mean 'Siren'"):
        interpreter.interpret_file(siren_file, "sirens")
    with pytest.raises(InputError, match=r"one of 527, got 'cats'. Did you mean"):
        interpreter.interpret_file(siren_file, "dog", against="cats")
    with pytest.raises(InputError, match="two spellings"):
        interpreter.interpret_file(siren_file, ["dog", "Dog"])
    with pytest.raises(InputError, match=r"one of 527, got 'a dog'"):
        interpreter.classify_file(siren_file, ["a dog", "cat"])


def test_batches_classify_as_files(any_interpreter, siren_file):
    """Vectors and classifications of padded clips equal those of the files alone."""
    wav = any_interpreter.load_audio(siren_file)
    other = wav[: len(wav) // 2]
    wavs = torch.nn.utils.rnn.pad_sequence([wav, other], batch_first=True)
    wav_lens = torch.tensor([1.0, len(other) / len(wav)])
    vectors = any_interpreter.encode_batch(wavs, wav_lens)
    results = any_interpreter.classify_batch(wavs, wav_lens)
    for clip, vector, result in zip((wav, other), vectors, results):
        alone = any_interpreter.classify_file(clip, sample_rate=any_interpreter.sample_rate)
        torch.testing.assert_close(result.probabilities, alone.probabilities)
        assert result.labels == alone.labels and result.best in repr(result)
        expected = any_interpreter.audio_classifier(any_interpreter.encoder_input(clip)).vector
        torch.testing.assert_close(vector, expected[0])
