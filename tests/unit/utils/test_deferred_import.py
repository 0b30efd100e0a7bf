"""Imports of other packages that are put off."""

import subprocess
import sys

PROGRAM = """
import sys
import speechbrain_lmac.inference.interpreter
assert not {"scipy.stats", "matplotlib", "sympy"} & sys.modules.keys()
from speechbrain.dataio import sampler
median = sampler.lognorm.ppf(0.5, 1)
import scipy.stats
assert scipy.stats.lognorm.ppf(0.5, 1) == median == 1.0
"""


def test_interpreter_imports_no_statistics():
    """scipy.stats and matplotlib are imported on use; SpeechBrain's sampler still has lognorm."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
