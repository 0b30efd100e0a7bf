"""Registry of the CLAP adapters."""

from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechbrain_lmac.utils.errors import InputError

if TYPE_CHECKING:
    from speechbrain_lmac.models.clap.base import CLAP

CLAPS = {
    "mini": "speechbrain_lmac.models.clap.mini.MiniCLAP",
    "efficientat": "speechbrain_lmac.models.clap.efficientat.EfficientATCLAP",
    "laion": "speechbrain_lmac.models.clap.laion.LaionCLAP",
    "microsoft": "speechbrain_lmac.models.clap.microsoft.MicrosoftCLAP",
    "transformers": "speechbrain_lmac.models.clap.transformers.TransformersCLAP",
}
"""Class of each name, imported on demand: some adapters need additional packages."""


def load_clap(name: str, weights: str | Path | None = None, **settings: Any) -> "CLAP":
    """Build a CLAP.

    Arguments
    ---------
    name : str
        Name of the adapter, a key of ``CLAPS``.
    weights : str or Path
        Weights file, or a published name. Default: the default weights of the adapter.
    **settings
        Additional arguments of the adapter, for example ``tokenizer``.

    Returns
    -------
    CLAP

    Raises
    ------
    InputError
        If no adapter has that name, or the weights cannot be loaded.
    """
    if name not in CLAPS:
        raise InputError(f"the CLAP must be one of {', '.join(CLAPS)}, got {name!r}")
    module, _, adapter = CLAPS[name].rpartition(".")
    build = getattr(import_module(module), adapter)
    foreign = set(settings) - set(signature(build).parameters)
    if foreign:
        raise InputError(f"the {name} CLAP has no setting {', '.join(sorted(foreign))}. Remove it")
    return build(*(() if weights is None else (weights,)), **settings)
