"""Attributes of the transformers library, importable by a user id without a user name."""

import contextlib
from collections.abc import Iterator
from typing import Any

from speechbrain_lmac.utils.device import name_compiler_cache


def __getattr__(name: str) -> Any:
    """Return an attribute of transformers, which is imported on first use."""
    name_compiler_cache()
    import transformers

    return getattr(transformers, name)


@contextlib.contextmanager
def without_progress_bars() -> Iterator[None]:
    """Load a model without the bar that transformers draws, also for local files."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars

    name_compiler_cache()
    from transformers.utils import logging

    wanted, hub_disabled = logging.is_progress_bar_enabled(), are_progress_bars_disabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if wanted:
            logging.enable_progress_bar()  # those of the Hub, too
        if hub_disabled:
            disable_progress_bars()
