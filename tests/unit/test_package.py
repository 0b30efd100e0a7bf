"""Importing the package is light and leaves the process as it was."""

import pytest

from tests.helpers.processes import run_code


def test_import_loads_no_heavy_package():
    """The package costs nothing until something of it is used."""
    code = (
        "import sys, speechbrain_lmac, speechbrain_lmac.utils.device; "
        "heavy = {'torch', 'speechbrain', 'laion_clap', 'transformers', 'pyarrow', 'ray'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run_code(code) == "[]"


def test_import_leaves_environment_unchanged():
    """A library must not set variables for the program that imports it."""
    code = (
        "import os; before = dict(os.environ); "
        "import speechbrain_lmac.utils.device, speechbrain_lmac.__main__; "
        "print(dict(os.environ) == before)"
    )
    assert run_code(code) == "True"


PROGRAMS = {
    "train.py": "runpy.run_path('train.py', run_name='__main__')",
    "evaluate.py": "runpy.run_path('evaluate.py', run_name='__main__')",
    "command": "runpy.run_module('speechbrain_lmac', run_name='__main__')",
}


@pytest.mark.parametrize("value", [None, "7"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_program_lowers_spin_count(program, value):
    """Before torch is loaded, and not over a value that the user has set."""
    code = (
        "import os, runpy, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'torch':\n"
        "            print(os.environ.get('GOMP_SPINCOUNT'), flush=True)\n"
        "            os._exit(0)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv = ['program', 'train', 'lmac_zs.yaml']\n"
        f"{PROGRAMS[program]}"
    )
    assert run_code(code, **({} if value is None else {"GOMP_SPINCOUNT": value})) == (
        value or "1000"
    )
