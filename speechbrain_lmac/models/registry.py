"""CLAPs by name."""

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
"""Name -> class, imported when it is asked for: some bring a package of their own."""


def load_clap(name, weights=None, **settings):
    """Build a CLAP.

    Arguments
    ---------
    name : str
        A key of ``CLAPS``.
    weights : str or Path
        Its weights; what the adapter ships or fetches by default.
    **settings
        What else the adapter takes, ``tokenizer`` for instance.

    Returns
    -------
    Clap

    Raises
    ------
    InputError
        If there is none of that name, or its weights cannot be used.
    """
    if name not in CLAPS:
        raise InputError(f"there is no CLAP called {name!r}; there are {', '.join(CLAPS)}")
    module, _, adapter = CLAPS[name].rpartition(".")
    build = getattr(import_module(module), adapter)
    foreign = set(settings) - set(signature(build).parameters)
    if foreign:
        raise InputError(f"the {name} CLAP takes no {', '.join(sorted(foreign))}")
    return build(*(() if weights is None else (weights,)), **settings)
