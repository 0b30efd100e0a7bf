"""CLAPs by name."""

from importlib import import_module

from speechbrain_lmac.errors import InputError

CLAPS = {
    "embedded": "speechbrain_lmac.clap.embedded.EmbeddedClap",
    "tagger": "speechbrain_lmac.clap.tagger.TaggerClap",
}
"""Name -> class, imported when it is asked for: some bring a package of their own."""


def load_clap(name, weights=None):
    """Build a CLAP.

    Arguments
    ---------
    name : str
        A key of ``CLAPS``.
    weights : str or Path
        Its weights; what the adapter ships or fetches by default.

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
    chosen = {} if weights is None else {"weights": weights}
    return getattr(import_module(module), adapter)(**chosen)
