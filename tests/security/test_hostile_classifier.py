"""Hostile classifiers of third parties are refused within seconds and not executed."""

import hashlib
import io
import json
import pickle
import struct
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from speechbrain_lmac import Interpreter
from speechbrain_lmac.models.clap.transformers import TransformersCLAP
from speechbrain_lmac.models.clap.transformers_files import read_config
from speechbrain_lmac.pretrained.export import DECODER_FILE, HPARAMS_FILE
from speechbrain_lmac.utils.errors import InputError
from tests.security.conftest import CPU, ENORMOUS, REPO, Touch
from tests.security.guest import (
    EVE,
    ROBERTA,
    Guest,
    another_class,
    changed_config,
    changed_settings,
    changed_tokenizer,
    changed_weights,
    pickled_weights,
    replaced_file,
    scaled_decoder,
    with_pipe,
    write_third_party,
)


@pytest.mark.parametrize(
    "changed",
    [
        {"attn_implementation": "evil/kernel"},
        {"audio_config": {"quantization_config": {"quant_method": "gptq"}}},
        {"transformers_weights": "../x"},
    ],
)
def test_config_with_other_code_is_refused(changed, tmp_path):
    """Settings that make transformers run other code are refused."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clap", **changed}))
    with pytest.raises(InputError, match="is refused"):
        read_config(tmp_path)


@pytest.fixture(scope="module")
def third(tmp_path_factory):
    """Files of a small CLAP and of its tokenizer."""
    return write_third_party(tmp_path_factory.mktemp("eve"), tmp_path_factory.mktemp("words"))


@pytest.fixture
def guest(hub, third, marker):
    """Honest interpreter with a CLAP of a third party."""
    return Guest(hub, third)


def test_honest_third_party_is_loaded(guest):
    """Each hostile classifier differs from this one in one part."""
    loaded = guest.load()
    clap = loaded.model.classifier.audio_classifier
    assert clap.reference.sha256 == hashlib.sha256(guest.clap["model.safetensors"]).hexdigest()
    assert loaded.classify_file(torch.rand(48000).numpy(), sample_rate=48000).best


EMBEDDING = "text_model.embeddings.word_embeddings.weight"
NORM = "audio_model.audio_encoder.norm.weight"
MINI = "models.clap.mini.MiniCLAP"
LAION, MICROSOFT = "models.clap.laion.LaionCLAP", "models.clap.microsoft.MicrosoftCLAP"
SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}
CONFIG = {
    "a vocabulary": changed_config("text_config", vocab_size=10**9),
    "layers": changed_config("text_config", num_hidden_layers=10**6),
    "layers in total": changed_config("text_config", num_hidden_layers=64, hidden_size=4096),
    "a width": changed_config("text_config", hidden_size=10**6),
    "an inner width": changed_config("text_config", intermediate_size=10**9),
    "positions": changed_config("text_config", max_position_embeddings=10**9),
    "types": changed_config("text_config", type_vocab_size=10**9),
    "heads": changed_config("text_config", num_attention_heads=10**9),
    "a negative number": changed_config("text_config", vocab_size=-(10**9)),
    "no heads": changed_config("text_config", num_attention_heads=0),
    "an unknown activation": changed_config("text_config", hidden_act="os.system"),
    "not a number": changed_config("text_config", layer_norm_eps=float("nan")),
    "an infinite number": changed_config("text_config", layer_norm_eps=float("inf")),
    "text for a number": changed_config("text_config", num_hidden_layers="12"),
    "depths": changed_config("audio_config", depths=[10**5] * 4),
    "depths together": changed_config("audio_config", depths=[60, 60, 60, 60]),
    "stages": changed_config("audio_config", depths=[1] * 100, num_attention_heads=[1] * 100),
    "patches": changed_config("audio_config", patch_embeds_hidden_size=10**6),
    "no patch": changed_config("audio_config", patch_size=0),
    "an image": changed_config("audio_config", spec_size=10**6),
    "bands": changed_config("audio_config", num_mel_bins=10**6),
    "a window": changed_config("audio_config", window_size=10**5),
    "a ratio": changed_config("audio_config", mlp_ratio=1e9),
    "fusion": changed_config("audio_config", enable_fusion=True),
    "a projection": changed_config(None, projection_dim=10**9),
    "no part": changed_config(None, text_config=3),
    "code": changed_config(None, auto_map={"AutoModel": "eve--clap.Model"}),
    "kernels": changed_config("audio_config", attn_implementation="eve/kernel"),
    "quantised": changed_config(None, quantization_config={"quant_method": "gptq"}),
    "weights elsewhere": changed_config(None, transformers_weights="../x"),
    "no mapping": replaced_file("config.json", b"[1]"),
    "no JSON": replaced_file("config.json", b"\xff\xfe{"),
    "nesting": replaced_file("config.json", b'{"a":' + 100_000 * b"[" + 100_000 * b"]" + b"}"),
    "a long file": replaced_file("config.json", b'{"a": "' + (1 << 20) * b"a" + b'"}'),
    "another rate": replaced_file("preprocessor_config.json", b'{"sampling_rate": 8000}'),
}
ENORMOUS_FILE = struct.pack("<Q", len(ENORMOUS)) + ENORMOUS
WEIGHTS = {
    "a pickle": lambda g, marker: g.clap.update(
        {"model.safetensors": pickle.dumps(Touch(str(marker)))}
    ),
    "torn": lambda g, _: g.clap.update({"model.safetensors": g.clap["model.safetensors"][:-9]}),
    "empty": replaced_file("model.safetensors", b""),
    "an enormous header": replaced_file("model.safetensors", struct.pack("<Q", 1 << 62)),
    "an enormous tensor": replaced_file("model.safetensors", ENORMOUS_FILE),
    "one is missing": changed_weights(lambda s: s.pop(NORM)),
    "one too many": changed_weights(lambda s: s.update(more=torch.ones(2))),
    "another shape": changed_weights(lambda s: s.update({NORM: torch.ones(3)})),
    "a payload": pickled_weights(lambda s, marker: s.update(more=Touch(str(marker)))),
    "a payload in the old format": pickled_weights(
        lambda s, marker: s.update(more=Touch(str(marker))), True
    ),
    "no tensor": pickled_weights(lambda s, _: s.update({NORM: 3})),
    "an expanded tensor": pickled_weights(
        lambda s, _: s.update({EMBEDDING: torch.ones(1, 1).expand(10**9, 64)})
    ),
    "a sparse tensor": pickled_weights(
        lambda s, _: s.update({EMBEDDING: torch.sparse_coo_tensor(size=(10**9, 64))})
    ),
    "a tensor without values": pickled_weights(
        lambda s, _: s.update({EMBEDDING: torch.empty(10**9, 64, device="meta")})
    ),
}
SETTINGS = {
    "no commit": changed_settings(revision=None),
    "a branch": changed_settings(revision="main"),
    "a short commit": changed_settings(revision="abcdef1"),
    "its own tokenizer": changed_settings(tokenizer=None),
    "another's tokenizer": changed_settings(tokenizer="eve/words"),
    "a band above Nyquist": changed_settings(lowest_hz=900000.5),
    "a pipe for a repository": with_pipe("evepipe", changed_settings(source="evepipe")),
    "a pipe of its name": with_pipe(EVE, lambda guest, _: None),
    "a pipe for a tokenizer": with_pipe(ROBERTA, lambda guest, _: None),
    "a pipe for weights": with_pipe("pipe", another_class(MINI, weights="pipe")),
    "a pipe for EfficientAT": with_pipe(
        "pipe", another_class("models.clap.efficientat.EfficientATCLAP", weights="pipe")
    ),
    "a pipe for LAION's": with_pipe("630k-best.pt", another_class(LAION, weights="630k-best.pt")),
    "a device": another_class(MINI, weights="zero"),
    "LAION's at a branch": another_class(LAION, revision="main"),
    "Microsoft's, the latest": another_class(MICROSOFT),
    "Microsoft's at a branch": another_class(MICROSOFT, revision="main"),
    "large weights": scaled_decoder(1e30, "weight"),
    "large biases": scaled_decoder(3e38, "bias"),
    "an invalid pattern": changed_tokenizer(
        lambda words: words.update(pre_tokenizer={**SPLIT, "pattern": {"Regex": "("}})
    ),
    "an unknown model": changed_tokenizer(lambda words: words["model"].update(type="Evil")),
    "an empty vocabulary": changed_tokenizer(
        lambda words: words["model"].update(vocab={}, merges=[])
    ),
}
THIRDS = {**CONFIG, **WEIGHTS, **SETTINGS}


@pytest.mark.parametrize("name", THIRDS)
def test_hostile_classifier_is_refused(name, guest, marker):
    """One part is hostile, so the refusal is for that part."""
    assert len(THIRDS) >= 60
    THIRDS[name](guest, marker)
    start = time.monotonic()
    with pytest.raises(InputError) as refused:
        guest.load()
    assert time.monotonic() - start < 10
    assert not marker.exists()
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("second_file", ["model.safetensors.index.json", "pytorch_model.bin"])
def test_second_weights_are_not_read(second_file, guest, tmp_path):
    """transformers prefers an index file to the file that was hashed."""
    model, folder = guest.clap.copy(), tmp_path / "mine"
    guest.clap = {name: data for name, data in model.items() if name != "model.safetensors"}
    state = load(model["model.safetensors"])
    state[NORM] += 1
    index = {"weight_map": dict.fromkeys(state, "other.safetensors"), "metadata": {}}
    second = {"model.safetensors.index.json": json.dumps(index).encode()}
    files = {**model, **guest.tokenizer, second_file: second.get(second_file, b"x")}
    for name, data in files.items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    with pytest.raises(InputError, match="must hold one file of weights"):
        TransformersCLAP(folder)
    buffer = io.BytesIO()
    torch.save(load(model["model.safetensors"]), buffer)
    guest.clap |= {"pytorch_model.bin": buffer.getvalue(), "other.safetensors": save(state)}
    guest.clap |= second
    loaded = guest.load().model.classifier.audio_classifier
    assert loaded.reference.sha256 == hashlib.sha256(buffer.getvalue()).hexdigest()
    assert (loaded.audio.encoder.norm.weight == load(model["model.safetensors"])[NORM]).all()


def test_each_file_is_opened_once(guest, tmp_path):
    """A checked file is not opened again, so it cannot be swapped before it is used."""
    guest.load()
    opened = []
    names = (HPARAMS_FILE, DECODER_FILE, "model.safetensors", "config.json")

    def note(event, arguments):
        if event == "open" and watching and Path(str(arguments[0])).name in names:
            opened.append(Path(str(arguments[0])).name)

    watching = True
    sys.addaudithook(note)
    Interpreter.from_hparams(source=REPO, run_opts=CPU)
    watching = False
    assert sorted(opened) == sorted(names)
