"""Class names and classifier weights of strangers are refused, or not even downloaded."""

import pickle

import pytest
import torch
from safetensors.torch import save

from speechbrain_lmac import Interpreter
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import MelDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.pretrained.files import CLASSIFIER_FILE, interpreter_files
from speechbrain_lmac.pretrained.labels import LABELS_FILE
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.small_networks import hooked, small_cnn
from tests.security.conftest import CPU, ENORMOUS, REPO, Touch, put


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Files of an honest interpreter of a user's own classifier, with its weights."""
    classifier = hooked()
    decoder = MaskDecoder(classifier.hidden_channels, classifier.query_dim, channels=4)
    model = InterpreterNetwork(MaskedClassifier(MelDomain(classifier)), decoder)
    folder = tmp_path_factory.mktemp("own") / "interpreter"
    export_interpreter(model, "L-MAC-D", folder, include_classifier=True)
    return {path.name: path.read_bytes() for path in interpreter_files(folder)}


def load(classifier=None, **options):
    """Load the interpreter of the local Hub."""
    return Interpreter.from_hparams(REPO, audio_classifier=classifier, run_opts=CPU, **options)


def downloaded(hub):
    """Return the names of the files that were downloaded."""
    return {line.rsplit("/", 1)[1] for line in hub.requests if "resolve" in line}


def test_own_classifier_comes_from_the_hub(hub, own, tmp_path):
    """The weights are downloaded if there is an object to load them into, also to a folder."""
    put(hub, own)
    other = hooked(small_cnn(seed=1))
    assert load(other).audio_classifier.reference == hooked().reference
    assert downloaded(hub) == set(own)
    load(hooked(small_cnn(seed=1)), savedir=tmp_path / "downloads")


def test_own_weights_stay_without_an_object(hub, own):
    """Neither they nor other files of the repository are downloaded."""
    put(hub, {**own, f"{LABELS_FILE}2": b"x", f"{LABELS_FILE[:-1]}s": b"x"})
    with pytest.raises(InputError, match="audio_classifier="):
        load()
    assert downloaded(hub) == set(own) - {CLASSIFIER_FILE}


LABELS = {
    "a line break": b"siren\x0brain\ndog\nx\n",
    "terminal codes": b"\x1b[31msiren\nrain\ndog\n",
    "twice": b"siren\nSiren\ndog\n",
    "another order": b"rain\nsiren\ndog\n",
    "too few": b"siren\nrain\n",
    "no text": b"\xff\xfe",
    "without end": b"a" * (1 << 20),
    "too large": b"a\n" * (1 << 20),
    "nothing": b"",
}


@pytest.mark.parametrize("name", LABELS)
def test_hostile_labels_are_refused(name, hub, own):
    """One line that can be printed."""
    put(hub, {**own, LABELS_FILE: LABELS[name]})
    with pytest.raises(InputError) as refused:
        load(hooked())
    assert str(refused.value).isprintable()


WEIGHTS = {
    "pickle": lambda own, marker: pickle.dumps(Touch(marker)),
    "enormous": lambda own, marker: len(ENORMOUS).to_bytes(8, "little") + ENORMOUS,
    "nothing": lambda own, marker: b"",
    "cut off": lambda own, marker: own[CLASSIFIER_FILE][:-10],
    "another network": lambda own, marker: save({"x": torch.zeros(3)}),
    "another seed": lambda own, marker: save(small_cnn(seed=2).state_dict()),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_hostile_own_weights_are_refused(name, hub, own, tmp_path):
    """They are not those of the object, or not those of the training."""
    marker = tmp_path / "marker"
    put(hub, {**own, CLASSIFIER_FILE: WEIGHTS[name](own, str(marker))})
    with pytest.raises(InputError):
        load(hooked())
    assert not marker.exists()


def test_large_own_files_are_not_downloaded(hub, own):
    """Sizes are checked before the download."""
    put(hub, own)
    for name, size in ((LABELS_FILE, 10**9), (CLASSIFIER_FILE, 10**11)):
        hub.sizes = {name: size}
        with pytest.raises(InputError, match=f"{name} of .* must have at most"):
            load(hooked())
    assert not downloaded(hub)
