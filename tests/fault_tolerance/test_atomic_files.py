"""Atomic writing of files: concurrent writers, links, devices, killed processes."""

import os
import signal
import stat
from pathlib import Path

import pytest
import soundfile
import torch

from speechbrain_lmac.audio.io import save_audio
from speechbrain_lmac.audio.streaming_writer import StreamingWriter
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write, write_text
from speechbrain_lmac.utils.ownership import owned_file
from tests.helpers.runs import contents

MINE = "the user's"
"""Content of a file of the user."""


def test_atomic_write_two_writers_never_mix(tmp_path):
    """The file has the content of the writer that closes last."""
    with atomic_write(tmp_path / "a") as first, atomic_write(tmp_path / "a") as second:
        first.write_text("1" * 9)
        second.write_text("2" * 5)
    assert contents(tmp_path) == {"a": b"1" * 9}


def test_save_audio_replaces_owned_file(tmp_path, monkeypatch):
    """A sound that this package wrote may be replaced."""
    monkeypatch.chdir(tmp_path)
    save_audio(Path("a.wav"), torch.full((100,), 0.25), 8000, writer=owned_file)
    assert soundfile.info("a.wav").frames == 100
    save_audio(Path("a.wav"), torch.full((50,), 0.25), 8000, writer=owned_file)
    assert soundfile.info("a.wav").frames == 50


def test_streaming_writers_never_mix(tmp_path):
    """The file has the samples of the writer that closes last."""
    path = tmp_path / "a.wav"
    with StreamingWriter([path], 8000) as first:
        with StreamingWriter([path], 8000) as second:
            first.write(torch.full((1, 100), 0.25))
            second.write(torch.full((1, 50), 0.5))
            first.write(torch.full((1, 100), 0.25))
        assert (soundfile.read(path)[0] == 0.5).all() and soundfile.info(path).frames == 50
    assert (soundfile.read(path)[0] == 0.25).all() and soundfile.info(path).frames == 200
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]


def test_atomic_write_keeps_partial_of_user(tmp_path):
    """A file of the user may have the ending ``.partial``."""
    (tmp_path / "a.partial").write_text(MINE)
    write_text(tmp_path / "a", "x")
    assert contents(tmp_path) == {"a": b"x", "a.partial": MINE.encode()}


def test_atomic_write_has_mode_of_open(tmp_path):
    """A new file has the mode of the umask, a replaced file keeps its mode."""
    before = os.umask(0o027)
    try:
        path = write_text(tmp_path / "a", "x")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        assert stat.S_IMODE(write_text(path, "y").stat().st_mode) == 0o604
    finally:
        os.umask(before)


def test_atomic_write_follows_links(tmp_path):
    """The target of a symbolic link is replaced, the link remains."""
    (tmp_path / "there").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "there" / "b")
    write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").is_symlink() and (tmp_path / "there" / "b").read_text() == "x"


def test_atomic_write_refuses_devices(tmp_path):
    """A pipe remains a pipe."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="got a device or pipe"):
        write_text(tmp_path / "pipe", "x")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_sweep_removes_files_of_dead_processes(tmp_path):
    """Partial files of a killed process are removed, those of a running process remain."""
    ready, go = os.pipe(), os.pipe()
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            with atomic_write(tmp_path / "a"):
                os.write(ready[1], b"x")
                os.read(go[0], 1)
            os._exit(0)
        children.append(child)
        os.read(ready[0], 1)
    assert len(list(tmp_path.iterdir())) == 2
    os.kill(children[0], signal.SIGKILL)
    os.waitpid(children[0], 0)
    write_text(tmp_path / "b", "x")
    assert len(list(tmp_path.glob(".speechbrain-lmac-*"))) == 1
    os.write(go[1], b"x")
    os.waitpid(children[1], 0)
    assert sorted(contents(tmp_path)) == ["a", "b"]
