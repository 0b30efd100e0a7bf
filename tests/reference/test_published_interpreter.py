"""An interpreter of a published CLAP, from the settings file to the sound; random weights: for
plumbing only."""

import json
import re
import shutil
from dataclasses import replace

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import ClapConfig, ClapModel

from speechbrain_lmac import Interpreter
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.models.clap.laion import LaionCLAP
from speechbrain_lmac.models.clap.transformers import TransformersCLAP
from speechbrain_lmac.models.clap.transformers_files import GEOMETRY
from speechbrain_lmac.pretrained.export import export_interpreter
from speechbrain_lmac.training.splits import load_splits
from speechbrain_lmac.utils.config import load_hparams
from speechbrain_lmac.utils.errors import InputError
from tests.helpers import reference_models

CPU = {"device": "cpu"}
NORM = "audio_model.audio_encoder.norm.weight"
PROMPTS = ["the sound of rain", "a dog"]


@pytest.fixture(scope="module", params=sorted(DOMAINS))
def model(request, laion_htsat):
    torch.manual_seed(0)
    classifier = MaskedClassifier(DOMAINS[request.param](laion_htsat))
    decoder = MaskDecoder(laion_htsat.hidden_channels, laion_htsat.query_dim, channels=8)
    return InterpreterNetwork(classifier, decoder).eval()


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    return export_interpreter(model, "LMAC-ZS", tmp_path_factory.mktemp("run") / "interpreter")


def noise(seconds, rate=48000):
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(1, round(seconds * rate), generator=generator)


@pytest.mark.parametrize("seconds", [0.4, 3, 5.003, 10])
def test_masks_have_frames_of_the_clip(model, seconds):
    wavs = noise(seconds)
    encoded = model.classifier.encode_clips(wavs)
    text = model.classifier.audio_classifier.queries(PROMPTS)
    with torch.no_grad():
        masks = model(encoded, text.unsqueeze(1))
        sound = model.classifier.domain.apply_mask(wavs, masks)
        rest = model.classifier.domain.apply_mask(wavs, 1 - masks)
    assert masks.shape == (2, *encoded.power.shape)
    assert encoded.power.shape[1] == 1 + max(wavs.shape[1], 1024) // 480
    fed = model.classifier.domain.fed.bool()  # 50 Hz to 14 kHz
    assert masks[..., fed].min() > 0 and masks.max() < 1
    assert (masks[..., ~fed] == 0).all()
    torch.testing.assert_close(sound + rest, wavs.expand_as(sound), atol=1e-5, rtol=0)


def test_unencoded_parts_are_masked_out(folder):
    interpreter = Interpreter.from_hparams(source=folder, run_opts=CPU)
    with pytest.warns(
        UserWarning, match=r"the classifier encodes 6\.5 to 16\.5 s of this clip of 23\.0 s"
    ):
        (why,) = interpreter.interpret_batch(noise(23), PROMPTS)
    heard = why.mask.amax(dim=2) > 0
    assert heard[:, 650:1651].all() and not heard[:, :650].any() and not heard[:, 1651:].any()
    assert why.waveform[:, : 6 * 48000].abs().max() < 1e-6


def test_export_gives_equal_mask(model, folder):
    interpreter = Interpreter.from_hparams(source=folder, run_opts=CPU)
    wavs = noise(3)
    (why,) = interpreter.interpret_batch(wavs, PROMPTS)
    text = model.classifier.audio_classifier.queries(PROMPTS)
    with torch.no_grad():
        encodable = model.classifier.audio_classifier.without_offset(wavs)
        masks = model(model.classifier.encode_clips(encodable), text.unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(why.mask, masks, atol=1e-4, rtol=0)


def test_overrides_replace_weights_path(folder, laion_file, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(folder, moved)
    settings = moved / "hyperparams.yaml"
    settings.write_text(settings.read_text().replace(str(laion_file), "/gone.pt"))
    with pytest.raises(InputError, match=r"no such file: /gone\.pt"):
        Interpreter.from_hparams(source=moved, run_opts=CPU)
    changes = {"audio_classifier": {"weights": str(laion_file)}}
    Interpreter.from_hparams(source=moved, overrides=yaml.safe_dump(changes), run_opts=CPU)


QUICK = {
    "smoothgrad": {"samples": 1},
    "integrated-gradients": {"steps": 1},
    "gscorecam": {"fraction": 0.002},
    "optimized": {"steps": 1},
}
"""A transformer is slow: a step shows that the maps are the clip's. ScoreCAM is GScoreCAM of all
channels, and the controls that are left out know nothing of the encoder."""


@pytest.mark.parametrize(
    "name",
    sorted(
        set(EXPLAINERS)
        - {"scorecam", "full-mask", "random", "energy", "constant", "shuffled-prompt"}
    ),
)
def test_explainers_have_frames_of_the_clip(name, model):
    encoded = model.classifier.encode_clips(noise(3))
    text = model.classifier.audio_classifier.queries(PROMPTS)
    question = ExplainerInputs(
        text[:1],
        (1,),
        text,
        text[1:2],
        encoded,
        model.features(encoded),
        encoded.power,
        encoded.power,
    )
    maps = replace(EXPLAINERS[name], **QUICK.get(name, {}))(model, encoded, question)
    assert maps.shape == encoded.power.shape
    assert maps.min() >= 0 and maps.isfinite().all()
    assert maps.max() <= 1 or not EXPLAINERS[name].is_mask


@pytest.mark.parametrize("name", ["gradcam++", "lmac"])
def test_half_precision_maps_correlate(name, model, monkeypatch):
    clap = model.classifier.audio_classifier
    text = clap.queries(PROMPTS[:1])

    def explain():
        encoded = model.classifier.encode_clips(noise(3))
        return EXPLAINERS[name](model, encoded, ExplainerInputs(text, (1,)))

    single = explain()
    monkeypatch.setattr(clap, "uses_bfloat16", True)
    half = explain()
    assert half.dtype == torch.float32 and (half != single).any()
    assert torch.corrcoef(torch.stack([half.flatten(), single.flatten()]))[0, 1] > 0.9


def test_transformers_adapter_equals_laion(laion_htsat, tmp_path):
    laion = laion_htsat
    reference_models.write_transformers(tmp_path, like=laion)
    other = TransformersCLAP(tmp_path)
    wavs = noise(4)
    ours, theirs = laion(wavs), other(wavs)
    torch.testing.assert_close(theirs.vector, ours.vector, atol=1e-6, rtol=0)
    for maps, same in zip(theirs.hidden, ours.hidden):
        torch.testing.assert_close(maps, same, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(other.queries(PROMPTS), laion.queries(PROMPTS), atol=1e-6, rtol=0)
    torch.testing.assert_close(other.logit_scale, laion.logit_scale)


@pytest.fixture
def stored(tmp_path):
    """A folder of transformers, and how to change its weights."""
    reference_models.write_transformers(tmp_path)
    path = tmp_path / "model.safetensors"

    def change(edit):
        state = edit(load_file(path))
        save_file(state, path, metadata={"format": "pt"})
        return tmp_path

    return change


def test_transformers_accepts_missing_buffers(stored):
    whole = TransformersCLAP(stored(lambda state: state))
    wavs, prompts = noise(2), ["rain"]
    expected = whole(wavs).vector, whole.queries(prompts)
    bare = stored(lambda state: {k: v for k, v in state.items() if not k.endswith(GEOMETRY)})
    clap = TransformersCLAP(bare)
    torch.testing.assert_close((clap(wavs).vector, clap.queries(prompts)), expected)


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda state: {k: v for k, v in state.items() if k != NORM}, f"lacks {NORM}"),
        (lambda state: {**state, NORM: torch.ones(7)}, f"of another shape {NORM}"),
        (lambda state: {**state, "more": torch.ones(7)}, "holds what it should not more"),
    ],
    ids=["lacks", "shape", "more"],
)
def test_transformers_refuses_wrong_weights(stored, edit, message):
    with pytest.raises(InputError, match=message):
        TransformersCLAP(stored(edit))


def test_transformers_refuses_fusion_model(tmp_path):
    config = ClapConfig(
        text_config={"num_hidden_layers": 1, "intermediate_size": 64, "vocab_size": 1500},
        audio_config={"enable_fusion": True, "depths": [1, 1, 1, 1]},
    )
    ClapModel(config).save_pretrained(tmp_path)
    reference_models.write_tokenizer(tmp_path)
    with pytest.raises(InputError, match="is a CLAP with feature fusion"):
        TransformersCLAP(tmp_path)


def test_transformers_refuses_empty_folder(tmp_path):
    with pytest.raises(InputError, match="holds no model of transformers"):
        TransformersCLAP(tmp_path)


def test_transformers_reads_half_precision(stored):
    whole = TransformersCLAP(stored(lambda state: state))
    half = stored(
        lambda state: {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
    )
    embedding = TransformersCLAP(half)(noise(2)).vector
    torch.testing.assert_close(embedding, whole(noise(2)).vector, atol=1e-2, rtol=0)


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"<html>", lambda b: b""])
def test_transformers_refuses_torn_weights(stored, spoil):
    folder = stored(lambda state: state)
    weights = folder / "model.safetensors"
    weights.write_bytes(spoil(weights.read_bytes()))
    refused(folder, "does not hold a CLAP of transformers")


def test_transformers_runs_no_pickled_code(stored, tmp_path):
    folder = stored(lambda state: state)
    (folder / "model.safetensors").unlink()
    marker = tmp_path / "marker"
    torch.save({"w": Payload(marker)}, folder / "pytorch_model.bin")
    refused(folder, "does not hold a CLAP of transformers")
    assert not marker.exists()


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("config.json", {"text_config": 3}, "Validation error for field"),
        (
            "preprocessor_config.json",
            {"sampling_rate": 32000},
            "sampling_rate must be 48000, got 32000",
        ),
        (
            "preprocessor_config.json",
            {"frequency_max": 8000},
            "frequency_max must be 14000.0, got 8000",
        ),
    ],
)
def test_transformers_refuses_other_settings(stored, name, change, message):
    folder = stored(lambda state: state)
    path = folder / name
    found = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**found, **change}))
    refused(folder, message)


def refused(folder, message):
    with pytest.raises(InputError) as error:
        TransformersCLAP(folder)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("source", ["/gone/model", "./gone", "gone", "a/b/c"])
def test_transformers_refuses_mistyped_source(source, laion_file):
    message = f"source must be a folder or a Hub id user/name, got {source}. Give one"
    with pytest.raises(InputError, match=re.escape(message)):
        TransformersCLAP(source)
    with pytest.raises(InputError, match=r"must be a local folder or|is not available"):
        LaionCLAP(laion_file, source)


def test_training_refuses_clips_beyond_window(small_set, published_settings, tmp_path):
    overrides = {"data_folder": str(small_set), "clip_seconds": 12.0, "batch_size": 2}
    overrides |= published_settings["lmac_zs_laion"] | {"output_folder": str(tmp_path)}
    hparams = load_hparams("lmac_zs_laion.yaml", yaml.safe_dump(overrides))
    with pytest.raises(InputError, match=r"clip_seconds must be at most 10, .* got 12"):
        load_splits(hparams, hparams["clap"])
