"""Prompts that a text encoder does not read, or cannot tell apart, at every door."""

import warnings

import pytest
import torch

from speechbrain_lmac import Interpreter
from speechbrain_lmac.data.prompts import TEMPLATES, class_prompt
from speechbrain_lmac.evaluation.zero_shot import classify
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.models.text import minilm
from speechbrain_lmac.models.text.checks import no_panic
from speechbrain_lmac.utils.errors import InputError

UNSEEN = ["🐕", "雨", "猫", "\u200b", "\u202e\u2066", "\ufffd", "[UNK]", "[SEP]", "🐕!", "a" * 300]
SAME_MEANING_COSINE = [
    ("Rain", "rain"),
    ("rain", "  rain "),
    ("rain", "ráin"),
    ("rain", "ra\u200bin"),
    ("raining cats", "a recording of Raining cats"),
    ("🐕 barks", "🐈 barks"),
    ("it falls " * 300, "it falls " * 400),
]
PARTLY = [
    ("🐕 barks", "'🐕'"),
    ("do\u200bg barks", r"'\u200b'"),
    ("\u202esteps on gravel", r"'\u202e'"),
    ("it falls " * 300, "only the beginning"),
]


@pytest.fixture
def fresh():
    """A CLAP to which all prompts are new."""
    return MiniCLAP()


@pytest.fixture(scope="module")
def interpreter():
    return Interpreter.from_hparams(source="mini-mel", run_opts={"device": "cpu"})


@pytest.mark.parametrize("prompt", UNSEEN)
@pytest.mark.parametrize("template", TEMPLATES)
def test_an_unread_prompt_is_refused_by_name(fresh, prompt, template):
    with pytest.raises(InputError) as refused:
        fresh.queries(["rain", class_prompt(prompt, template)])
    assert prompt.strip("\u200b\u202e\u2066")[:40] in str(refused.value)


@pytest.mark.parametrize("prompts", SAME_MEANING_COSINE)
@pytest.mark.filterwarnings("ignore:the text encoder", "ignore:only the beginning")
def test_prompts_with_equal_tokens_are_refused(fresh, prompts):
    with pytest.raises(InputError, match="are the same to the text encoder"):
        fresh.queries(prompts)
    first, second = fresh.queries(prompts, distinct=False)
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)


@pytest.mark.parametrize("prompt, part", PARTLY)
def test_what_is_read_in_part_is_a_warning(fresh, prompt, part):
    with pytest.warns(UserWarning) as said:
        fresh.queries([prompt, "rain"])
    assert part in str(said[0].message) and str(said[0].message).isprintable()


@pytest.mark.parametrize("bad", ["for\udceat", "\ud800"])
def test_text_that_is_no_utf8_is_refused(fresh, bad):
    with pytest.raises(InputError, match="not UTF-8"):
        fresh.queries(["rain", bad])


def test_synonyms_and_other_scripts_are_asked(fresh):
    asked = [
        "a dog barks",
        "barking of a dog",
        "собака лает",
        "犬",
        "e\u0301t\u00e9",
        "...",
        "$x^2$",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fresh.queries(asked).shape == (7, 256)


def test_keys_of_the_table_are_the_tokenizers():
    """The oracle: the tokenizer itself, without the table."""
    text = minilm.MiniLM()
    prompts = list(text.table)[::97]
    known = [text.read(prompt, prompt).key for prompt in prompts]
    text.table = {}
    assert known == [text.read(prompt, prompt).key for prompt in prompts]


def test_known_prompts_are_checked_without_a_model(fresh, monkeypatch):
    monkeypatch.setattr(minilm, "find_model", lambda: pytest.fail("the model is asked"))
    fresh.class_queries(["rain", "dog"], list(TEMPLATES))
    with pytest.raises(InputError, match="are the same"):
        fresh.queries(["the sound of rain", "a recording of rain"])


@pytest.mark.parametrize("prompts", [["🐕", "rain"], ["Rain", "rain"], ["rain", "do\udceag"]])
def test_every_door_has_the_check(interpreter, wavs, prompts):
    clap, sound = interpreter.model.classifier.audio_classifier, wavs[0].numpy()
    clips = torch.zeros(1, clap.query_dim)
    doors = [
        lambda: interpreter.interpret(wavs[0], prompts),
        lambda: interpreter.interpret_batch(wavs[:1], prompts),
        lambda: interpreter.interpret_file(sound, prompts, sample_rate=32000),
        lambda: interpreter.classify_file(sound, prompts, sample_rate=32000),
        lambda: interpreter.classify_file(sound, prompts, "hark: {}", sample_rate=32000),
        lambda: interpreter.query(prompts),
        lambda: interpreter.query(prompts[1], prompts[0]),
        lambda: interpreter.label_queries(prompts, "{}"),
        lambda: clap.class_queries(prompts, ["a {} indeed"]),
        lambda: classify(clap, clips, [], prompts, {"bare": prompts}),
    ]
    for door in doors:
        with pytest.raises(InputError):
            door()


def test_published_encoders_have_the_check(laion_htsat):
    """Byte-level tokenizers know every letter; what does not show is none to a reader."""
    for unseen in ("\u200b\u200d", "\ud800", "<s>", "<pad></s>"):
        with pytest.raises(InputError):
            laion_htsat.queries([unseen, "rain"])
    with pytest.raises(InputError, match="are the same"):
        laion_htsat.queries(["rain falls", "rain\u200b falls"])
    with pytest.warns(UserWarning, match="only the beginning"):
        laion_htsat.queries(["it falls " * 100])
    assert laion_htsat.queries(["Rain", "rain", "🐕"]).shape == (3, laion_htsat.query_dim)


def test_a_panic_of_the_tokenizer_is_bad_input():
    class PanicException(BaseException):
        pass

    with pytest.raises(InputError, match="it cannot be used: stack overflow"), no_panic("it"):
        raise PanicException("stack overflow\nnote: more")
    with pytest.raises(KeyboardInterrupt), no_panic("it"):
        raise KeyboardInterrupt
