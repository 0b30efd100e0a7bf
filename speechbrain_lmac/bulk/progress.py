"""Progress of a job: entries done, rate and time left."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

LOG_SECONDS = 30.0
"""Time between two lines where the output is no terminal, in seconds."""


class Progress:
    """Progress bar, or lines in a log.

    Arguments
    ---------
    total : int
        Number of entries to explain.
    """

    def __init__(self, total: int):
        is_terminal = sys.stderr.isatty()
        self._bar: Any = tqdm(
            total=total,
            unit="file",
            mininterval=0.2 if is_terminal else LOG_SECONDS,
            maxinterval=10.0 if is_terminal else LOG_SECONDS,
            ascii=not is_terminal,
            file=sys.stderr,
        )

    def __call__(self, count: int = 1) -> None:
        """Count entries that are done."""
        self._bar.update(count)

    def close(self) -> None:
        """End the bar."""
        self._bar.close()


@contextmanager
def shown_progress(total: int, wanted: bool) -> Iterator[Any]:
    """Yield a function that counts entries, and show them if ``wanted``."""
    if not wanted or not total:
        yield lambda count=1: None
        return
    progress = Progress(total)
    try:
        yield progress
    finally:
        progress.close()
