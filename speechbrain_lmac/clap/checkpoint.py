"""Published checkpoint files: tensors out of them, nothing else, or one sentence why not."""

import re
import struct
import zipfile
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError

from speechbrain_lmac.errors import InputError
from speechbrain_lmac.hub import hub_file

_SCALAR = np.float64().__reduce__()[0]  # what builds a numpy scalar; it has moved
NUMPY_SCALARS = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *{type(np.dtype(code)) for code in "?bBhHiIlLqQefd"},
]
"""What training scripts leave in a checkpoint beside tensors and plain values."""

FAILURES = (
    *(UnpicklingError, RuntimeError, AttributeError, EOFError, KeyError, IndexError, OSError),
    *(ValueError, TypeError, AssertionError, struct.error, zipfile.BadZipFile),
    *(ImportError, ArithmeticError),
)
"""What torch.load raises on a file that is not, or not whole, what it should be."""

SHOWN = 3
"""Names of tensors in an error."""


def check_named(weights, official):
    """Raise InputError unless ``weights`` is a file here or one of the names of ``official``."""
    if not Path(weights).is_file() and str(weights) not in official:
        raise InputError(
            f"no such file: {weights}; from the Hugging Face Hub there is {', '.join(official)}"
        )


def find_checkpoint(weights, hub_id, revision):
    """Path of a checkpoint that is here, or is fetched by its published name.

    Arguments
    ---------
    weights : str or Path
        A file, or the name of one in the authors' repository.
    hub_id : str
        That repository on the Hugging Face Hub.
    revision : str
        Commit of it.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        If it is neither here nor to be had.
    """
    if Path(weights).is_file():
        return Path(weights)
    remedy = "fetch it elsewhere and give its path as `weights`"
    return hub_file(hub_id, str(weights), revision, remedy)


def read_checkpoint(path, key):
    """Tensors of a checkpoint of ``torch.save``; no code in it is run.

    Arguments
    ---------
    path : Path
        The file.
    key : str
        Under which the weights lie beside epoch, optimiser and so on; they may lie bare.

    Returns
    -------
    dict
        Name -> tensor, without the prefix that distributed training leaves.

    Raises
    ------
    InputError
        If the file cannot be read without running code, or holds no tensors there.
    """
    try:
        with torch.serialization.safe_globals(NUMPY_SCALARS):
            held = torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except FAILURES as error:
        calls = re.search(r"GLOBAL (\S+)", str(error))
        found = f"it holds {calls[1]}" if calls else "it is broken or something else"
        raise InputError(
            f"{path} cannot be read as a checkpoint of tensors, numbers and names: {found}"
        ) from error
    state = held.get(key, held) if isinstance(held, dict) else None
    if not isinstance(state, dict) or not state or not all(map(_is_named_tensor, state.items())):
        raise InputError(f"{path} holds no dictionary of tensors, neither under {key!r} nor bare")
    return {name.removeprefix("module."): value for name, value in state.items()}


def _is_named_tensor(item):
    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)


def read_shapes(what, read):
    """What ``read()`` gathers from a checkpoint's tensors, or one sentence on what is wrong.

    Raises
    ------
    InputError
        If a tensor is absent, or has a shape that means nothing.
    """
    try:
        return read()
    except InputError:  # says itself what is wrong
        raise
    except KeyError as error:
        raise InputError(f"{what}: lacks {error.args[0]}") from error
    except (ValueError, TypeError, IndexError, StrictDataclassError) as error:
        raise InputError(f"{what}: its tensors' shapes make no network") from error


def matrix_shape(weight):
    """Rows and columns; ValueError if it is no matrix."""
    rows, columns = weight.shape
    return rows, columns


def part(state, prefix):
    """The tensors whose names begin with ``prefix``, without it."""
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def load_strictly(module, state, what, ignored=()):
    """Load weights: every tensor that is needed, of its shape, and none that is not known.

    Arguments
    ---------
    module : torch.nn.Module
        Gets the weights.
    state : dict
        Name -> tensor.
    what : str
        What to call the weights in an error.
    ignored : sequence of str
        Endings of names that the published files hold and the module has no use for.

    Raises
    ------
    InputError
        Naming what was expected and found.
    """
    state = {name: value for name, value in state.items() if not name.endswith(tuple(ignored))}
    wanted = module.state_dict()
    problems = []
    if missing := sorted(set(wanted) - set(state)):
        problems.append(f"lacks {_some(missing)}")
    if extra := sorted(set(state) - set(wanted)):
        problems.append(f"holds {_some(extra)}, which it should not")
    shapes = [
        f"{name} {list(wanted[name].shape)} but found {list(state[name].shape)}"
        for name in sorted(set(wanted) & set(state))
        if wanted[name].shape != state[name].shape
    ]
    if shapes:
        problems.append(f"expected {_some(shapes)}")
    if problems:
        raise InputError(f"{what}: {'; '.join(problems)}")
    module.load_state_dict(state)


def _some(names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
