"""Hear why a zero-shot audio classifier decided as it did."""

__version__ = "0.1.0"
__all__ = ["Interpretation", "Interpreter"]


def __getattr__(name):
    # importing the package costs nothing until something of it is used
    if name == "Interpreter":
        from speechbrain_lmac.inference import Interpreter

        return Interpreter
    if name == "Interpretation":
        from speechbrain_lmac.interpretation import Interpretation

        return Interpretation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
