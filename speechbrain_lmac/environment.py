"""What there is to run on. ``python -m speechbrain_lmac.environment``: do torch and co. fit?"""

import functools
import importlib
import sys
from importlib.metadata import version

from speechbrain_lmac.errors import InputError

TRIO = ("torch", "torchvision", "torchaudio")


def clash():
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


def in_float32(function):
    """Make a function compute in single precision, whatever torch's default type is around it."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
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
    sys.exit(clash())
