"""Weights and settings in folders of transformers' ClapModel, valid and invalid."""

import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ClapConfig, ClapModel

from speechbrain_lmac.models.clap.laion import LaionCLAP
from speechbrain_lmac.models.clap.transformers import TransformersCLAP
from speechbrain_lmac.models.clap.transformers_files import GEOMETRY
from speechbrain_lmac.utils.errors import InputError
from tests.helpers import reference_models

NORM = "audio_model.audio_encoder.norm.weight"


def noise(seconds, rate=48000):
    """Return white noise, ``[1, time]``."""
    generator = torch.Generator().manual_seed(0)
    return 0.1 * torch.randn(1, round(seconds * rate), generator=generator)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Folder of a model of transformers."""
    return reference_models.write_transformers(tmp_path_factory.mktemp("original"))


@pytest.fixture
def stored(original, tmp_path):
    """Function that changes the weights of a model of transformers; returns its folder."""
    path = shutil.copytree(original, tmp_path, dirs_exist_ok=True) / "model.safetensors"

    def change(edit=None):
        if edit is not None:
            save_file(edit(load_file(path)), path, metadata={"format": "pt"})
        return tmp_path

    return change


def test_transformers_accepts_missing_buffers(stored):
    """Buffers without trained values may be missing."""
    complete = TransformersCLAP(stored())
    wavs, prompts = noise(2), ["rain"]
    expected = complete(wavs).vector, complete.queries(prompts)
    reduced = stored(lambda state: {k: v for k, v in state.items() if not k.endswith(GEOMETRY)})
    clap = TransformersCLAP(reduced)
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
    """The error names a missing, extra or misshapen tensor."""
    with pytest.raises(InputError, match=message):
        TransformersCLAP(stored(edit))


def test_transformers_refuses_fusion_model(tmp_path):
    """Feature fusion is not supported."""
    config = ClapConfig(
        text_config={"num_hidden_layers": 1, "intermediate_size": 64, "vocab_size": 1500},
        audio_config={"enable_fusion": True, "depths": [1, 1, 1, 1]},
    )
    ClapModel(config).save_pretrained(tmp_path)
    reference_models.write_tokenizer(tmp_path)
    with pytest.raises(InputError, match="is a CLAP with feature fusion"):
        TransformersCLAP(tmp_path)


def test_transformers_refuses_empty_folder(tmp_path):
    """A folder without a model is named."""
    with pytest.raises(InputError, match="holds no model of transformers"):
        TransformersCLAP(tmp_path)


def test_transformers_reads_half_precision(stored):
    """Weights in half precision are converted to single precision."""
    complete = TransformersCLAP(stored())
    half = stored(
        lambda state: {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
    )
    embedding = TransformersCLAP(half)(noise(2)).vector
    torch.testing.assert_close(embedding, complete(noise(2)).vector, atol=1e-2, rtol=0)


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b"<html>", lambda b: b""])
def test_transformers_refuses_torn_weights(stored, spoil):
    """A truncated, replaced or empty file is one line of error."""
    folder = stored()
    weights = folder / "model.safetensors"
    weights.write_bytes(spoil(weights.read_bytes()))
    assert_refused(folder, "does not hold a CLAP of transformers")


def test_transformers_runs_no_pickled_code(stored, tmp_path):
    """A pickle that would create a file is refused without being executed."""
    folder = stored()
    (folder / "model.safetensors").unlink()
    marker = tmp_path / "marker"
    torch.save({"w": Payload(marker)}, folder / "pytorch_model.bin")
    assert_refused(folder, "does not hold a CLAP of transformers")
    assert not marker.exists()


class Payload:
    """Object that creates a file when it is unpickled."""

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
    """Settings that the adapter does not support are named."""
    folder = stored()
    path = folder / name
    settings = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**settings, **change}))
    assert_refused(folder, message)


def assert_refused(folder, message):
    """Check that a folder is refused with one line."""
    with pytest.raises(InputError) as error:
        TransformersCLAP(folder)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("source", ["/gone/model", "./gone", "gone", "a/b/c"])
def test_transformers_refuses_mistyped_source(source, laion_file):
    """A source that is neither a folder nor on the Hub is named."""
    message = f"source must be an existing folder or a Hub id user/name, got {source}"
    with pytest.raises(InputError, match=re.escape(message)):
        TransformersCLAP(source)
    with pytest.raises(InputError, match=r"must be an existing folder or|is not available"):
        LaionCLAP(laion_file, source)
