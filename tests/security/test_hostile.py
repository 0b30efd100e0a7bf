"""Repositories that mean harm, served by a Hub on loopback: none of them leaves its marker."""

import hashlib
import io
import json
import os
import pickle
import re
import struct
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load, save
from transformers import ClapConfig, ClapModel

from speechbrain_lmac import Interpreter
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.checkpoints import read_checkpoint
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.models.clap.transformers import TransformersCLAP
from speechbrain_lmac.models.clap.transformers_files import read_config
from speechbrain_lmac.models.text.transformer import KNOWN
from speechbrain_lmac.pretrained.checkpoint import fingerprint
from speechbrain_lmac.pretrained.config import PARTS, build, read_interpreter_config
from speechbrain_lmac.pretrained.export import (
    DECODER_FILE,
    HPARAMS,
    HPARAMS_FILE,
    export_interpreter,
    hyperparams,
)
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.single_read import held
from tests.helpers import reference_models
from tests.helpers.fake_hub import StandIn
from tests.unit.utils.test_hub import point_at

CPU = {"device": "cpu"}
REPO = "mallory/maps"


def weights(decoder):
    """A file of a decoder's weights: bytes."""
    return save({name: value.contiguous() for name, value in decoder.state_dict().items()})


@pytest.fixture(scope="module")
def honest(clap):
    """Files of an interpreter that means no harm; untrained: for plumbing only."""
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    model = InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)
    text = hyperparams(model, "LMAC-ZS-D", {})
    return {HPARAMS_FILE: text, DECODER_FILE: weights(decoder)}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    stand_in = StandIn()
    point_at(monkeypatch, stand_in.endpoint, tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    yield stand_in
    stand_in.close()


@pytest.fixture
def marker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "marker"


def put(hub, files):
    return hub.put(REPO, {k: v.encode() if isinstance(v, str) else v for k, v in files.items()})


TOUCH = "pathlib.Path.touch [!new:pathlib.Path [MARKER]]"
SHELL = "os.system ['touch MARKER']"
WRITER = "speechbrain_lmac.audio.streaming_writer.StreamingWavWriter"
ADDED = {
    "call": f"x: !apply:{SHELL}",
    "call of a method": f"x: !apply:{TOUCH}",
    "call in a list": f"x: [1, [2, !apply:{SHELL}]]",
    "call in a key": f"? !apply:{SHELL}\n: 1",
    "object": "x: !new:subprocess.Popen [[touch, MARKER]]",
    "function": "x: !name:os.system",
    "module": "x: !module:antigravity",
    "own class that writes": f"x: !new:{WRITER} [MARKER]",
    "python call": "x: !!python/object/apply:os.system ['touch MARKER']",
    "python object": "x: !!python/object/new:type {args: [A, [], {}]}",
    "python name": "x: !!python/name:os.system",
    "python module": "x: !!python/module:antigravity",
    "include": "x: !include:other.yaml",
    "verbatim tag": f"x: !<!apply:os.system> ['touch MARKER']",  # noqa: F541
    "copy": "x: !copy <clap>",
    "placeholder": "x: !PLACEHOLDER",
    "arithmetic": "x: !ref <clap> * 2",
    "seed": "__set_seed: 1",
    "run options": "compile_module_keys: [model]",
    "pretrainer": "pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer",
    "next document": f"---\nx: !apply:{SHELL}",
    "anchors": "x: &a [1]\ny: *a",
    "laughter": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]",
    "itself": "a: &a [*a]",
    "merge": "<<: {method: x}",
    "part twice": "decoder: !new:speechbrain_lmac.masking.decoder.MaskDecoder",
    "line of another kind": f"x: 1\x85y: !apply:{SHELL}",
    "depth": "x: " + 200 * "[" + 200 * "]",
    "many": "x: [" + 5000 * "1," + "]",
    "long": "x: '" + (1 << 17) * "a" + "'",
    "no text at all": "\x00\x01",
    "date": "x: 2020-01-01",
    "escape beyond all letters": 'x: "\\UFFFFFFFF"',
    "forged line": "x: !a%0Aerror%0Ab 1",
}
"""What is appended to an honest file."""
REPLACED = {
    "tag handle": ("method:", f"%TAG ! !apply:\n---\nx: !{SHELL}\nmethod:"),
    "python handle": (
        "method:",
        "%TAG !p! tag:yaml.org,2002:python/object/apply:\n---\nx: !p!" + SHELL + "\nmethod:",
    ),
    "call for a number": ("channels: 8", f"channels: !apply:{SHELL}"),
    "another class": ("masking.decoder.MaskDecoder", "models.clap.mini.MiniCLAP"),
    "class of a part": ("masking.domains.MelDomain", "masking.decoder.MaskDecoder"),
    "part of a part": ("!ref <model>", "!ref <model.classifier.audio_classifier>"),
    "no reference": ("!ref <audio_classifier>", "audio_classifier"),
    "huge decoder": ("channels: 8", "channels: 999996"),
    "absurd decoder": ("channels: 8", "channels: -4"),
    "text for a number": ("channels: 8", "channels: (8, 8)"),
    "number of another base": ("channels: 8", "channels: 010"),
    "unknown setting": ("channels: 8", "channels: 8\n    device: cuda"),
    "another CLAP": ("classifier_sha256: ", "classifier_sha256: '00' #"),
    "weights of this machine": ("MiniCLAP", "MiniCLAP\n    weights: /etc/passwd"),
    "weights without end": ("MiniCLAP", "MiniCLAP\n    weights: /dev/zero"),
    "weights at home": ("MiniCLAP", "MiniCLAP\n    weights: ~/.ssh/id_rsa"),
    "a note of two lines": ('method: "LMAC-ZS-D"', 'method: "a\\nerror: done"'),
    "a number in other digits": ("channels: 8", 'channels: !!int "1٢"'),
    "a file that is here": ("MiniCLAP", "MiniCLAP\n    weights: custom.py"),
    "weights above": ("MiniCLAP", "MiniCLAP\n    weights: ../secret"),
    "weights at an address": ("MiniCLAP", "MiniCLAP\n    weights: http://127.0.0.1/x"),
    "weights of a drive": ("MiniCLAP", "MiniCLAP\n    weights: 'C:\\secret'"),
}
"""What in an honest file is replaced."""


@pytest.mark.parametrize("name", [*ADDED, *REPLACED])
def test_a_hostile_file_is_refused_and_leaves_no_marker(name, hub, honest, marker):
    text = honest[HPARAMS_FILE]
    if name in ADDED:
        text += "\n" + ADDED[name] + "\n"
    else:
        before, after = REPLACED[name]
        assert before in text
        text = text.replace(before, after, 1)
    files = {"other.yaml": f"x: !apply:{SHELL}", "custom.py": "open('MARKER', 'w')", **honest}
    files[HPARAMS_FILE] = text
    put(
        hub,
        {k: v.replace("MARKER", str(marker)) if k != DECODER_FILE else v for k, v in files.items()},
    )
    with pytest.raises(InputError) as refused:
        Interpreter.from_hparams(source=REPO, run_opts=CPU)
    assert not marker.exists()
    assert len(str(refused.value).splitlines()) == 1
    if "!apply" in text and "%TAG" not in text and name != "next document":
        assert re.search(r"line \d+", str(refused.value))


class Touch:
    """Leaves a marker where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def pickled(honest, marker):
    return pickle.dumps(Touch(marker))


def saved_by_torch(honest, marker):
    buffer = io.BytesIO()
    torch.save({"x": Touch(marker)}, buffer)
    return buffer.getvalue()


def changed(change):
    def file(honest, marker):
        state = load(honest[DECODER_FILE])
        change(state, next(iter(state)))
        return save(state)

    return file


def header(size, text=b"{}"):
    return lambda honest, marker: struct.pack("<Q", size) + text


ENORMOUS = b'{"x":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
WEIGHTS = {
    "pickle": pickled,
    "checkpoint of torch": saved_by_torch,
    "nothing": lambda honest, marker: b"",
    "cut off": lambda honest, marker: honest[DECODER_FILE][:-100],
    "enormous header": header(1 << 62),
    "enormous tensor": header(len(ENORMOUS), ENORMOUS),
    "one is missing": changed(lambda state, name: state.pop(name)),
    "one too many": changed(lambda state, name: state.update(extra=torch.zeros(1))),
    "another shape": changed(lambda state, name: state.update({name: torch.zeros(3, 5)})),
    "another kind": changed(lambda state, name: state.update({name: state[name].half()})),
    "no numbers": changed(lambda state, name: state.update({name: state[name] * torch.nan})),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_hostile_weights_are_refused_and_leave_no_marker(name, hub, honest, marker):
    put(hub, {**honest, DECODER_FILE: WEIGHTS[name](honest, str(marker))})
    with pytest.raises(InputError, match=r"decoder\.safetensors"):
        Interpreter.from_hparams(source=REPO, run_opts=CPU)
    assert not marker.exists()


def test_what_is_too_large_is_not_even_fetched(hub, honest, marker):
    put(hub, honest)
    hub.sizes = {DECODER_FILE: 10**11}
    with pytest.raises(InputError, match="too large"):
        Interpreter.from_hparams(source=REPO, run_opts=CPU)
    assert not any("resolve" in line for line in hub.asked)


def test_nothing_but_two_files_is_fetched(hub, honest, marker):
    code = f"open({str(marker)!r}, 'w')"
    put(hub, {**honest, "custom.py": code, "custom_interface.py": code, "setup.py": code})
    Interpreter.from_hparams(source=REPO, run_opts=CPU)
    fetched = {line.rsplit("/", 1)[1] for line in hub.asked if "resolve" in line}
    assert fetched == {HPARAMS_FILE, DECODER_FILE}
    assert not marker.exists()


def test_who_trusts_a_source_is_warned_and_runs_it(hub, honest, marker):
    """The attacks are real: without the check one leaves its marker."""
    call = ADDED["call"].replace("MARKER", str(marker))
    put(hub, {**honest, HPARAMS_FILE: f"{honest[HPARAMS_FILE]}\n{call}\n"})
    with pytest.warns(UserWarning, match="whatever .* says is run"):
        Interpreter.from_hparams(source=REPO, run_opts=CPU, trust_source=True)
    assert marker.exists()


def test_a_pinned_interpreter_is_that_one_or_none(hub, honest, tmp_path):
    first = put(hub, honest)
    other = weights(MaskDecoder([256, 128, 64, 32], 256, 8))
    put(hub, {**honest, DECODER_FILE: other})
    pinned = Interpreter.from_hparams(source=REPO, revision=first, run_opts=CPU)
    for name, data in honest.items():
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    assert pinned.fingerprint == fingerprint(tmp_path)
    with pytest.raises(InputError, match="not the interpreter asked for"):
        Interpreter.from_hparams(source=REPO, sha256=pinned.fingerprint, run_opts=CPU)
    again = {"revision": first, "sha256": pinned.fingerprint.upper()}
    assert Interpreter.from_hparams(source=REPO, run_opts=CPU, **again)


def test_a_folder_to_save_in_holds_each_source_apart(hub, honest, tmp_path):
    first = put(hub, honest)
    text = honest[HPARAMS_FILE].replace("LMAC-ZS-D", "another")
    hub.put("eve/maps", {HPARAMS_FILE: text.encode(), DECODER_FILE: honest[DECODER_FILE]})
    savedir = tmp_path / "kept"
    for source, revision, method in (
        (REPO, None, "LMAC-ZS-D"),
        ("eve/maps", None, "another"),
        (REPO, first, "LMAC-ZS-D"),
    ):
        loaded = Interpreter.from_hparams(
            source=source, revision=revision, savedir=savedir, run_opts=CPU
        )
        assert loaded.hparams.method == method


@pytest.mark.parametrize(
    "path", ["results/gone", "./gone", "../gone/x", "/gone/x", "~/gone", "C:\\gone\\x", "a/b/c"]
)
def test_a_path_that_is_not_there_is_not_looked_up(path, hub, marker):
    Path("results").mkdir()
    with pytest.raises(InputError, match="no interpreter at"):
        Interpreter.from_hparams(source=path, run_opts=CPU)
    assert not hub.asked


def test_twelve_classes_at_most_can_be_built():
    classes = {kind for kinds, _ in PARTS.values() for kind in kinds}
    assert len(classes) <= 12
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source in ("mini-mel", "mini-stft"):
            loaded = Interpreter.from_hparams(source=source, run_opts=CPU)
            assert type(loaded.model.decoder).__module__.startswith("speechbrain_lmac")


def test_what_is_built_is_what_was_read(honest):
    read = read_interpreter_config(honest[HPARAMS_FILE], "it")
    built = build(read)
    assert built["method"] == read.notes["method"]
    assert built["decoder"].config["hidden_channels"] == [256, 128, 64, 32]
    assert built["model"].classifier is built["classifier"]
    with pytest.raises(InputError, match="no setting wings"):
        build(read, {"decoder": {"wings": 2}})
    with pytest.raises(InputError, match="no part dog"):
        build(read, {"dog": {}})


TUPLE = "(!!python/object/apply:os.system ['touch MARKER'])"
"""HyperPyYAML builds what is in texts that look like tuples, by a loader that calls anything; but
in the first file of a process only."""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('method: "LMAC-ZS-D"', f'method: "{TUPLE}"'),
        ('classifier_name: "mini"', f'classifier_name: "{TUPLE}"'),
        ("channels: 8", f'"{TUPLE}": 8'),
        ("MiniCLAP", f'MiniCLAP\n    "{TUPLE}": 1'),
        ("MiniCLAP", f'MiniCLAP\n    weights: "{TUPLE}"'),
    ],
)
def test_texts_that_look_like_tuples_are_texts(before, after, honest, marker):
    folder = marker.parent / "downloaded"
    folder.mkdir()
    assert before in honest[HPARAMS_FILE]
    text = honest[HPARAMS_FILE].replace(before, after.replace("MARKER", str(marker)), 1)
    (folder / HPARAMS_FILE).write_text(text)
    (folder / DECODER_FILE).write_bytes(honest[DECODER_FILE])
    code = "import sys\nfrom speechbrain_lmac import Interpreter\n"
    code += "Interpreter.from_hparams(source=sys.argv[1], run_opts={'device': 'cpu'})"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or "InputError" in done.stderr
    assert not marker.exists()


THIRD = "models.clap.transformers.TransformersCLAP"


@pytest.mark.parametrize(
    "settings",
    [
        {"source": "eve/clap"},
        {"source": "eve/clap", "revision": "main"},
        {"source": "eve/clap", "revision": 40 * "a", "tokenizer": "eve/words"},
    ],
)
def test_a_third_repository_must_name_a_commit(settings, hub, honest, marker):
    lines = "".join(f"\n    {name}: {value}" for name, value in settings.items())
    text = honest[HPARAMS_FILE].replace("models.clap.mini.MiniCLAP", THIRD + lines)
    put(hub, {**honest, HPARAMS_FILE: text})
    with pytest.raises(InputError, match=r"revision|tokenizer"):
        Interpreter.from_hparams(source=REPO, run_opts=CPU)
    assert not any("eve" in line for line in hub.asked)


@pytest.mark.parametrize(
    ("name", "value"),
    [("query_dim", 7), ("hidden_channels", [3, 5]), ("hidden_channels", [256, 128, 64, 32, 16])],
)
def test_a_decoder_of_another_clap_is_refused(name, value, hub, honest, marker):
    made = {"hidden_channels": [256, 128, 64, 32], "query_dim": 256, "channels": 8, name: value}
    text = honest[HPARAMS_FILE].replace(
        f"{name}: {[256, 128, 64, 32] if name != 'query_dim' else 256}", f"{name}: {value}"
    )
    assert text != honest[HPARAMS_FILE]
    put(hub, {HPARAMS_FILE: text, DECODER_FILE: weights(MaskDecoder(**made))})
    with pytest.raises(InputError, match="does not fit its CLAP"):
        Interpreter.from_hparams(source=REPO, run_opts=CPU)


@pytest.mark.parametrize("source", ["x" * 5000, "a" * 300 + "/b", "a/..", "a/b--c", "\x00/b"])
def test_a_source_of_no_kind_is_one_sentence(source, hub, marker, tmp_path):
    for savedir in (None, tmp_path / "kept"):
        with pytest.raises(InputError):
            Interpreter.from_hparams(source=source, savedir=savedir, run_opts=CPU)


def test_an_honest_file_is_read_whatever_its_names(clap, tmp_path):
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    model = InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)
    folder = export_interpreter(model, 'LMAC\'s: "é" #1', tmp_path / "Öut: dir" / "it")
    assert Interpreter.from_hparams(source=folder, run_opts=CPU).hparams.method.endswith("#1")


def test_what_transformers_claps_publish_is_read(honest):
    lines = "\n    source: laion/clap-htsat-unfused\n    revision: null\n    tokenizer: null"
    text = honest[HPARAMS_FILE].replace("models.clap.mini.MiniCLAP", THIRD + lines)
    assert (
        read_interpreter_config(text, "it", downloaded=True).parts["audio_classifier"].kind == THIRD
    )


@pytest.mark.parametrize("overrides", ["clap: [", "a: !x y", "1: {}\nx: {}", "0", {"clap": {1: 2}}])
def test_overrides_of_no_kind_are_one_sentence(overrides):
    with pytest.raises(InputError):
        Interpreter.from_hparams(source="mini-mel", overrides=overrides, run_opts=CPU)


@pytest.mark.parametrize(
    "changed",
    [
        {"attn_implementation": "evil/kernel"},
        {"audio_config": {"quantization_config": {"quant_method": "gptq"}}},
        {"transformers_weights": "../x"},
    ],
)
def test_a_configuration_that_steers_transformers_is_refused(changed, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clap", **changed}))
    with pytest.raises(InputError, match="is refused"):
        read_config(tmp_path)


EVE = "eve/clap"
SMALL = {
    "text_config": {
        **{"vocab_size": reference_models.VOCABULARY, "hidden_size": 64, "num_hidden_layers": 1},
        **{"num_attention_heads": 1, "intermediate_size": 64, "max_position_embeddings": 514},
    },
    "audio_config": {
        **{"patch_embeds_hidden_size": 16, "depths": [1, 1, 1, 1], "hidden_size": 128},
        "num_attention_heads": [1, 2, 4, 8],
    },
    "projection_dim": 32,
}


@pytest.fixture(scope="module")
def third(tmp_path_factory):
    """Files of a third repository's CLAP and of a tokenizer; random weights: for plumbing only."""
    torch.manual_seed(0)
    folder, words = tmp_path_factory.mktemp("eve"), tmp_path_factory.mktemp("words")
    ClapModel(ClapConfig(**SMALL)).save_pretrained(folder)
    reference_models.write_tokenizer(words)
    held = {path.name: path.read_bytes() for path in folder.iterdir()}
    return held, {path.name: path.read_bytes() for path in words.iterdir()}


class Guests:
    """An interpreter on a third repository's CLAP, honest but for what is changed."""

    def __init__(self, hub, third):
        self.hub, (files, words) = hub, third
        self.clap, self.words = dict(files), dict(words)
        self.settings = {"source": EVE, "tokenizer": ROBERTA}
        self.kind = THIRD
        made = {"hidden_channels": [128, 64, 32, 16], "query_dim": 32, "channels": 8}
        torch.manual_seed(0)
        self.decoder = MaskDecoder(**made).state_dict()
        self.config = made

    def setting(self, part, **changes):
        """Change its CLAP's config.json."""
        described = json.loads(self.clap["config.json"])
        (described[part] if part else described).update(changes)
        self.clap["config.json"] = json.dumps(described).encode()

    def text(self, commit):
        settings = {"revision": commit, **self.settings}
        lines = "".join(f"\n    {k}: {v}" for k, v in settings.items() if v is not None)
        (file,) = [name for name in self.clap if name in WEIGHT_FILES] or ["config.json"]
        digest = hashlib.sha256(self.clap[file]).hexdigest()
        return HPARAMS.format(
            method="LMAC-ZS-D",
            notes=["LMAC-ZS-D", "transformers", commit, f'"{digest}"'],
            masking="mel",
            classifier_class=f"speechbrain_lmac.{self.kind}",
            classifier_settings=lines,
            domain_class="speechbrain_lmac.masking.domains.MelDomain",
            decoder_config="".join(f"\n    {k}: {v}" for k, v in self.config.items()),
        )

    def load(self):
        commit = self.hub.put(EVE, self.clap)
        self.hub.commits[ROBERTA] = [(KNOWN[ROBERTA], self.words)]
        state = {name: value.contiguous() for name, value in self.decoder.items()}
        put(self.hub, {HPARAMS_FILE: self.text(commit), DECODER_FILE: save(state)})
        return Interpreter.from_hparams(source=REPO, run_opts=CPU)


WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
ROBERTA = "FacebookAI/roberta-base"


@pytest.fixture
def guests(hub, third, marker):
    return Guests(hub, third)


def test_an_honest_third_clap_is_loaded(guests):
    """What every hostile one is changed from in one part only."""
    loaded = guests.load()
    clap = loaded.model.classifier.audio_classifier
    assert clap.reference.sha256 == hashlib.sha256(guests.clap["model.safetensors"]).hexdigest()
    assert loaded.classify_file(torch.rand(48000).numpy(), sample_rate=48000).best


def described(part, /, **changes):
    return lambda guests, _: guests.setting(part, **changes)


def written(name, content):
    return lambda guests, _: guests.clap.update({name: content})


def asked(**settings):
    return lambda guests, _: guests.settings.update(settings)


def of_kind(kind, **settings):
    def change(guests, _):
        guests.kind, guests.settings = kind, {"revision": None, **settings}

    return change


def tensors(change):
    """Another file of weights, under the names of the honest one."""

    def spoil(guests, _):
        state = load(guests.clap["model.safetensors"])
        change(state)
        guests.clap["model.safetensors"] = save(state)

    return spoil


def pickled_weights(make, old=False):
    """``pytorch_model.bin`` in place of safetensors, spoilt."""

    def spoil(guests, marker):
        state = load(guests.clap.pop("model.safetensors"))
        make(state, marker)
        buffer = io.BytesIO()
        torch.save(state, buffer, _use_new_zipfile_serialization=not old)
        guests.clap["pytorch_model.bin"] = buffer.getvalue()

    return spoil


def decoder_times(factor, ending):
    def spoil(guests, _):
        for name, value in guests.decoder.items():
            if name.endswith(ending):
                value.add_(0.1).mul_(factor)

    return spoil


def piped(name, change):
    """A FIFO in the folder where it is run, of the name that a setting has."""

    def spoil(guests, marker):
        path = marker.parent / name
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path)
        change(guests, marker)

    return spoil


def words(change):
    def spoil(guests, _):
        held = json.loads(guests.words["tokenizer.json"])
        change(held)
        guests.words["tokenizer.json"] = json.dumps(held).encode()

    return spoil


EMBEDDING = "text_model.embeddings.word_embeddings.weight"
NORM = "audio_model.audio_encoder.norm.weight"
LAION, MICROSOFT = "models.clap.laion.LaionCLAP", "models.clap.microsoft.MicrosoftCLAP"
SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}
CONFIG = {
    "a vocabulary": described("text_config", vocab_size=10**9),
    "layers": described("text_config", num_hidden_layers=10**6),
    "layers that a bound lets by": described("text_config", num_hidden_layers=64, hidden_size=4096),
    "a width": described("text_config", hidden_size=10**6),
    "an inner width": described("text_config", intermediate_size=10**9),
    "positions": described("text_config", max_position_embeddings=10**9),
    "types": described("text_config", type_vocab_size=10**9),
    "heads": described("text_config", num_attention_heads=10**9),
    "a number below all": described("text_config", vocab_size=-(10**9)),
    "no heads": described("text_config", num_attention_heads=0),
    "an unknown activation": described("text_config", hidden_act="os.system"),
    "no number": described("text_config", layer_norm_eps=float("nan")),
    "an endless number": described("text_config", layer_norm_eps=float("inf")),
    "text for a number": described("text_config", num_hidden_layers="12"),
    "depths": described("audio_config", depths=[10**5] * 4),
    "depths together": described("audio_config", depths=[60, 60, 60, 60]),
    "stages": described("audio_config", depths=[1] * 100, num_attention_heads=[1] * 100),
    "patches": described("audio_config", patch_embeds_hidden_size=10**6),
    "no patch": described("audio_config", patch_size=0),
    "an image": described("audio_config", spec_size=10**6),
    "bands": described("audio_config", num_mel_bins=10**6),
    "a window": described("audio_config", window_size=10**5),
    "a ratio": described("audio_config", mlp_ratio=1e9),
    "fusion": described("audio_config", enable_fusion=True),
    "a projection": described(None, projection_dim=10**9),
    "a part that is none": described(None, text_config=3),
    "code": described(None, auto_map={"AutoModel": "eve--clap.Model"}),
    "kernels": described("audio_config", attn_implementation="eve/kernel"),
    "quantised": described(None, quantization_config={"quant_method": "gptq"}),
    "weights of another place": described(None, transformers_weights="../x"),
    "no mapping": written("config.json", b"[1]"),
    "no JSON": written("config.json", b"\xff\xfe{"),
    "depth of nesting": written("config.json", b'{"a":' + 100_000 * b"[" + 100_000 * b"]" + b"}"),
    "a long file": written("config.json", b'{"a": "' + (1 << 20) * b"a" + b'"}'),
    "another rate": written("preprocessor_config.json", b'{"sampling_rate": 8000}'),
}
CLAP_WEIGHTS = {
    "a pickle": lambda g, marker: g.clap.update(
        {"model.safetensors": pickle.dumps(Touch(str(marker)))}
    ),
    "torn": lambda g, _: g.clap.update({"model.safetensors": g.clap["model.safetensors"][:-9]}),
    "empty": written("model.safetensors", b""),
    "an enormous header": written("model.safetensors", struct.pack("<Q", 1 << 62)),
    "an enormous tensor": written("model.safetensors", struct.pack("<Q", len(ENORMOUS)) + ENORMOUS),
    "one is missing": tensors(lambda s: s.pop(NORM)),
    "one too many": tensors(lambda s: s.update(more=torch.ones(2))),
    "another shape": tensors(lambda s: s.update({NORM: torch.ones(3)})),
    "a payload": pickled_weights(lambda s, marker: s.update(more=Touch(str(marker)))),
    "a payload of old": pickled_weights(lambda s, marker: s.update(more=Touch(str(marker))), True),
    "no tensor": pickled_weights(lambda s, _: s.update({NORM: 3})),
    "a repeated number": pickled_weights(
        lambda s, _: s.update({EMBEDDING: torch.ones(1, 1).expand(10**9, 64)})
    ),
    "a sparse tensor": pickled_weights(
        lambda s, _: s.update({EMBEDDING: torch.sparse_coo_tensor(size=(10**9, 64))})
    ),
    "a tensor without numbers": pickled_weights(
        lambda s, _: s.update({EMBEDDING: torch.empty(10**9, 64, device="meta")})
    ),
}
ASKED = {
    "no commit": asked(revision=None),
    "a branch": asked(revision="main"),
    "a commit cut short": asked(revision="abcdef1"),
    "its own tokenizer": asked(tokenizer=None),
    "another's tokenizer": asked(tokenizer="eve/words"),
    "a band above all": asked(lowest_hz=900000.5),
    "a pipe for a CLAP": piped("evepipe", asked(source="evepipe")),
    "a pipe of its name": piped(EVE, lambda guests, _: None),
    "a pipe for words": piped(ROBERTA, lambda guests, _: None),
    "a pipe for weights": piped("pipe", of_kind("models.clap.mini.MiniCLAP", weights="pipe")),
    "a pipe for a tagger": piped(
        "pipe", of_kind("models.clap.efficientat.EfficientATCLAP", weights="pipe")
    ),
    "a pipe for LAION's": piped("630k-best.pt", of_kind(LAION, weights="630k-best.pt")),
    "a device": of_kind("models.clap.mini.MiniCLAP", weights="zero"),
    "LAION's at a branch": of_kind(LAION, revision="main"),
    "Microsoft's, the latest": of_kind(MICROSOFT),
    "Microsoft's at a branch": of_kind(MICROSOFT, revision="main"),
    "great weights": decoder_times(1e30, "weight"),
    "great offsets": decoder_times(3e38, "bias"),
    "a pattern that is none": words(
        lambda held: held.update(pre_tokenizer={**SPLIT, "pattern": {"Regex": "("}})
    ),
    "a model that is none": words(lambda held: held["model"].update(type="Evil")),
    "no words": words(lambda held: held["model"].update(vocab={}, merges=[])),
}
THIRDS = {**CONFIG, **CLAP_WEIGHTS, **ASKED}


@pytest.mark.parametrize("name", THIRDS)
def test_a_hostile_third_clap_is_refused(name, guests, marker):
    """Honest in all but one part, so that the refusal is for that part."""
    assert len(THIRDS) >= 60
    THIRDS[name](guests, marker)
    begun = time.monotonic()
    with pytest.raises(InputError) as refused:
        guests.load()
    assert time.monotonic() - begun < 10
    assert not marker.exists()
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("beside", ["model.safetensors.index.json", "pytorch_model.bin"])
def test_second_weights_are_refused_or_not_read(beside, guests, tmp_path):
    """transformers prefers an index to the file that was hashed."""
    model, mine = guests.clap.copy(), tmp_path / "mine"
    guests.clap = {name: data for name, data in model.items() if name != "model.safetensors"}
    state = load(model["model.safetensors"])
    state[NORM] += 1
    map_of = {"weight_map": dict.fromkeys(state, "other.safetensors"), "metadata": {}}
    second = {"model.safetensors.index.json": json.dumps(map_of).encode()}
    for name, data in {**model, **guests.words, beside: second.get(beside, b"x")}.items():
        mine.mkdir(exist_ok=True)
        (mine / name).write_bytes(data)
    with pytest.raises(InputError, match="must hold one file of weights"):
        TransformersCLAP(mine)
    buffer = io.BytesIO()
    torch.save(load(model["model.safetensors"]), buffer)
    guests.clap |= {"pytorch_model.bin": buffer.getvalue(), "other.safetensors": save(state)}
    guests.clap |= second
    loaded = guests.load().model.classifier.audio_classifier
    assert loaded.reference.sha256 == hashlib.sha256(buffer.getvalue()).hexdigest()
    assert (loaded.audio.encoder.norm.weight == load(model["model.safetensors"])[NORM]).all()


def test_each_file_is_opened_once(guests, tmp_path):
    """What was checked cannot be swapped before it is used: it is never opened again."""
    guests.load()
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


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "pipe.safetensors"
    os.mkfifo(path)
    for read in (lambda: MiniCLAP(path), lambda: read_checkpoint(path, "model")):
        with pytest.raises(InputError, match="must be a file"):
            read()


def test_a_file_that_changes_meanwhile_is_refused(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"first")
    with pytest.raises(InputError, match="changed while it was read"), held(path):
        path.write_bytes(b"second")
    with held(path) as file:
        path.with_name("other").write_bytes(b"third")
        path.with_name("other").replace(path)
        assert Path(file.name).read_bytes() == b"second"
    assert file.sha256 == hashlib.sha256(b"second").hexdigest()
