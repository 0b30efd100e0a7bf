"""Fixtures of all tests: models, masking domains and short sounds. None of them is mocked."""

import gc
import logging
import os
import sys
from functools import cache, partial
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # tests use no network
os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process per core: threads would compete

import pytest
import soundfile
import torch
from speechbrain.utils.importutils import LazyModule

from speechbrain_lmac.data.synthetic import mixture, synthesize
from speechbrain_lmac.data.synthetic_dataset import write_dataset
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.masking.grid import Grid
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.efficientat import FILE, EfficientATCLAP
from speechbrain_lmac.models.clap.laion import LaionCLAP
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.models.classifiers.ast import TransformersAST
from speechbrain_lmac.models.classifiers.efficientat import EfficientATLabels
from speechbrain_lmac.models.input_window import VariableLengthInput
from speechbrain_lmac.pretrained.export import export_interpreter
from tests.helpers import oracles, published_models, reference_models, small_networks
from tests.helpers.small_ast import write_ast

REPOSITORY = Path(__file__).parents[1]
REAL_ESC10 = Path(os.environ.get("ESC10_FOLDER", REPOSITORY / "ESC-10"))
REAL_US8K = Path(os.environ.get("US8K_FOLDER", REPOSITORY / "UrbanSound8K"))

needs_us8k = pytest.mark.skipif(
    not REAL_US8K.is_dir(), reason="US8K_FOLDER names no folder of real recordings"
)
needs_esc10 = pytest.mark.skipif(
    not REAL_ESC10.is_dir(), reason="ESC10_FOLDER names no folder of real recordings"
)

FOLDERS = ("integration", "security", "fault_tolerance", "reference")
"""Folders whose tests are marked with the name of the folder and as slow."""
CLAPS = ("clap", "efficientat", "laion_htsat")
CLASSIFIERS = (*CLAPS, "efficientat_labels", "hooked_cnn", "small_ast")
"""Fixtures of classifiers of every architecture."""


def pytest_xdist_auto_num_workers(config):
    """Use no worker processes, which take seconds to start, for the tests of one package."""
    paths = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    narrow = all(len(path.parts) > len(REPOSITORY.parts) + 2 for path in paths)
    return 0 if narrow else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark tests by their folder and browser; remove SpeechBrain's lazy modules.

    Hypothesis reads the file name of every module. A lazy module would then import packages that
    are not installed. The garbage collector ignores all that is imported, for less time.
    """
    gc.freeze()
    for name, module in list(sys.modules.items()):
        if isinstance(module, LazyModule):
            del sys.modules[name]
    for item in items:
        folder = item.path.relative_to(REPOSITORY).parts[1:2]
        if folder and folder[0] in FOLDERS:
            item.add_marker(folder[0])
            item.add_marker("slow")
        if any("Chromium" in mark.kwargs.get("reason", "") for mark in item.iter_markers("skipif")):
            item.add_marker("browser")


@pytest.fixture(autouse=True)
def log_handlers():
    """Remove the log handlers of trainings, which write to the captured stream of another test."""
    drop_log_handlers()
    yield
    drop_log_handlers()


def drop_log_handlers():
    root = logging.getLogger()
    root.handlers[:] = [h for h in root.handlers if type(h).__module__.startswith("_pytest")]


@pytest.fixture(scope="session", autouse=True)
def short_environment_log():
    """Trainings in this process write ``env.log`` without ``pip freeze``, which takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("speechbrain.utils.logger.get_environment_description", str)
        yield


def even_grid(frames, positions):
    """Grid of a clip whose frames are all encoded."""
    return Grid(
        VariableLengthInput().frame_positions(frames, samples=None),
        positions,
        torch.ones_like(positions),
    )


@pytest.fixture(scope="session")
def clap():
    """MiniCLAP with its trained weights."""
    return MiniCLAP()


@pytest.fixture(scope="session")
def efficientat_file(tmp_path_factory):
    """Random weights in the file format of EfficientAT's authors, for plumbing only."""
    return published_models.write_efficientat(tmp_path_factory.mktemp("efficientat") / FILE)


@pytest.fixture(scope="session")
def efficientat(efficientat_file):
    """EfficientAT CLAP with random weights, for plumbing only."""
    return EfficientATCLAP(efficientat_file)


@pytest.fixture(scope="session")
def labels_network(efficientat_file):
    """Interpreter network of AudioSet's labels with random weights, for plumbing only."""
    torch.manual_seed(0)
    classifier = EfficientATLabels(efficientat_file)
    decoder = MaskDecoder(classifier.hidden_channels, classifier.query_dim, channels=8)
    torch.nn.init.normal_(decoder.head.weight, std=0.3)
    return InterpreterNetwork(MaskedClassifier(DOMAINS["mel"](classifier)), decoder)


@pytest.fixture(scope="session")
def labels_source(labels_network, tmp_path_factory):
    """Folder of an exported interpreter of AudioSet's labels, for plumbing only."""
    folder = tmp_path_factory.mktemp("labels") / "interpreter"
    return str(export_interpreter(labels_network, "L-MAC-D", folder))


@pytest.fixture(scope="session", params=sorted(oracles.ORACLES))
def oracle(request, tmp_path_factory):
    """Adapter of a published CLAP and the upstream model, with the same random weights."""
    return oracles.ORACLES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory):
    """Folder of a byte-level BPE tokenizer."""
    return reference_models.write_tokenizer(tmp_path_factory.mktemp("words"))


@pytest.fixture(scope="session")
def laion_file(tmp_path_factory):
    """Checkpoint of HTSAT-tiny as LAION saves it, with random weights, for plumbing only."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("laion") / "official.pt"
    return reference_models.save_laion(reference_models.laion_clap("HTSAT-tiny"), path)


@pytest.fixture(scope="session")
def published_settings(request, tmp_path_factory):
    """Function: stem of a YAML file -> settings that build its classifier with random weights."""
    folder = tmp_path_factory.mktemp("published")
    return cache(partial(published_models.settings_of, request.getfixturevalue, folder))


@pytest.fixture(scope="session")
def laion_htsat(laion_file, tokenizer):
    """LAION's CLAP with HTSAT-tiny and random weights, for plumbing only."""
    return LaionCLAP(laion_file, tokenizer)


@pytest.fixture(scope="session")
def efficientat_labels(labels_network):
    """EfficientAT's labels with random weights, for plumbing only."""
    return labels_network.classifier.audio_classifier


@pytest.fixture(scope="session")
def hooked_cnn():
    """Classifier around a small convolutional network with a softmax head."""
    return small_networks.hooked()


@pytest.fixture(scope="session")
def small_ast(tmp_path_factory):
    """AST of transformers with few channels, random weights and an input of 2 s."""
    return TransformersAST(write_ast(tmp_path_factory.mktemp("small_ast"), longest=204, layers=6))


@pytest.fixture(scope="session", params=CLAPS)
def any_clap(request):
    """CLAP with variable-length or fixed-length input, convolutional or transformer."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session", params=CLASSIFIERS)
def any_classifier(request):
    """CLAP or supervised classifier, with input of any, fixed or limited length."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session", params=sorted(DOMAINS))
def domain(request, clap):
    """Both masking domains of MiniCLAP."""
    return DOMAINS[request.param](clap)


@pytest.fixture(scope="session")
def classifier(domain):
    """MiniCLAP with masked input, in both masking domains."""
    return MaskedClassifier(domain)


@pytest.fixture
def model(classifier, clap):
    """Interpreter network with an untrained decoder, for plumbing only."""
    torch.manual_seed(0)
    decoder = MaskDecoder(clap.hidden_channels, clap.query_dim, channels=8)
    torch.nn.init.zeros_(decoder.head.bias)
    torch.nn.init.normal_(decoder.head.weight, std=0.3)  # else the mask depends on the level only
    return InterpreterNetwork(classifier, decoder)


@pytest.fixture(scope="session")
def wavs():
    """Siren, rain and their mixture, one second each: ``[3, time]``."""
    mixed = mixture("siren", "rain", seed=5, seconds=1.0)
    return torch.stack([mixed.first, mixed.second, mixed.mixture])


@pytest.fixture(scope="session")
def text(clap):
    """Text embeddings of three class prompts, ``[3, dim]``."""
    return clap.queries([f"this is the sound of {name}" for name in ("siren", "rain", "dog")])


@pytest.fixture(scope="session")
def small_set(tmp_path_factory):
    """Folder in the layout of ESC-50 with five folds of ten half-second clips."""
    return write_dataset(tmp_path_factory.mktemp("data") / "set", clips_per_fold=1, seconds=0.5)


@pytest.fixture
def siren_file(tmp_path):
    """WAV file of a siren, one second at 32 kHz."""
    path = tmp_path / "siren.wav"
    soundfile.write(path, synthesize("siren", seed=1, seconds=1.0).numpy(), 32000)
    return path
