"""Imports of other packages that are put off."""

import subprocess
import sys

PROGRAM = """
import sys
import speechbrain_lmac.inference.interpreter
assert not {"scipy", "matplotlib", "sympy"} & sys.modules.keys()
from speechbrain.dataio import sampler
median = sampler.lognorm.ppf(0.5, 1)
import scipy.stats
assert scipy.stats.lognorm.ppf(0.5, 1) == median == 1.0
"""


def test_interpreter_imports_no_statistics():
    """scipy and matplotlib are imported on use; SpeechBrain's sampler still has lognorm."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


OTHER_NAMES = """
import sys
from speechbrain_lmac.utils.deferred_import import deferred_import
with deferred_import("colorsys", "rgb_to_hsv"):
    from colorsys import rgb_to_hsv, hls_to_rgb
assert rgb_to_hsv.__name__ == "rgb_to_hsv"
assert hls_to_rgb is sys.modules["colorsys"].hls_to_rgb
"""


def test_other_names_of_a_deferred_module_import_it():
    """A package that imports more than the named objects gets them."""
    done = subprocess.run([sys.executable, "-c", OTHER_NAMES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
