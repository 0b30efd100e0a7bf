"""Listenable maps: explain zero-shot audio classifiers with masks that you can listen to."""

import getpass
import os
import tempfile
from typing import TYPE_CHECKING, Any

from speechbrain_lmac.utils.version import VERSION

if TYPE_CHECKING:
    from speechbrain_lmac.inference.interpretation import Interpretation
    from speechbrain_lmac.inference.interpreter import Interpreter

__version__ = VERSION
__all__ = ["Interpretation", "Interpreter", "evaluate_explainers"]

# Read when torch is loaded. A thread that is done waits for the others; by default it does so for
# milliseconds at full load, and where another program wants that core all work nearly stands still.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _name_cache() -> None:
    """Name torch's cache folder where the user has no name.

    transformers loads torch's compiler, which calls its cache folder after the user when it is
    imported; a user id without an entry in passwd, as in containers, is a KeyError there.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        folder = os.path.join(tempfile.gettempdir(), f"torchinductor_{os.getuid()}")
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", folder)


_name_cache()


def __getattr__(name: str) -> Any:
    # importing the package costs nothing until something of it is used
    if name == "Interpreter":
        from speechbrain_lmac.inference.interpreter import Interpreter

        return Interpreter
    if name == "Interpretation":
        from speechbrain_lmac.inference.interpretation import Interpretation

        return Interpretation
    if name == "evaluate_explainers":
        from speechbrain_lmac.evaluation.evaluate import evaluate_explainers

        return evaluate_explainers
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
