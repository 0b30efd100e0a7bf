"""What there is to run on. ``python -m speechbrain_lmac.utils.device``: do torch and co. fit?"""

import contextlib
import ctypes
import errno
import functools
import importlib
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import ParamSpec, TypeVar

import torch

from speechbrain_lmac.utils.errors import InputError, first_line

P = ParamSpec("P")
R = TypeVar("R")
TRIO = ("torch", "torchvision", "torchaudio")


def version_conflict():
    """What is wrong with torch, torchvision and torchaudio, as one sentence; None if nothing.

    The three are built against each other: mixed releases, or a CPU build of one beside a
    CUDA build of another, fail on import with messages that name a missing symbol or library.
    """
    for name in TRIO:
        try:
            importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            found = ", ".join(f"{other} {version(other)}" for other in TRIO)
            return (
                f"{name} does not load beside the others ({found}): {error}. Remove .venv and set "
                "up again, with all three from one index (make TORCH_INDEX=...) or none"
            )
    return None


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function compute in single precision, whatever torch's default type is around it."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        import torch

        before = torch.get_default_dtype()
        if before == torch.float32:
            return function(*args, **kwargs)
        torch.set_default_dtype(torch.float32)
        try:
            return function(*args, **kwargs)
        finally:
            torch.set_default_dtype(before)

    return wrapped


def check_device(device):
    """Refuse a device that is not there; ``None`` leaves the choice to others."""
    import torch

    if device is None:
        return
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        reason, _, _ = str(error).partition("\n")
        raise InputError(f"--device {device} is not there ({reason}); use --device cpu") from error


if __name__ == "__main__":
    sys.exit(version_conflict())


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
def wrap_memory_errors(name):
    """Turn memory that runs out into an InputError that names the file which was worked on."""
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"{name}: memory ran out ({first_line(error)}): cut the file, or give fewer prompts"
        ) from None  # its frames hold the memory
