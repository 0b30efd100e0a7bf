"""Importing the package is light and leaves the process as it was."""

import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

VARIABLES = ("GOMP_SPINCOUNT", "TORCHINDUCTOR_CACHE_DIR")


def run(code, *arguments, **variables):
    """Output of Python code in a process of its own, without the variables that are tested."""
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**inherited, **variables},
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_no_heavy_package():
    """The package costs nothing until something of it is used."""
    code = (
        "import sys, speechbrain_lmac, speechbrain_lmac.utils.device; "
        "heavy = {'torch', 'speechbrain', 'laion_clap', 'transformers'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run(code) == "[]"


def test_import_leaves_environment_unchanged():
    """A library must not set variables for the program that imports it."""
    code = (
        "import os; before = dict(os.environ); "
        "import speechbrain_lmac.utils.device, speechbrain_lmac.__main__; "
        "print(dict(os.environ) == before)"
    )
    assert run(code) == "True"


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
    assert run(code, **({} if value is None else {"GOMP_SPINCOUNT": value})) == (value or "1000")


NAMELESS = """
import ctypes, getpass, os, sys
user = os.getuid()
if ctypes.CDLL(None).unshare(0x10000000):  # CLONE_NEWUSER
    print("unsupported")
    sys.exit()
try:
    open("/proc/self/uid_map", "w").write(f"54321 {user} 1")
except OSError:
    print("unsupported")
    sys.exit()
for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
try:
    getpass.getuser()
except (KeyError, OSError):
    pass
else:
    sys.exit("the user has a name")
"""
"""Give the process a user id without a name, as processes in containers have."""


@pytest.mark.parametrize(
    "code",
    [
        "import sys, torch\n"
        "from speechbrain_lmac import Interpreter\n"
        "interpreter = Interpreter.from_hparams('mini-mel', run_opts={'device': 'cpu'})\n"
        "interpreter.interpret(torch.rand(32000) - 0.5, ['an ambulance that wails far away'])\n"
        "assert 'transformers' in sys.modules\n",
        "import speechbrain_lmac.models.clap.laion",
        "import speechbrain_lmac.models.clap.microsoft",
        "import speechbrain_lmac.models.clap.transformers",
    ],
    ids=["interpreter", "laion", "microsoft", "transformers"],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="user namespaces of Linux")
def test_nameless_user_can_use_package(code):
    """torch's compiler, which transformers loads, names its cache folder after the user."""
    output = run(f"{NAMELESS}{code}\nimport torch._dynamo\nprint('done')")
    if output == "unsupported":
        pytest.skip("no user namespace can be created here")
    assert output.endswith("done")
