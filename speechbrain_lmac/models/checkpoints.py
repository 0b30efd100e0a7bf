"""Published checkpoint files: tensors are read from them, and nothing else."""

import re
import struct
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from speechbrain_lmac.utils import single_read
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.hub import hub_file

_SCALAR = np.float64().__reduce__()[0]  # constructor of a numpy scalar; it has moved
NUMPY_SCALARS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *{type(np.dtype(code)) for code in "?bBhHiIlLqQefd"},
]
"""Types that training scripts store in a checkpoint in addition to tensors and plain values."""

FAILURES = (
    *(UnpicklingError, RuntimeError, AttributeError, EOFError, KeyError, IndexError, OSError),
    *(ValueError, TypeError, AssertionError, struct.error, zipfile.BadZipFile),
    *(ImportError, ArithmeticError, MemoryError, RecursionError),
)
"""Exceptions of torch.load for incomplete or foreign files."""


def check_named(weights: str | Path, official: Collection[str]) -> None:
    """Raise InputError if ``weights`` is neither a local file nor one of the names ``official``."""
    if not Path(weights).is_file() and str(weights) not in official:
        raise InputError(
            f"weights must be a file or one of {', '.join(official)} on the Hugging Face Hub, got "
            f"{weights}. Give one of them"
        )


def find_checkpoint(weights: str | Path, hub_id: str, revision: str | None) -> Path:
    """Find a local checkpoint, or download it by its published name.

    Arguments
    ---------
    weights : str or Path
        Local file, or the name of a file in the authors' repository.
    hub_id : str
        Repository on the Hugging Face Hub.
    revision : str
        Commit of the repository.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If the file is neither local nor available.
    """
    if Path(weights).is_file():
        return Path(weights)
    remedy = "download it elsewhere and give its path as `weights`"
    return hub_file(hub_id, str(weights), revision, remedy)


def commit_of(path: str | Path) -> str | None:
    """Commit of a file in the Hub's cache, from the name of its folder; None for other files."""
    commit = re.fullmatch(r"[0-9a-f]{40}", Path(path).parent.name)
    return commit and commit[0]


def published_settings(portable: dict[str, Any], source: str) -> dict[str, Any]:
    """Settings that others can use, unchanged.

    Arguments
    ---------
    portable : dict
        Settings without paths of this machine.
    source : str
        Hub id or folder that the model was loaded from.

    Raises
    ------
    InputError
        If the model is in a folder of this machine.
    """
    if "source" not in portable:
        raise InputError(
            f"source must be a Hub id to publish, got {source}, which others do not have. Load "
            "the model by its Hub id"
        )
    return portable


def read_checkpoint(path: str | Path, key: str) -> dict[str, torch.Tensor]:
    """Tensors of a checkpoint, as :func:`read_hashed` returns them."""
    return read_hashed(path, key)[0]


def read_hashed(path: str | Path, key: str) -> tuple[dict[str, torch.Tensor], str]:
    """Read the tensors of a ``torch.save`` checkpoint without running code.

    Arguments
    ---------
    path : Path
        Checkpoint file.
    key : str
        Key of the weights in the checkpoint; they may also be at the top level.

    Returns
    -------
    dict, str
        Tensors by name, without the prefix of distributed training, and the SHA-256 of the same
        file in hex.

    Raises
    ------
    InputError
        If the file cannot be read without running code, or holds no tensors under ``key``.
    """
    with single_read.open_hashed(path) as file:
        content = load_tensors(file.name, path)
    state = content.get(key, content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(map(_is_named_tensor, state.items())):
        raise InputError(
            f"{path} holds no dictionary of tensors, neither under {key!r} nor bare. Give a "
            "checkpoint of weights"
        )
    check_dense(state, path)
    return {name.removeprefix("module."): value for name, value in state.items()}, file.sha256


def load_tensors(name: str, path: str | Path) -> Any:
    """Content of the torch file ``name``, called ``path`` in an error."""
    try:
        with torch.serialization.safe_globals(NUMPY_SCALARS):
            return torch.load(
                name, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(name)
            )
    except FAILURES as error:
        calls = re.search(r"GLOBAL (\S+)", str(error))
        content = f"it holds {calls[1]}" if calls else "it is broken or something else"
        raise InputError(
            f"{path} cannot be read as a checkpoint of tensors, numbers and names: {content}"
        ) from error


def check_dense(state: Mapping[str, torch.Tensor], path: str | Path) -> None:
    """Raise InputError for tensors that are larger than their data in the file.

    Expanded views, sparse tensors and meta tensors can state any shape. A network of such a shape
    would not fit into memory.
    """
    for name, value in state.items():
        plain = value.layout == torch.strided and value.device.type == "cpu"
        plain = plain and not value.is_quantized and not value.is_complex()
        available = value.untyped_storage().nbytes() if plain else 0
        if value.numel() * value.element_size() > available:
            raise InputError(
                f"{path}: its tensor {name} must fit its data of {available} bytes, got shape "
                f"{list(value.shape)}. Download the file again"
            )


def _is_named_tensor(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)
