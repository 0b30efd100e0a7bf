"""Memory: kept in the process, where the next training step wants it again; and run out of."""

import ctypes
import sys

import torch

SETTINGS = {-4: 0, -1: 2**31 - 1, -2: 2**28}
"""Of glibc's mallopt: M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD."""


def keep_freed_memory():
    """Tell glibc not to give large blocks back to the system.

    A training step on the CPU frees and asks for the same hundreds of megabytes again; by
    default the system takes them, and clears every page of them, each time
    (``benchmarks/training_step.py`` measures the difference). Elsewhere this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in SETTINGS.items():
            mallopt(setting, value)


def is_out_of_memory(error):
    """Whether an exception says that memory ran out, on whatever device."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and "allocate memory" in str(error)
    )
