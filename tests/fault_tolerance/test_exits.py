"""Signals, and errors of one file among several."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch

from speechbrain_lmac.cli.batch import for_each
from speechbrain_lmac.cli.command import unwind_on_signals
from speechbrain_lmac.inference.outputs import SCORES, writing_to
from speechbrain_lmac.utils.temporary_files import AUXILIARY


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_exit_with_their_status(name, monkeypatch):
    """A signal raises SystemExit with 128 + number, unless the process ignores the signal."""
    number = getattr(signal, name)
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(number, signal.SIG_DFL)  # the test runner may ignore it
        unwind_on_signals()
        with pytest.raises(SystemExit) as stopped:
            os.kill(os.getpid(), number)
        assert stopped.value.code == 128 + number
        signal.signal(number, signal.SIG_IGN)  # as nohup does
        unwind_on_signals()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)


@pytest.fixture
def ctrl_c():
    """Let SIGINT raise KeyboardInterrupt, also in a test that runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(
    ("owner", "name"), [(Path, "mkdir"), (Path, "replace"), (Path, "unlink"), (shutil, "rmtree")]
)
def test_interruption_divides_no_output(owner, name, tmp_path, monkeypatch):
    """Ctrl-C during any file operation leaves all files of an output or none, and no temporary."""
    function, left = getattr(owner, name), 0

    def interrupted(*args, **kwargs):
        nonlocal left
        left -= 1
        if not left:
            signal.raise_signal(signal.SIGINT)
        return function(*args, **kwargs)

    names = ["sound.wav", SCORES]
    monkeypatch.setattr(owner, name, interrupted)
    found = []
    for calls in range(1, 4):
        folder, left = tmp_path / str(calls), calls
        try:
            with writing_to(folder, names) as stage:
                for each in names:
                    (stage / each).write_text(each)
        except KeyboardInterrupt:
            files = {path.name for path in folder.glob("*")}
            assert not any(map(AUXILIARY.fullmatch, files))
            found.append(files.issuperset(names))
            assert found[-1] or files.isdisjoint(names)
    assert found


OUT_OF_MEMORY = (
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("std::bad_alloc"),
    OSError(12, "Cannot allocate memory"),
)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_batch_continues_after_out_of_memory(error, capsys):
    """An out-of-memory error of one file is reported, and the next file is processed."""

    def work(file, place):
        if place == 0:
            raise error
        return {"file": file}, [f"{file} done"]

    assert for_each(["a.wav", "b.wav"], work, as_json=False) == 1
    output = capsys.readouterr()
    assert "a.wav: memory ran out" in output.err and output.out == "b.wav done\n"


def test_batch_ends_at_other_errors():
    """A fault of the program is not reported as an error of one file."""

    def work(file, place):
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError, match="a fault"):
        for_each(["a.wav"], work, as_json=False)
