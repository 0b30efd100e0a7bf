"""Facts about an interpreter, from this process or from another one."""

import importlib
import os
import subprocess
import sys

import pytest

from speechbrain_lmac.bulk.interpreter_facts import facts_of, facts_of_source
from speechbrain_lmac.inference.sources import InterpreterSource
from speechbrain_lmac.utils.errors import InputError

PROGRAM = """
import sys
import speechbrain_lmac.bulk.api
import speechbrain_lmac.bulk.ray_engine
import speechbrain_lmac.cli.explain_many
assert "torch" not in sys.modules
"""


def test_driver_of_ray_loads_no_torch():
    """A driver schedules workers; torch would be most of its memory."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


LOUD = """
from speechbrain_lmac.inference.sources import InterpreterSource
class Loud(InterpreterSource):
    def load(self):
        print("loud")
        return super().load()
"""


def test_another_process_tells_the_same(tmp_path, monkeypatch):
    """Also if a library prints while the interpreter is loaded."""
    (tmp_path / "loud.py").write_text(LOUD)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    source = importlib.import_module("loud").Loud("mini-mel")
    assert facts_of_source(source, ["rain"]) == facts_of(source.load(), ["rain"])


@pytest.mark.parametrize(
    ("source", "prompts", "message"),
    [
        (InterpreterSource("mini-mel"), ["rain", "Rain"], "the same"),
        (InterpreterSource("/missing"), ["rain"], "/missing"),
    ],
)
def test_another_process_refuses_alike(source, prompts, message):
    """Errors of the other process are those of this one."""
    with pytest.raises(InputError) as expected:
        facts_of(source.load(), prompts)
    with pytest.raises(InputError) as found:
        facts_of_source(source, prompts)
    assert str(found.value) == str(expected.value) and message in str(found.value)
