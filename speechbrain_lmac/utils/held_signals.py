"""Short steps that an interruption or a termination does not divide."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals whose handlers raise exceptions in this package. Windows has no SIGHUP."""


@contextmanager
def held_signals() -> Iterator[None]:
    """Hold signals back until a short step is complete, and then handle them.

    Without this, their handlers raise between any two operations on files, also in the code that
    removes temporary files. Other threads than the main one handle no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    handlers = {}
    try:
        for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
            if callable(signal.getsignal(number)):
                handlers[number] = signal.signal(number, lambda number, _: arrived.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in arrived:
            signal.raise_signal(number)
