"""Hostile ``hyperparams.yaml`` files are refused and not executed."""

import re
import subprocess
import sys
import warnings

import pytest

from speechbrain_lmac import Interpreter
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.pretrained.building import build
from speechbrain_lmac.pretrained.config import PARTS, read_interpreter_config
from speechbrain_lmac.pretrained.export import DECODER_FILE, HPARAMS_FILE, export_interpreter
from speechbrain_lmac.utils.errors import InputError
from tests.security.conftest import CPU, REPO, encode_weights, put

TOUCH = "pathlib.Path.touch [!new:pathlib.Path [MARKER]]"
SHELL = "os.system ['touch MARKER']"
WRITER = "speechbrain_lmac.audio.streaming_writer.StreamingWriter"
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
    "billion laughs": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]",
    "recursion": "a: &a [*a]",
    "merge": "<<: {method: x}",
    "part twice": "decoder: !new:speechbrain_lmac.masking.decoder.MaskDecoder",
    "other line break": f"x: 1\x85y: !apply:{SHELL}",
    "depth": "x: " + 200 * "[" + 200 * "]",
    "many": "x: [" + 5000 * "1," + "]",
    "long": "x: '" + (1 << 17) * "a" + "'",
    "control characters": "\x00\x01",
    "date": "x: 2020-01-01",
    "invalid escape": 'x: "\\UFFFFFFFF"',
    "forged line": "x: !a%0Aerror%0Ab 1",
}
"""Name -> lines that are appended to an honest file."""
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
"""Name -> text that is replaced in an honest file, and its replacement."""


@pytest.mark.parametrize("name", [*ADDED, *REPLACED])
def test_hostile_config_is_refused(name, hub, honest, marker):
    """One line of error; calls are refused with their line number."""
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


def test_config_builds_few_classes():
    """The list of classes is short, and pretrained interpreters load without warnings."""
    classes = {kind for kinds, _ in PARTS.values() for kind in kinds}
    assert len(classes) <= 18
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for source in ("mini-mel", "mini-stft"):
            loaded = Interpreter.from_hparams(source=source, run_opts=CPU)
            assert type(loaded.model.decoder).__module__.startswith("speechbrain_lmac")


def test_build_uses_what_was_read(honest):
    """The parts are built from the parsed settings, and overrides are checked."""
    config = read_interpreter_config(honest[HPARAMS_FILE], "it")
    built = build(config)
    assert built["method"] == config.notes["method"]
    assert built["decoder"].config["hidden_channels"] == [256, 128, 64, 32]
    assert built["model"].classifier is built["classifier"]
    with pytest.raises(InputError, match="no setting wings"):
        build(config, {"decoder": {"wings": 2}})
    with pytest.raises(InputError, match=r"overrides must be for .*, got dog"):
        build(config, {"dog": {}})


TUPLE = "(!!python/object/apply:os.system ['touch MARKER'])"
"""HyperPyYAML evaluates text that looks like a tuple with an unsafe loader, in the first file of a
process."""
TUPLES = (
    ('method: "LMAC-ZS-D"', f'method: "{TUPLE}"'),
    ('classifier_name: "mini"', f'classifier_name: "{TUPLE}"'),
    ("channels: 8", f'"{TUPLE}": 8'),
    ("MiniCLAP", f'MiniCLAP\n    "{TUPLE}": 1'),
    ("MiniCLAP", f'MiniCLAP\n    weights: "{TUPLE}"'),
)
"""Text of an honest file, and its replacement."""
LOAD_EACH = """
import os, sys
from speechbrain_lmac import Interpreter
from speechbrain_lmac.utils.errors import InputError
for folder in sys.argv[1:]:
    if not os.fork():
        try:
            Interpreter.from_hparams(source=folder, run_opts={"device": "cpu"})
        except InputError:
            pass
        os._exit(0)
    assert os.wait()[1] == 0, folder
"""
"""Load every folder in a process of its own, which has read no other file."""


def test_texts_like_tuples_stay_texts(honest, marker):
    """No text is evaluated, in new processes."""
    folders = [marker.parent / f"downloaded-{place}" for place in range(len(TUPLES))]
    for folder, (before, after) in zip(folders, TUPLES):
        folder.mkdir()
        assert before in honest[HPARAMS_FILE]
        text = honest[HPARAMS_FILE].replace(before, after.replace("MARKER", str(marker)), 1)
        (folder / HPARAMS_FILE).write_text(text)
        (folder / DECODER_FILE).write_bytes(honest[DECODER_FILE])
    command = [sys.executable, "-c", LOAD_EACH, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
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
def test_third_repository_needs_a_commit(settings, hub, honest, marker):
    """Without a commit, or with another tokenizer, nothing is downloaded."""
    lines = "".join(f"\n    {name}: {value}" for name, value in settings.items())
    text = honest[HPARAMS_FILE].replace("models.clap.mini.MiniCLAP", THIRD + lines)
    put(hub, {**honest, HPARAMS_FILE: text})
    with pytest.raises(InputError, match=r"revision|tokenizer"):
        Interpreter.from_hparams(source=REPO, run_opts=CPU)
    assert not any("eve" in line for line in hub.requests)


@pytest.mark.parametrize(
    ("name", "value"),
    [("query_dim", 7), ("hidden_channels", [3, 5]), ("hidden_channels", [256, 128, 64, 32, 16])],
)
def test_decoder_of_another_model_is_refused(name, value, hub, honest, marker):
    """Shapes of the decoder must fit the classifier."""
    settings = {"hidden_channels": [256, 128, 64, 32], "query_dim": 256, "channels": 8, name: value}
    text = honest[HPARAMS_FILE].replace(
        f"{name}: {[256, 128, 64, 32] if name != 'query_dim' else 256}", f"{name}: {value}"
    )
    assert text != honest[HPARAMS_FILE]
    put(hub, {HPARAMS_FILE: text, DECODER_FILE: encode_weights(MaskDecoder(**settings))})
    with pytest.raises(InputError, match="does not fit its classifier"):
        Interpreter.from_hparams(source=REPO, run_opts=CPU)


def test_unusual_names_are_read(clap, tmp_path):
    """Quotes, colons and letters outside ASCII in a method or a folder."""
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    model = InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)
    folder = export_interpreter(model, 'LMAC\'s: "é" #1', tmp_path / "Öut: dir" / "it")
    assert Interpreter.from_hparams(source=folder, run_opts=CPU).hparams.method.endswith("#1")


def test_published_transformers_config_is_read(honest):
    """An older file without a commit of a known CLAP is valid."""
    lines = "\n    source: laion/clap-htsat-unfused\n    revision: null\n    tokenizer: null"
    text = honest[HPARAMS_FILE].replace("models.clap.mini.MiniCLAP", THIRD + lines)
    assert (
        read_interpreter_config(text, "it", downloaded=True).parts["audio_classifier"].kind == THIRD
    )


@pytest.mark.parametrize("overrides", ["clap: [", "a: !x y", "1: {}\nx: {}", "0", {"clap": {1: 2}}])
def test_invalid_overrides_are_refused(overrides):
    """Overrides that are no mapping of parts to settings."""
    with pytest.raises(InputError):
        Interpreter.from_hparams(source="mini-mel", overrides=overrides, run_opts=CPU)
