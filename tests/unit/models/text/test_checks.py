"""Prompts that a text encoder cannot encode or distinguish are refused by every function."""

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

WITHOUT_TOKENS = [
    *("🐕", "雨", "猫", "\u200b", "\u202e\u2066", "\ufffd"),
    *("[UNK]", "[SEP]", "🐕!", "a" * 300),
]
EQUAL_TOKENS = [
    ("Rain", "rain"),
    ("rain", "  rain "),
    ("rain", "ráin"),
    ("rain", "ra\u200bin"),
    ("raining cats", "a recording of Raining cats"),
    ("🐕 barks", "🐈 barks"),
    ("it falls " * 300, "it falls " * 400),
]
PARTLY_ENCODED = [
    ("🐕 barks", "'🐕'"),
    ("do\u200bg barks", r"'\u200b'"),
    ("\u202esteps on gravel", r"'\u202e'"),
    ("it falls " * 300, "only the beginning"),
]
"""Prompts, and the part that the warning names."""


@pytest.fixture(scope="module")
def text_encoder():
    """Return one text encoder, whose model is loaded once."""
    return minilm.MiniLM()


@pytest.fixture
def new_clap(text_encoder):
    """Return a CLAP without cached prompts."""
    clap = MiniCLAP()
    clap.text_encoder = text_encoder
    return clap


@pytest.fixture(scope="module")
def interpreter():
    return Interpreter.from_hparams(source="mini-mel", run_opts={"device": "cpu"})


@pytest.mark.parametrize("prompt", WITHOUT_TOKENS)
@pytest.mark.parametrize("template", TEMPLATES)
def test_prompt_without_tokens_is_refused(new_clap, prompt, template):
    """The error names the prompt."""
    with pytest.raises(InputError) as error:
        new_clap.queries(["rain", class_prompt(prompt, template)])
    assert prompt.strip("\u200b\u202e\u2066")[:40] in str(error.value)


@pytest.mark.parametrize("prompts", EQUAL_TOKENS)
@pytest.mark.filterwarnings("ignore:the text encoder", "ignore:only the beginning")
def test_prompts_with_equal_tokens_are_refused(new_clap, prompts):
    """Their embeddings are equal."""
    with pytest.raises(InputError, match="are the same to the text encoder"):
        new_clap.queries(prompts)
    first, second = new_clap.queries(prompts, distinct=False)
    torch.testing.assert_close(first, second, atol=1e-5, rtol=0)


@pytest.mark.parametrize("prompt, part", PARTLY_ENCODED)
def test_partly_encoded_prompt_is_a_warning(new_clap, prompt, part):
    """The warning names the part without invisible characters."""
    with pytest.warns(UserWarning) as caught:
        new_clap.queries([prompt, "rain"])
    message = str(caught[0].message)
    assert part in message and message.isprintable()


@pytest.mark.parametrize("bad", ["for\udceat", "\ud800"])
def test_prompt_must_be_utf8(new_clap, bad):
    """Bytes of another encoding are refused."""
    with pytest.raises(InputError, match="not UTF-8"):
        new_clap.queries(["rain", bad])


def test_synonyms_and_other_scripts_are_encoded(new_clap):
    """Without a warning."""
    prompts = [
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
        assert new_clap.queries(prompts).shape == (7, 256)


def test_table_keys_equal_those_of_the_tokenizer():
    """Every 97th prompt of the table is read by the tokenizer without the table."""
    text = minilm.MiniLM()
    prompts = list(text.table)[::97]
    from_table = [text.read(prompt, prompt).key for prompt in prompts]
    text.table = {}
    assert from_table == [text.read(prompt, prompt).key for prompt in prompts]


def test_table_prompts_need_no_model(monkeypatch):
    """They are embedded and compared without loading the model."""
    monkeypatch.setattr(minilm, "find_model", lambda: pytest.fail("the model is loaded"))
    clap = MiniCLAP()
    clap.class_queries(["rain", "dog"], list(TEMPLATES))
    with pytest.raises(InputError, match="are the same"):
        clap.queries(["the sound of rain", "a recording of rain"])


@pytest.mark.parametrize("prompts", [["🐕", "rain"], ["Rain", "rain"], ["rain", "do\udceag"]])
def test_every_function_checks_prompts(interpreter, wavs, prompts):
    """Public functions that take prompts or class names refuse them."""
    clap, sound = interpreter.model.classifier.audio_classifier, wavs[0].numpy()
    clips = torch.zeros(1, clap.query_dim)
    calls = [
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
    for call in calls:
        with pytest.raises(InputError):
            call()


def test_tokenizer_panic_is_an_input_error():
    """Panics of the Rust library are no Exceptions; interrupts pass."""

    class PanicException(BaseException):
        pass

    with pytest.raises(InputError, match="it cannot be used: stack overflow"), no_panic("it"):
        raise PanicException("stack overflow\nnote: more")
    with pytest.raises(KeyboardInterrupt), no_panic("it"):
        raise KeyboardInterrupt
