"""Listenable maps: explain audio classifiers with masks that you can listen to."""

from typing import TYPE_CHECKING, Any

from speechbrain_lmac.utils.version import VERSION

if TYPE_CHECKING:
    from speechbrain_lmac.inference.interpretation import Interpretation
    from speechbrain_lmac.inference.interpreter import Interpreter

__version__ = VERSION
__all__ = ["Interpretation", "Interpreter", "evaluate_explainers"]


def __getattr__(name: str) -> Any:
    """Import a public class when it is first used, so that importing the package is fast."""
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
