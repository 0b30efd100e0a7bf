"""Checkpoints are read without running their code, or refused in one sentence.

tests/reference/test_checkpoint_files.py has files of whole models.
"""

import pickle

import numpy as np
import pytest
import torch

from speechbrain_lmac.models.checkpoints import read_checkpoint
from speechbrain_lmac.models.clap.laion import LaionCLAP
from speechbrain_lmac.utils.errors import InputError


def error_of(path, tokenizer, adapter=LaionCLAP):
    """Return the error of loading a file: one line that names the file."""
    with pytest.raises(InputError) as error:
        adapter(path, tokenizer)
    message = str(error.value)
    assert str(path) in message and "\n" not in message
    return message


@pytest.mark.parametrize("kind", "?bBhHiIlLqQefd")
def test_numpy_scalars_of_every_kind_are_read(tmp_path, kind):
    """Official checkpoints hold a loss as a numpy scalar."""
    path = tmp_path / "scalar.pt"
    torch.save({"state_dict": {"w": torch.ones(2)}, "x": np.dtype(kind).type(1)}, path)
    assert (read_checkpoint(path, "state_dict")["w"] == 1).all()


class Payload:
    """An object whose unpickling creates a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.mark.parametrize("dump", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x))])
def test_pickled_code_is_not_run(tmp_path, tokenizer, dump):
    """The error does not advise to run the code after all."""
    path, marker = tmp_path / "evil.pt", tmp_path / "marker"
    dump({"state_dict": {"w": torch.ones(1)}, "x": Payload(marker)}, path)
    message = error_of(path, tokenizer)
    assert "tensors, numbers and names: it" in message
    assert "weights_only" not in message
    assert not marker.exists()


def test_html_page_is_no_checkpoint(tmp_path, tokenizer):
    """A failed download is often an error page."""
    path = tmp_path / "page.pt"
    path.write_text("<html>not found</html>")
    assert "cannot be read as a checkpoint" in error_of(path, tokenizer)


@pytest.mark.parametrize("content", [[1], "abc", torch.ones(3), {1: torch.ones(2)}, {"w": 3}, {}])
def test_weights_must_be_named_tensors(tmp_path, tokenizer, content):
    """Everything but a dictionary of names and tensors is refused."""
    path = tmp_path / "other.pt"
    torch.save({"state_dict": content}, path)
    assert "no dictionary of tensors" in error_of(path, tokenizer)


@pytest.mark.parametrize("size", range(20, 1500, 30))
def test_truncated_old_format_is_refused(tmp_path, tokenizer, size):
    """Files of torch before 1.6, cut at any place."""
    path = tmp_path / "old.pt"
    state = {"state_dict": {"w": torch.ones(2)}, "loss": np.float64(1)}
    torch.save(state, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[: min(size, path.stat().st_size - 1)])
    error_of(path, tokenizer)


def test_weights_under_another_key_are_refused(tmp_path, tokenizer):
    """The error names the key that is expected."""
    path = tmp_path / "other.pt"
    torch.save({"epoch": 3, "weights": {"w": torch.ones(1)}}, path)
    assert "no dictionary of tensors, neither under 'state_dict'" in error_of(path, tokenizer)


def test_missing_file_names_official_files(tokenizer):
    """The error lists the files that can be downloaded."""
    with pytest.raises(InputError, match=r"weights must be a file or one of .*, got gone\.pt"):
        LaionCLAP("gone.pt", tokenizer)
