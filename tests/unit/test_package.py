"""The package itself: a light import. import-linter holds the order of its packages."""

import os
import subprocess
import sys

import pytest


def test_importing_the_package_is_light():
    code = (
        "import sys, speechbrain_lmac; "
        "heavy = {'torch', 'speechbrain', 'laion_clap', 'transformers'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("own", [None, "7"])
def test_waiting_threads_soon_give_way(own):
    """Said before torch is loaded, and not over what the user says."""
    code = "import os, speechbrain_lmac; print(os.environ['GOMP_SPINCOUNT'])"
    inherited = {k: v for k, v in os.environ.items() if k != "GOMP_SPINCOUNT"}
    env = inherited | ({"GOMP_SPINCOUNT": own} if own else {})
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert out.stdout.strip() == (own or "1000")
