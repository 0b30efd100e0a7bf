"""AST equals transformers from the waveform, on random weights."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from speechbrain_lmac import Interpreter
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import StftDomain
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.backbones import kaldi
from speechbrain_lmac.models.classifiers.ast import HUB_ID, TransformersAST
from speechbrain_lmac.pretrained.config import read_interpreter_config
from speechbrain_lmac.pretrained.export import export_interpreter, hyperparams_text
from speechbrain_lmac.utils.errors import InputError
from tests.helpers.small_ast import NAMES, write_ast

TOLERANCE = 1e-5
SECONDS = (0.3, 3.0, 10.2, 12.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder of an AST with three layers."""
    return write_ast(tmp_path_factory.mktemp("ast"))


@pytest.fixture(scope="module")
def classifier(folder):
    """Adapter of the folder."""
    return TransformersAST(folder)


def clip(seconds):
    """Return a clip with an offset, ``[1, time]``: a tone in noise."""
    generator = torch.Generator().manual_seed(0)
    time = torch.arange(round(seconds * 16000)) / 16000
    tone = 0.3 * torch.sin(2 * torch.pi * 440 * time * (1 + time / 20))
    noise = 0.05 * torch.randn(1, len(time), generator=generator)
    return tone + noise + 0.1


def upstream(folder, wavs):
    """Return the feature extractor's output and the logits of transformers."""
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    model = AutoModelForAudioClassification.from_pretrained(folder).eval()
    inputs = extractor(wavs[0].numpy(), sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        return inputs, model(inputs).logits


def logits_of(classifier, wavs):
    """Return the logits of the adapter by its query vectors."""
    with torch.no_grad():
        vector = classifier(wavs).vector
    return classifier.logits(vector, classifier.queries(classifier.class_names))


def difference(found, expected):
    """Return the largest difference relative to the largest value."""
    return ((found - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("seconds", SECONDS)
def test_ast_equals_transformers(classifier, folder, seconds):
    """Log-mel values and logits, for clips shorter and longer than the input."""
    wavs = clip(seconds)
    inputs, logits = upstream(folder, wavs)
    stft = classifier.stft(classifier.window.fit_wav(wavs))
    log_mel = classifier.log_mel(classifier.mel(stft.abs().square()))
    assert difference(log_mel, inputs) <= TOLERANCE
    assert difference(logits_of(classifier, wavs), logits) <= TOLERANCE
    assert classifier.class_names == NAMES


def test_ast_differs_with_another_order(classifier, folder):
    """The comparison sees a wrong order of the classes."""
    wavs = clip(3.0)
    _, logits = upstream(folder, wavs)
    assert difference(logits_of(classifier, wavs).roll(1, dims=1), logits) > 10 * TOLERANCE


@pytest.mark.parametrize("fault", ["offset", "pre-emphasis", "padding", "filters", "std"])
def test_ast_differs_with_a_fault(folder, monkeypatch, fault):
    """The comparison sees each step of the front end."""
    classifier = TransformersAST(folder)
    if fault == "offset":
        monkeypatch.setattr(torch.Tensor, "mean", lambda x, *a, **k: without_mean(x, *a, **k))
    elif fault == "pre-emphasis":
        monkeypatch.setattr(kaldi, "PRE_EMPHASIS", 0.95)
    elif fault == "padding":
        floor = torch.finfo(torch.float32).eps
        monkeypatch.setattr(
            "speechbrain_lmac.models.classifiers.ast.pad",
            lambda x, edges: torch.nn.functional.pad(x, edges, value=torch.tensor(floor).log()),
        )
    elif fault == "filters":
        classifier.filterbank = kaldi.mel_filters(128, 512, 16000, 0.0, 0.0)
    else:
        classifier.normalization = (classifier.normalization[0], classifier.normalization[1] / 2)
    wavs = clip(3.0)
    assert difference(logits_of(classifier, wavs), upstream(folder, wavs)[1]) > 10 * TOLERANCE


MEAN = torch.Tensor.mean


def without_mean(values, *arguments, **options):
    """Return zeros for the mean of frames, and other means."""
    mean = MEAN(values, *arguments, **options)
    return 0 * mean if values.shape[-1] == 400 else mean


def test_ast_maps_are_on_the_way_to_the_head(tmp_path):
    """Maps of an AST with 12 layers have the places of its patches, and gradients reach them."""
    classifier = TransformersAST(write_ast(tmp_path, layers=12))
    assert classifier.mapped == (11, 7, 3) and classifier.hidden_channels == (48, 48, 48)
    mel = classifier.mel(classifier.stft(clip(2.0)).abs().square()).requires_grad_()
    encoding = classifier.encode(mel)
    assert [tuple(maps.shape) for maps in encoding.hidden] == [(1, 48, 101, 12)] * 3
    gradients = torch.autograd.grad(encoding.vector.sum(), [mel, *encoding.hidden])
    assert all(gradient.any() for gradient in gradients)
    assert len(classifier.audio_blocks) == 4


def test_ast_places_are_those_of_patches(classifier):
    """A frame at the center of a patch takes the value of that patch."""
    positions = classifier.window.frame_positions(1027, 164080).squeeze()
    frames = classifier.patches.frames
    for patch in (0, 50, 100):
        center = 10 * patch + 7.5  # between two frames
        place = positions[1 + int(center) : 3 + int(center)].mean() * frames - 0.5
        assert place.item() == pytest.approx(patch, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"problem_type": "multi_label_classification"}, True),
        ({"problem_type": "single_label_classification"}, False),
        ({"id2label": {i: f"class {i}" for i in range(527)}, "label2id": None}, True),
    ],
    ids=["small", "multi-label", "single-label", "AudioSet"],
)
def test_ast_labels_are_as_configured(tmp_path, changes, expected):
    """Stated by the configuration, or those of AudioSet; the argument decides."""
    changes = {key: value for key, value in changes.items() if value is not None}
    folder = write_ast(tmp_path, longest=104, **changes)
    assert TransformersAST(folder).multilabel == expected
    given = TransformersAST(folder, multilabel=not expected)
    assert given.multilabel != expected and given.settings["multilabel"] != expected


def test_ast_takes_other_names(folder):
    """Names of a configuration can be replaced."""
    names = ["a", "b", "c", "d", "e"]
    assert TransformersAST(folder, class_names=names).class_names == tuple(names)
    with pytest.raises(InputError, match="one name for each of 5 logits"):
        TransformersAST(folder, class_names=names[:4])


def edited(path, **changes):
    """Change settings of a JSON file; None removes one."""
    settings = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in settings.items() if v is not None}))


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("preprocessor_config.json", {"sampling_rate": 8000}, "sampling_rate must be 16000"),
        ("preprocessor_config.json", {"max_length": 512}, "max_length must be 104"),
        ("preprocessor_config.json", {"std": 0}, "mean and std must be numbers"),
        ("preprocessor_config.json", {"mean": "x"}, "mean and std must be numbers"),
        ("config.json", {"time_stride": 0}, "must be whole numbers"),
        ("config.json", {"patch_size": 120}, "must fit into the spectrogram"),
        ("config.json", {"auto_map": {"AutoModel": "x.Y"}}, "auto_map .* is refused"),
        ("config.json", {"hidden_size": 10**6}, "at most 4096 is read"),
        ("config.json", {"num_hidden_layers": 60}, "about as many numbers|does not hold an AST"),
        ("config.json", {"num_hidden_layers": 2}, "holds what it should not"),
    ],
)
def test_ast_refuses_wrong_folders(tmp_path, file, changes, message):
    """The error names the file or the setting."""
    folder = write_ast(tmp_path, longest=104)
    edited(folder / file, **changes)
    with pytest.raises(InputError, match=message):
        TransformersAST(folder)


OLD_NAMES = {
    "_transformer.layers.": "_transformer.encoder.layer.",
    ".attention.q_proj.": ".attention.attention.query.",
    ".attention.k_proj.": ".attention.attention.key.",
    ".attention.v_proj.": ".attention.attention.value.",
    ".attention.o_proj.": ".attention.output.dense.",
    ".mlp.fc1.": ".intermediate.dense.",
    ".mlp.fc2.": ".output.dense.",
}
"""Parts of the tensors' names, and those of releases before 5, as in the published files."""


def test_ast_reads_the_published_names(classifier, folder, tmp_path):
    """Files of earlier releases of transformers are loaded, too."""
    state = {}
    for name, value in load_file(write_ast(tmp_path) / "model.safetensors").items():
        for new, old in OLD_NAMES.items():
            name = name.replace(new, old)
        state[name] = value
    assert sum(".attention.attention.query." in name for name in state) == 6
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    old = TransformersAST(tmp_path)
    assert difference(logits_of(old, clip(1.0)), logits_of(classifier, clip(1.0))) == 0


def test_ast_refuses_incomplete_folders(tmp_path):
    """A missing feature extractor or tensor."""
    folder = write_ast(tmp_path, longest=104)
    state = load_file(folder / "model.safetensors")
    state.pop("classifier.dense.bias")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"lacks classifier\.dense\.bias"):
        TransformersAST(folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(InputError, match="which states the normalization"):
        TransformersAST(folder)
    with pytest.raises(InputError, match="source must be an existing folder or a Hub id"):
        TransformersAST("no/such/folder")


def test_ast_in_a_folder_is_not_published(classifier):
    """Others do not have it."""
    with pytest.raises(InputError, match="must be a Hub id to publish"):
        _ = classifier.portable_settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, None),
        ({"source": HUB_ID, "multilabel": True}, None),
        ({"source": "eve/ast", "revision": "0" * 40}, None),
        ({"source": "eve/ast"}, "revision must be a commit"),
        ({"source": "eve/ast", "revision": "main"}, "revision must be a commit"),
        ({"source": "/etc/ast", "revision": "0" * 40}, "not a public name"),
    ],
)
def test_downloaded_ast_needs_a_commit(classifier, settings, message):
    """An interpreter from the Hub names the commit of another AST than the default one."""
    decoder = MaskDecoder(classifier.hidden_channels, classifier.query_dim, channels=4)
    model = InterpreterNetwork(MaskedClassifier(StftDomain(classifier)), decoder)
    text = hyperparams_text(model, "L-MAC-D", settings)
    if message is None:
        config = read_interpreter_config(text, "it", downloaded=True)
        assert config.parts["audio_classifier"].settings == settings
    else:
        with pytest.raises(InputError, match=message):
            read_interpreter_config(text, "it", downloaded=True)


def test_ast_interpreter_is_loaded(folder, tmp_path):
    """From its folder, with class names of its own."""
    classifier = TransformersAST(folder, class_names=["a", "b", "c", "d", "e"])
    decoder = MaskDecoder(classifier.hidden_channels, classifier.query_dim, channels=4)
    model = InterpreterNetwork(MaskedClassifier(StftDomain(classifier)), decoder)
    export_interpreter(model, "L-MAC-D", tmp_path / "interpreter")
    loaded = Interpreter.from_hparams(tmp_path, run_opts={"device": "cpu"})
    assert loaded.audio_classifier.class_names == ("a", "b", "c", "d", "e")
    (result,) = loaded.interpret_batch(clip(1.0), ["c"])
    assert result.waveform.shape == (1, 16000) and result.waveform.isfinite().all()
