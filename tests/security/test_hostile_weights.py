"""Hostile weights and sources are refused, and only two files are downloaded."""

import hashlib
import io
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from speechbrain_lmac import Interpreter
from speechbrain_lmac.masking.decoder import MaskDecoder
from speechbrain_lmac.models.checkpoints import read_checkpoint
from speechbrain_lmac.models.clap.mini import MiniCLAP
from speechbrain_lmac.pretrained.export import DECODER_FILE, HPARAMS_FILE
from speechbrain_lmac.pretrained.files import fingerprint
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.single_read import open_hashed
from tests.security.conftest import CPU, ENORMOUS, REPO, Touch, encode_weights, put


def pickled(honest, marker):
    """Pickle that creates the marker."""
    return pickle.dumps(Touch(marker))


def saved_by_torch(honest, marker):
    """Checkpoint of torch that creates the marker."""
    buffer = io.BytesIO()
    torch.save({"x": Touch(marker)}, buffer)
    return buffer.getvalue()


def changed(change):
    """Return a function that makes a file with a changed state dict."""

    def file(honest, marker):
        state = load(honest[DECODER_FILE])
        change(state, next(iter(state)))
        return save(state)

    return file


def header(size, text=b"{}"):
    """Return a function that makes a file with a header of a given size."""
    return lambda honest, marker: struct.pack("<Q", size) + text


WEIGHTS = {
    "pickle": pickled,
    "checkpoint of torch": saved_by_torch,
    "nothing": lambda honest, marker: b"",
    "cut off": lambda honest, marker: honest[DECODER_FILE][:-100],
    "enormous header": header(1 << 62),
    "enormous tensor": header(len(ENORMOUS), ENORMOUS),
    "one is missing": changed(lambda state, name: state.pop(name)),
    "one too many": changed(lambda state, name: state.update(extra=torch.zeros(1))),
    "another shape": changed(lambda state, name: state.update({name: torch.zeros(3, 5)})),
    "another kind": changed(lambda state, name: state.update({name: state[name].half()})),
    "no numbers": changed(lambda state, name: state.update({name: state[name] * torch.nan})),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_hostile_weights_are_refused(name, hub, honest, marker):
    """The error names the file."""
    put(hub, {**honest, DECODER_FILE: WEIGHTS[name](honest, str(marker))})
    with pytest.raises(InputError, match=r"decoder\.safetensors"):
        Interpreter.from_hparams(source=REPO, run_opts=CPU)
    assert not marker.exists()


def test_large_files_are_not_downloaded(hub, honest, marker):
    """A size of 100 GB is refused before the download."""
    put(hub, honest)
    hub.sizes = {DECODER_FILE: 10**11}
    with pytest.raises(InputError, match="must have at most 268435456 bytes"):
        Interpreter.from_hparams(source=REPO, run_opts=CPU)
    assert not any("resolve" in line for line in hub.requests)


def test_only_two_files_are_downloaded(hub, honest, marker):
    """Python files in the repository are ignored."""
    code = f"open({str(marker)!r}, 'w')"
    put(hub, {**honest, "custom.py": code, "custom_interface.py": code, "setup.py": code})
    Interpreter.from_hparams(source=REPO, run_opts=CPU)
    downloaded = {line.rsplit("/", 1)[1] for line in hub.requests if "resolve" in line}
    assert downloaded == {HPARAMS_FILE, DECODER_FILE}
    assert not marker.exists()


def test_trust_source_runs_code_with_a_warning(hub, honest, marker):
    """The attacks are real: without the check, one succeeds."""
    call = f"x: !apply:os.system ['touch {marker}']"
    put(hub, {**honest, HPARAMS_FILE: f"{honest[HPARAMS_FILE]}\n{call}\n"})
    with pytest.warns(UserWarning, match="whatever .* contains is run unread"):
        Interpreter.from_hparams(source=REPO, run_opts=CPU, trust_source=True)
    assert marker.exists()


def test_pinned_interpreter_is_exact(hub, honest, tmp_path):
    """A revision and a SHA-256 give the reviewed files or an error."""
    first = put(hub, honest)
    other = encode_weights(MaskDecoder([256, 128, 64, 32], 256, 8))
    put(hub, {**honest, DECODER_FILE: other})
    pinned = Interpreter.from_hparams(source=REPO, revision=first, run_opts=CPU)
    for name, data in honest.items():
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    assert pinned.fingerprint == fingerprint(tmp_path)
    with pytest.raises(InputError, match=r"sha256 of .* must be"):
        Interpreter.from_hparams(source=REPO, sha256=pinned.fingerprint, run_opts=CPU)
    again = {"revision": first, "sha256": pinned.fingerprint.upper()}
    assert Interpreter.from_hparams(source=REPO, run_opts=CPU, **again)


def test_savedir_separates_sources(hub, honest, tmp_path):
    """Each source and revision has its own folder."""
    first = put(hub, honest)
    text = honest[HPARAMS_FILE].replace("LMAC-ZS-D", "another")
    hub.put("eve/maps", {HPARAMS_FILE: text.encode(), DECODER_FILE: honest[DECODER_FILE]})
    savedir = tmp_path / "downloads"
    for source, revision, method in (
        (REPO, None, "LMAC-ZS-D"),
        ("eve/maps", None, "another"),
        (REPO, first, "LMAC-ZS-D"),
    ):
        loaded = Interpreter.from_hparams(
            source=source, revision=revision, savedir=savedir, run_opts=CPU
        )
        assert loaded.hparams.method == method


@pytest.mark.parametrize(
    "path", ["results/gone", "./gone", "../gone/x", "/gone/x", "~/gone", "C:\\gone\\x", "a/b/c"]
)
def test_missing_paths_are_not_downloaded(path, hub, marker):
    """A mistyped path sends no request."""
    Path("results").mkdir()
    with pytest.raises(InputError, match="no interpreter at"):
        Interpreter.from_hparams(source=path, run_opts=CPU)
    assert not hub.requests


@pytest.mark.parametrize("source", ["x" * 5000, "a" * 300 + "/b", "a/..", "a/b--c", "\x00/b"])
def test_invalid_sources_are_refused(source, hub, marker, tmp_path):
    """Names that are no Hub id are errors."""
    for savedir in (None, tmp_path / "downloads"):
        with pytest.raises(InputError):
            Interpreter.from_hparams(source=source, savedir=savedir, run_opts=CPU)


def test_pipes_do_not_block(tmp_path):
    """A pipe is refused without being opened."""
    path = tmp_path / "pipe.safetensors"
    os.mkfifo(path)
    for read in (lambda: MiniCLAP(path), lambda: read_checkpoint(path, "model")):
        with pytest.raises(InputError, match="must be a file"):
            read()


def test_changing_file_is_refused(tmp_path):
    """A file is read once; a change during reading is an error."""
    path = tmp_path / "weights"
    path.write_bytes(b"first")
    with pytest.raises(InputError, match="changed while it was read"), open_hashed(path):
        path.write_bytes(b"second")
    with open_hashed(path) as file:
        path.with_name("other").write_bytes(b"third")
        path.with_name("other").replace(path)
        assert Path(file.name).read_bytes() == b"second"
    assert file.sha256 == hashlib.sha256(b"second").hexdigest()
