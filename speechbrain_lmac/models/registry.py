"""Registry of the CLAP adapters."""

from importlib import import_module
from inspect import signature

from speechbrain_lmac.utils.errors import InputError

CLAPS = {
    "mini": "speechbrain_lmac.models.clap.mini.MiniCLAP",
    "efficientat": "speechbrain_lmac.models.clap.efficientat.EfficientATCLAP",
    "laion": "speechbrain_lmac.models.clap.laion.LaionCLAP",
    "microsoft": "speechbrain_lmac.models.clap.microsoft.MicrosoftCLAP",
    "transformers": "speechbrain_lmac.models.clap.transformers.TransformersCLAP",
}
"""Class of each name, imported on demand: some adapters need further packages."""


def load_clap(name, weights=None, **settings):
    """Build a CLAP.

    Arguments
    ---------
    name : str
        Key of ``CLAPS``.
    weights : str or Path
        Weights file, or a published name. Default: that of the adapter.
    **settings
        Further arguments of the adapter, for example ``tokenizer``.

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
