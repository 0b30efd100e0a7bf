"""Imports of other packages that are put off until an object of theirs is used."""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any


class _Deferred:
    """Object of a module that is imported when an attribute of the object is read."""

    def __init__(self, module: str, name: str):
        self._place = module, name

    def __getattr__(self, attribute: str) -> Any:
        module, name = self._place
        return getattr(getattr(importlib.import_module(module), name), attribute)


@contextlib.contextmanager
def deferred_import(module: str, *names: str) -> Iterator[None]:
    """Let other modules import objects of a slow module without importing it.

    The objects import the module when one of their attributes is read. Any other name imports it at
    once. The module itself can be imported as usual afterwards. Without effect if it is imported
    already.

    Arguments
    ---------
    module : str
        Name of the slow module.
    *names : str
        Names of the objects that are imported from it.

    Example
    -------
    >>> with deferred_import("fractions_of_seconds", "Timer"):
    ...     from fractions_of_seconds import Timer
    >>> Timer.start
    Traceback (most recent call last):
    ...
    ModuleNotFoundError: No module named 'fractions_of_seconds'
    """
    if module in sys.modules:
        yield
        return
    placeholder = ModuleType(module)

    def resolve(name: str) -> Any:
        if name.startswith("__"):  # import machinery asks for these
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        sys.modules.pop(module, None)
        return getattr(importlib.import_module(module), name)

    placeholder.__getattr__ = resolve  # type: ignore[method-assign]
    for name in names:
        setattr(placeholder, name, _Deferred(module, name))
    sys.modules[module] = placeholder
    try:
        yield
    finally:
        if sys.modules.get(module) is placeholder:
            del sys.modules[module]
