"""What is refused, in one sentence, before anything of it is run."""

import pickle

import numpy as np
import pytest
import torch

from speechbrain_lmac.models.checkpoints import read_checkpoint
from speechbrain_lmac.models.clap.laion import LaionCLAP
from speechbrain_lmac.models.clap.microsoft import MicrosoftCLAP
from speechbrain_lmac.utils.errors import InputError
from tests.helpers import reference_models


@pytest.fixture(scope="module")
def official(laion_file):
    """What an official file holds."""
    return torch.load(laion_file, weights_only=False)


@pytest.fixture
def written(official, tmp_path):
    """Write an official file with other weights, and what else is changed."""

    def write(change=lambda state: state, **others):
        state = change(dict(official["state_dict"]))
        path = tmp_path / "changed.pt"
        torch.save({**official, "state_dict": state, **others}, path)
        return path

    return write


def without(name):
    return lambda state: {n: v for n, v in state.items() if name not in n}


def with_shape(name, *shape):
    return lambda state: {n: torch.ones(shape) if name in n else v for n, v in state.items()}


def refusal(path, tokenizer, adapter=LaionCLAP):
    with pytest.raises(InputError) as refused:
        adapter(path, tokenizer)
    message = str(refused.value)
    assert str(path) in message and "\n" not in message
    return message


def test_numpy_scalars_and_an_optimiser_may_lie_beside_the_weights(official, laion_file):
    assert isinstance(official["loss"], np.float64) and "optimizer" in official
    assert set(read_checkpoint(laion_file, "state_dict")) == {
        name.removeprefix("module.") for name in official["state_dict"]
    }


@pytest.mark.parametrize("kind", "?bBhHiIlLqQefd")
def test_numpy_scalars_of_every_kind_are_read(tmp_path, kind):
    path = tmp_path / "scalar.pt"
    torch.save({"state_dict": {"w": torch.ones(2)}, "x": np.dtype(kind).type(1)}, path)
    assert (read_checkpoint(path, "state_dict")["w"] == 1).all()


def test_position_ids_may_be_absent(written, tokenizer, laion_file):
    clap = LaionCLAP(written(without("position_ids")), tokenizer)
    same = LaionCLAP(laion_file, tokenizer)
    assert (clap.queries(["rain"]) == same.queries(["rain"])).all()


class Payload:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.mark.parametrize("dump", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x))])
def test_a_pickle_that_runs_code_is_not_run(tmp_path, tokenizer, dump):
    path, marker = tmp_path / "evil.pt", tmp_path / "marker"
    dump({"state_dict": {"w": torch.ones(1)}, "x": Payload(marker)}, path)
    message = refusal(path, tokenizer)
    assert "tensors, numbers and names: it" in message
    assert "weights_only" not in message  # no advice to run it after all
    assert not marker.exists()


def test_a_truncated_file(laion_file, tmp_path, tokenizer):
    path = tmp_path / "torn.pt"
    path.write_bytes(laion_file.read_bytes()[:100_000])
    assert "broken" in refusal(path, tokenizer)


def test_a_file_that_is_no_checkpoint(tmp_path, tokenizer):
    path = tmp_path / "page.pt"
    path.write_text("<html>not found</html>")
    assert "cannot be read as a checkpoint" in refusal(path, tokenizer)


@pytest.mark.parametrize("held", [[1], "abc", torch.ones(3), {1: torch.ones(2)}, {"w": 3}, {}])
def test_weights_that_are_no_named_tensors(tmp_path, tokenizer, held):
    path = tmp_path / "other.pt"
    torch.save({"state_dict": held}, path)
    assert "no dictionary of tensors" in refusal(path, tokenizer)


@pytest.mark.parametrize("kept", range(20, 1500, 30))
def test_truncated_in_the_old_format(tmp_path, tokenizer, kept):
    path = tmp_path / "old.pt"
    state = {"state_dict": {"w": torch.ones(2)}, "loss": np.float64(1)}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: min(kept, path.stat().st_size - 1)])
    refusal(path, tokenizer)


def test_a_tokenizer_of_another_model(laion_file, tmp_path):
    words = reference_models.write_tokenizer(tmp_path, vocabulary=1200)
    with pytest.raises(InputError, match="the 1500 tokens of this CLAP, got 1200"):
        LaionCLAP(laion_file, words)


def test_no_weights_under_the_key(tmp_path, tokenizer):
    path = tmp_path / "other.pt"
    torch.save({"epoch": 3, "weights": {"w": torch.ones(1)}}, path)
    assert "no dictionary of tensors, neither under 'state_dict'" in refusal(path, tokenizer)


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
        (
            lambda state: {**state, "module.audio_branch.fusion_model.w": torch.ones(1)},
            "trained with feature fusion",
        ),
        (
            lambda state: {**state, "module.audio_branch.norm.weight": torch.ones(7)},
            "expected norm.weight [768] but found [7]",
        ),
        (
            lambda state: {**state, "module.audio_branch.norm.extra": torch.ones(7)},
            "holds norm.extra, which it should not",
        ),
    ],
)
def test_wrong_weights_say_what_was_expected_and_found(written, tokenizer, change, message):
    assert message in refusal(written(change), tokenizer)


def test_one_authors_file_is_not_anothers(laion_file, tmp_path, tokenizer):
    assert "is not Microsoft's" in refusal(
        written_as_model(laion_file, tmp_path), tokenizer, MicrosoftCLAP
    )


def written_as_model(laion_file, folder):
    path = folder / "CLAP_weights_2022.pth"
    torch.save({"model": torch.load(laion_file, weights_only=False)["state_dict"]}, path)
    return path


def test_a_missing_file_names_the_official_ones(tokenizer):
    with pytest.raises(InputError, match=r"weights must be a file or one of .*, got gone\.pt"):
        LaionCLAP("gone.pt", tokenizer)
