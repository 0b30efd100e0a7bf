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
    """torch's compiler, which transformers imports, names its cache folder after the user."""
    output = run_code(f"{NAMELESS}{code}\nimport torch._dynamo\nprint('done')")
    if output == "unsupported":
        pytest.skip("no user namespace can be created here")
    assert output.endswith("done")
