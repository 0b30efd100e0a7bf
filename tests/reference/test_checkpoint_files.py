"""Checkpoints of LAION's CLAP, as its training script saves them: read, or refused by name.

The weights are random. The files have the official layout.
"""

import numpy as np
import pytest
import torch

from speechbrain_lmac.models.checkpoints import read_checkpoint
from speechbrain_lmac.models.clap.laion import LaionCLAP
from speechbrain_lmac.models.clap.microsoft import MicrosoftCLAP
from speechbrain_lmac.utils.errors import InputError
from tests.helpers import reference_models
from tests.unit.models.test_checkpoints import error_of


@pytest.fixture(scope="module")
def official(laion_file):
    """Return the content of a file in the official layout."""
    return torch.load(laion_file, weights_only=False)


@pytest.fixture
def changed_file(official, tmp_path):
    """Return a function that writes the file with changed weights."""

    def write(change):
        path = tmp_path / "changed.pt"
        torch.save({**official, "state_dict": change(dict(official["state_dict"]))}, path)
        return path

    return write


def without(part):
    """Return a change that removes weights by a part of their name."""
    return lambda state: {name: value for name, value in state.items() if part not in name}


def with_shape(part, *shape):
    """Return a change that gives weights another shape."""
    return lambda state: {
        name: torch.ones(shape) if part in name else value for name, value in state.items()
    }


def with_weight(name, *shape):
    """Return a change that adds or replaces one weight."""
    return lambda state: {**state, f"module.audio_branch.{name}": torch.ones(shape)}


def test_checkpoint_may_hold_numpy_scalars(official, laion_file):
    """Numpy scalars and the state of an optimizer are accepted and ignored."""
    assert isinstance(official["loss"], np.float64) and "optimizer" in official
    assert set(read_checkpoint(laion_file, "state_dict")) == {
        name.removeprefix("module.") for name in official["state_dict"]
    }


def test_checkpoint_may_lack_position_ids(changed_file, tokenizer, laion_file):
    """Newer versions of transformers do not save them."""
    clap = LaionCLAP(changed_file(without("position_ids")), tokenizer)
    same = LaionCLAP(laion_file, tokenizer)
    assert (clap.queries(["rain"]) == same.queries(["rain"])).all()


def test_truncated_checkpoint_is_refused(laion_file, tmp_path, tokenizer):
    """The error states that the file is broken."""
    path = tmp_path / "torn.pt"
    path.write_bytes(laion_file.read_bytes()[:100_000])
    assert "broken" in error_of(path, tokenizer)


def test_clap_refuses_another_tokenizer(laion_file, tmp_path):
    """The error states both vocabulary sizes."""
    words = reference_models.write_tokenizer(tmp_path, vocabulary=1200)
    with pytest.raises(InputError, match="the 1500 tokens of this CLAP, got 1200"):
        LaionCLAP(laion_file, words)


@pytest.mark.parametrize(
    "change, message",
    [
        (without("audio_projection.0.weight"), "lacks 0.weight"),
        (without("layers.2.blocks.3.attn.qkv.weight"), "lacks layers.2.blocks.3.attention"),
        (without("text_branch.embeddings.word"), "lacks embeddings.word_embeddings.weight"),
        (without("melW"), "lacks audio_branch.logmel_extractor.melW"),
        (without("logit_scale_a"), "lacks logit_scale_a"),
        (without("audio_branch."), "expected an audio_branch that is HTSAT"),
        (without("layers.0.blocks.0.norm1.weight"), "shapes make no network"),
        (with_shape("patch_embed.proj.weight", 96), "but found [96]"),
        (with_shape("word_embeddings.weight", 1500), "shapes make no network"),
        (with_shape("text_projection.0.weight", 3), "shapes make no network"),
        (with_shape("melW", 257, 64), "expected a filterbank [513, 64] and one logit scale"),
        (with_shape("logit_scale_a", 7), "found [513, 64] and 7"),
        (with_weight("fusion_model.w", 1), "trained with feature fusion"),
        (with_weight("norm.weight", 7), "expected norm.weight [768] but found [7]"),
        (with_weight("norm.extra", 7), "holds norm.extra, which it should not"),
    ],
)
def test_wrong_weights_are_named(changed_file, tokenizer, change, message):
    """The error states the weights that were expected and found."""
    assert message in error_of(changed_file(change), tokenizer)


def test_laion_weights_are_not_microsoft(official, tmp_path, tokenizer):
    """The error names the authors whose weights are expected."""
    path = tmp_path / "CLAP_weights_2022.pth"
    torch.save({"model": official["state_dict"]}, path)
    assert "is not Microsoft's" in error_of(path, tokenizer, MicrosoftCLAP)
