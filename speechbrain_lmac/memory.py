"""Memory: kept in the process, where the next training step wants it again; and run out of."""

import contextlib
import ctypes
import errno
import sys

import torch

from speechbrain_lmac.errors import InputError, first_line

SETTINGS = {-4: 0, -1: 2**31 - 1, -2: 2**28}
"""Of glibc's mallopt: M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD."""

SAID = ("allocate memory", "not enough memory", "out of memory", "bad_alloc")
"""How torch says in a RuntimeError that memory ran out."""


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
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SAID)


@contextlib.contextmanager
def enough_for(name):
    """Turn memory that runs out into an InputError that names the file which was worked on."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"{name}: memory ran out ({first_line(error)}): cut the file, or give fewer prompts"
        ) from None  # its frames hold the memory
