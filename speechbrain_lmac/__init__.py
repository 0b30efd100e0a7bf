"""Listenable maps: explain audio classifiers with masks that you can listen to."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from speechbrain_lmac.utils.version import VERSION

if TYPE_CHECKING:
    from speechbrain_lmac.bulk.api import explain_dataset
    from speechbrain_lmac.evaluation.evaluate import evaluate_explainers
    from speechbrain_lmac.inference.interpretation import Interpretation
    from speechbrain_lmac.inference.interpreter import Interpreter
    from speechbrain_lmac.models.classifiers.front_end import FrontEnd
    from speechbrain_lmac.models.classifiers.hooked import HookedClassifier
    from speechbrain_lmac.publishing.api import publish
    from speechbrain_lmac.training.api import train_interpreter

__version__ = VERSION
__all__ = [
    "FrontEnd",
    "HookedClassifier",
    "Interpretation",
    "Interpreter",
    "evaluate_explainers",
    "explain_dataset",
    "publish",
    "train_interpreter",
]
_MODULES = {
    "FrontEnd": "models.classifiers.front_end",
    "HookedClassifier": "models.classifiers.hooked",
    "Interpretation": "inference.interpretation",
    "Interpreter": "inference.interpreter",
    "evaluate_explainers": "evaluation.evaluate",
    "explain_dataset": "bulk.api",
    "publish": "publishing.api",
    "train_interpreter": "training.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package is fast."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"speechbrain_lmac.{_MODULES[name]}"), name)
