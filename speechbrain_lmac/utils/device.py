"""Devices, memory and process environment. As a script: check that torch's packages fit together.

torch is imported inside the functions, because the environment must be set before it is loaded.
"""

import contextlib
import ctypes
import errno
import functools
import getpass
import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from speechbrain_lmac.utils.errors import InputError, first_line

if TYPE_CHECKING:
    import torch

P = ParamSpec("P")
R = TypeVar("R")

TORCH_PACKAGES = ("torch", "torchvision", "torchaudio")
MALLOC_SETTINGS = {-4: 0, -1: 2**31 - 1, -2: 2**28}
"""Settings of glibc's mallopt: M_MMAP_MAX, M_TRIM_THRESHOLD, M_TOP_PAD."""
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")
"""Instructions for bfloat16, as ``torch.cpu.get_capabilities`` names them."""
OUT_OF_MEMORY = ("allocate memory", "not enough memory", "out of memory", "bad_alloc")
"""Phrases in the RuntimeErrors of torch for exhausted memory."""


def version_conflict() -> str | None:
    """Describe a conflict among torch, torchvision and torchaudio; None if there is none.

    The three packages are built against each other. Mixed releases, or a CPU build of one with a
    CUDA build of another, fail on import with messages about missing symbols or libraries.
    """
    for name in TORCH_PACKAGES:
        try:
            importlib.import_module(name)
        except (ImportError, OSError, RuntimeError) as error:
            versions = ", ".join(f"{other} {version(other)}" for other in TORCH_PACKAGES)
            return (
                f"{name} cannot be loaded with {versions}: {error}. Remove .venv and set up again, "
                "with all three from one index (make TORCH_INDEX=...) or none"
            )
    return None


def prepare_environment() -> None:
    """Set environment variables for a program of this package; call it before torch is loaded.

    OpenMP threads that wait for other threads spin for milliseconds by default. If another program
    uses that core, all work nearly stands still, so the spin count is lowered. Values that the user
    has set are kept.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    name_compiler_cache()


def name_compiler_cache() -> None:
    """Name the cache folder of torch's compiler if the user id has no user name.

    The transformers library loads torch's compiler, which names its cache folder after the user. A
    user id without an entry in the password database, as in containers, is a KeyError there.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        folder = Path(tempfile.gettempdir()) / f"torchinductor_{os.getuid()}"
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def in_float32(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a function to compute in single precision.

    torch's default type may be another one, and its default on GPUs is TensorFloat-32, which has
    10 bits of mantissa.
    """

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with single_precision():
            return function(*args, **kwargs)

    return wrapped


@contextlib.contextmanager
def single_precision() -> Iterator[None]:
    """Compute in single precision inside; the settings of torch are restored."""
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = torch.get_default_dtype(), matmul.allow_tf32, cudnn.allow_tf32
    torch.set_default_dtype(torch.float32)
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_default_dtype(before[0])
        matmul.allow_tf32, cudnn.allow_tf32 = before[1:]


def check_device(device: str | None) -> None:
    """Raise InputError if a device does not exist; None is accepted."""
    import torch

    if device is None:
        return
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"--device {device} is not available ({first_line(error)}). Use --device cpu"
        ) from error


def warn_if_emulated(device: "str | torch.device | None", precision: str | None) -> None:
    """Warn if a CPU has no instructions for bfloat16, which then takes many times as long.

    Arguments
    ---------
    device : str, torch.device or None
        Device that computes. None is a CPU.
    precision : str or None
        ``bf16``; others are not emulated.
    """
    if precision != "bf16" or str(device or "cpu") != "cpu":
        return
    import torch

    capabilities = torch.cpu.get_capabilities()
    if not any(capabilities.get(name) for name in BFLOAT16_INSTRUCTIONS):
        warnings.warn(
            "this CPU emulates bfloat16: it takes ten times as long as fp32. Use precision fp32",
            stacklevel=2,
        )


def keep_freed_memory() -> None:
    """Configure glibc to keep large freed blocks instead of returning them to the system.

    A training step on the CPU frees and requests the same hundreds of megabytes again. By default
    the system takes them back and clears every page each time; ``benchmarks/training_step.py``
    measures the difference. On other systems this function does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for setting, value in MALLOC_SETTINGS.items():
            mallopt(setting, value)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception reports exhausted memory, on any device."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(text in str(error) for text in OUT_OF_MEMORY)


@contextlib.contextmanager
def wrap_memory_errors(name: str) -> Iterator[None]:
    """Turn exhausted memory into an InputError about the file that was processed.

    Arguments
    ---------
    name : str
        Name of the file in the error.
    """
    try:
        yield
    except (MemoryError, OSError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"{name}: memory ran out ({first_line(error)}). Cut the file, or give fewer prompts"
        ) from None  # the frames of the error hold the memory


if __name__ == "__main__":
    sys.exit(version_conflict())
