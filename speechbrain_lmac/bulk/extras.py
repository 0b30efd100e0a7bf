"""Optional packages of this package, imported when they are used."""

from importlib import import_module
from typing import Any

from speechbrain_lmac.utils.errors import InputError, first_line


def require(module: str, extra: str = "many") -> Any:
    """Import an optional package.

    Arguments
    ---------
    module : str
        Name of the module.
    extra : str
        Extra of this package that installs it. Default: ``many``.

    Returns
    -------
    module

    Raises
    ------
    InputError
        If the package is missing or cannot be loaded.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise InputError(
            f"{module.partition('.')[0]} cannot be imported ({first_line(error)}). "
            f"Run pip install 'speechbrain-lmac[{extra}]'"
        ) from error
