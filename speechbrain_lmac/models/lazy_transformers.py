"""Attributes of the transformers library, importable by a user id without a user name."""

from typing import Any

from speechbrain_lmac.utils.device import name_compiler_cache


def __getattr__(name: str) -> Any:
    """Return an attribute of transformers, which is imported on first use."""
    name_compiler_cache()
    import transformers

    return getattr(transformers, name)
