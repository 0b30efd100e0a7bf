"""Python code in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
VARIABLES = ("GOMP_SPINCOUNT", "TORCHINDUCTOR_CACHE_DIR")
"""Environment variables that programs of the package set."""


def run_code(code, *arguments, **variables):
    """Return the output of Python code in a new process, without the variables of the package."""
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
