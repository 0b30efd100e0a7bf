"""Warnings about one file, as texts for its result."""

import contextlib
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the texts of the warnings raised inside, each once."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", category=UserWarning)
        yield texts
    texts.extend(dict.fromkeys(str(each.message) for each in caught))
