"""A user id without a user name, as in containers."""

import sys

import pytest

from tests.helpers.processes import run_code

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


EACH = """
import sys, torch, speechbrain
assert "torch._dynamo" not in sys.modules
for code in sys.argv[1:]:
    if not os.fork():
        exec(code)
        import torch._dynamo
        os._exit(0)
    assert os.wait()[1] == 0, code
print("done")
"""
"""Run every piece of code, then import torch's compiler, in a process of its own."""
INTERPRET = """
from speechbrain_lmac import Interpreter
interpreter = Interpreter.from_hparams("mini-mel", run_opts={"device": "cpu"})
interpreter.interpret(torch.rand(32000) - 0.5, ["an ambulance that wails far away"])
assert "transformers" in sys.modules
"""
IMPORT = "import speechbrain_lmac.models.clap."
"""Import of an adapter; three adapters import transformers."""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="user namespaces of Linux")
@pytest.mark.parametrize(
    "codes",
    [
        [INTERPRET, IMPORT + "transformers"],
        pytest.param([IMPORT + "laion", IMPORT + "microsoft"], marks=pytest.mark.exhaustive),
    ],
    ids=["interpret", "adapters"],
)
def test_nameless_user_can_use_package(codes):
    """torch's compiler, which transformers imports, names its cache folder after the user."""
    output = run_code(NAMELESS + EACH, *codes)
    if output == "unsupported":
        pytest.skip("no user namespace can be created here")
    assert output.endswith("done")
