"""Interpreters of a user's own classifier: what travels, and what is refused."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from speechbrain_lmac import Interpreter
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import StftDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.pretrained.files import fingerprint, interpreter_files
from speechbrain_lmac.pretrained.labels import parse_labels
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.small_networks import NAMES, hooked, small_cnn
from tests.unit.inference.conftest import CPU


def network(classifier):
    """Return an interpreter network with an untrained decoder."""
    torch.manual_seed(0)
    decoder = MaskDecoder(classifier.hidden_channels, classifier.query_dim, channels=4)
    torch.nn.init.normal_(decoder.head.weight, std=0.3)
    return InterpreterNetwork(MaskedClassifier(StftDomain(classifier)), decoder)


@pytest.fixture
def export(tmp_path):
    """Return a function that exports an interpreter of a classifier."""

    def write(classifier, **options):
        return export_interpreter(network(classifier), "L-MAC-D", tmp_path / "maps", **options)

    return write


def names_of(folder):
    """Return the names of an interpreter's files."""
    return [path.name for path in interpreter_files(folder)]


def load(folder, classifier=None, **options):
    """Load an interpreter with a classifier."""
    return Interpreter.from_hparams(folder, audio_classifier=classifier, run_opts=CPU, **options)


def test_own_classifier_is_loaded_with_its_object(export, wavs):
    """The masks are those before the export; the class names travel, and no weights."""
    classifier = hooked()
    folder = export(classifier)
    assert names_of(folder) == ["hyperparams.yaml", "decoder.safetensors", "labels.txt"]
    assert (folder / "labels.txt").read_text() == "siren\nrain\ndog\n"
    loaded = load(folder, hooked())
    assert loaded.fingerprint == fingerprint(folder)
    encoded = loaded.model.classifier.encode_clips(wavs)
    queries = classifier.queries(["rain"]).unsqueeze(1)
    expected = network(classifier)(encoded, queries)
    torch.testing.assert_close(loaded.model(encoded, queries), expected, atol=1e-5, rtol=0)
    (result,) = loaded.interpret_batch(wavs[:1], ["rain"])
    assert result.waveform.isfinite().all()


def test_own_classifier_needs_its_object(export):
    """The error names the argument."""
    with pytest.raises(InputError, match=r"SmallCNN, a classifier that exists .*audio_classifier="):
        load(export(hooked()))
    with pytest.raises(InputError, match="must be an AudioClassifier, got SmallCNN"):
        load(export(hooked()), small_cnn())


def test_own_classifier_must_have_the_weights(export):
    """Other weights and other class names are refused."""
    folder = export(hooked())
    with pytest.raises(InputError, match="was trained on the classifier SmallCNN"):
        load(folder, hooked(small_cnn(seed=1)))
    with pytest.raises(InputError, match="in their order, got 'siren' and 'dog'"):
        load(folder, hooked(names=NAMES[::-1]))


def test_included_weights_are_loaded(export):
    """An object of the same architecture takes the weights that travel."""
    classifier = hooked()
    folder = export(classifier, include_classifier=True)
    assert names_of(folder)[-1] == "classifier.safetensors"
    other = hooked(small_cnn(seed=1))
    assert load(folder, other).audio_classifier.reference == classifier.reference
    torch.testing.assert_close(other.head_queries, classifier.head_queries)


def test_included_weights_are_checked(export):
    """Changed weights, other shapes and types, and other files are refused."""
    folder = export(hooked(), include_classifier=True)
    path = folder / "classifier.safetensors"
    state = load_file(path)

    def refuses(message, change):
        save_file(change(dict(state)), path)
        with pytest.raises(InputError, match=message):
            load(folder, hooked())

    refuses("was trained on the classifier", lambda s: {**s, "gain": s["gain"] + 1})
    refuses("gain is missing, unknown", lambda s: {**s, "gain": s["gain"].half()})
    refuses("gain is missing, unknown", lambda s: {**s, "gain": torch.ones(17)})
    refuses("more is missing, unknown", lambda s: {**s, "more": torch.ones(1)})
    refuses("fc.bias is missing", lambda s: {k: v for k, v in s.items() if k != "fc.bias"})
    for data in (b"", b"\xff" * 100, (2).to_bytes(8, "little") + b"[]", b"\x00" * 8):
        path.write_bytes(data)
        with pytest.raises(InputError, match="cannot be read as safetensors"):
            load(folder, hooked())
    path.write_bytes(path.read_bytes() + bytes(1 << 24))
    with pytest.raises(InputError, match="must have at most"):
        load(folder, hooked())


def test_weights_of_an_adapter_do_not_travel(labels_network, tmp_path):
    """They are fetched by their name."""
    with pytest.raises(InputError, match="include_classifier must be False for EfficientATLabels"):
        export_interpreter(labels_network, "L-MAC-D", tmp_path / "maps", include_classifier=True)


def test_fingerprint_includes_the_labels(export):
    """Another order of the class names is another interpreter."""
    folder = export(hooked())
    before = fingerprint(folder)
    (folder / "labels.txt").write_text("rain\nsiren\ndog\n")
    assert fingerprint(folder) != before
    with pytest.raises(InputError, match="sha256 of"):
        load(folder, hooked(names=("rain", "siren", "dog")), sha256=before)


def test_trusted_files_build_no_own_classifier(export):
    """SpeechBrain's loader cannot build the object."""
    with pytest.raises(InputError, match="trust_source must be False"):
        load(export(hooked()), hooked(), trust_source=True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"dog\n\nrain\n", "printable text, got ''"),
        (b"dog\nDog\n", "different, got 'dog' twice"),
        (b"dog\nra\x07in\n", "printable text"),
        (b"dog\r\nrain\r\n", "printable text"),
        (b"\xff\xfe\n", "cannot be read as text"),
        (b"dog\n", "at least two names"),
        (b"dog\n" + b"r" * 201, "at most 200 letters"),
        ("".join(f"{i}\n" for i in range(20_000)).encode(), "at most 16384 names, got 20000"),
    ],
    ids=range(8),
)
def test_labels_are_checked(data, message):
    """They are unique, printable and bounded."""
    with pytest.raises(InputError, match=f"labels.txt.*{message}"):
        parse_labels(data, "labels.txt")


def test_labels_of_other_adapters_are_refused(labels_source, tmp_path):
    """EfficientAT has its own class names."""
    for path in interpreter_files(labels_source):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "labels.txt").write_text("dog\nrain\n")
    with pytest.raises(InputError, match=r"labels\.txt is refused"):
        load(tmp_path)
