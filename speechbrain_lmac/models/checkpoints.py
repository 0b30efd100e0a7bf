"""Published checkpoint files: tensors are read from them, and nothing else."""

import re
import struct
import zipfile
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from huggingface_hub.errors import StrictDataclassError

from speechbrain_lmac.utils import single_read
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.hub import hub_file

_SCALAR = np.float64().__reduce__()[0]  # constructor of a numpy scalar; it has moved
NUMPY_SCALARS = [
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

MAX_SIZES = {
    **{"vocab_size": 300_000, "hidden_size": 4096, "num_hidden_layers": 64},
    **{"intermediate_size": 16384, "max_position_embeddings": 8192, "type_vocab_size": 64},
    **{"stages": 6, "depths": 64, "num_attention_heads": 64, "num_mel_bins": 256},
    **{"patch_embeds_hidden_size": 1024, "patch_size": 128, "patch_stride": 128, "window_size": 32},
    **{"spec_size": 512, "projection_dim": 4096, "mlp_ratio": 16},
}
"""Largest sizes of a CLAP; published models have a tenth."""

SPARE_NUMBERS = 1 << 24
"""Numbers that a described network may have beyond its file, so that missing parts are named."""

SHOWN = 3
"""Number of tensor names in an error."""


def check_named(weights, official):
    """Raise InputError if ``weights`` is neither a local file nor one of the names ``official``."""
    if not Path(weights).is_file() and str(weights) not in official:
        raise InputError(
            f"weights must be a file or one of {', '.join(official)} on the Hugging Face Hub, got "
            f"{weights}"
        )


def find_checkpoint(weights, hub_id, revision):
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


def commit_of(path):
    """Commit of a file in the Hub's cache, from the name of its folder; None for other files."""
    found = re.fullmatch(r"[0-9a-f]{40}", Path(path).parent.name)
    return found and found[0]


def read_checkpoint(path, key):
    """Tensors of a checkpoint, as :func:`read_hashed` returns them."""
    return read_hashed(path, key)[0]


def read_hashed(path, key):
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
        raise InputError(f"{path} holds no dictionary of tensors, neither under {key!r} nor bare")
    check_dense(state, path)
    return {name.removeprefix("module."): value for name, value in state.items()}, file.sha256


def load_tensors(name, path):
    """Content of the torch file ``name``, called ``path`` in an error."""
    try:
        with torch.serialization.safe_globals(NUMPY_SCALARS):
            return torch.load(
                name, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(name)
            )
    except FAILURES as error:
        calls = re.search(r"GLOBAL (\S+)", str(error))
        found = f"it holds {calls[1]}" if calls else "it is broken or something else"
        raise InputError(
            f"{path} cannot be read as a checkpoint of tensors, numbers and names: {found}"
        ) from error


def check_dense(state, path):
    """Raise InputError for tensors that are larger than their data in the file.

    Expanded views, sparse tensors and meta tensors can state any shape. A network of such a shape
    would not fit into memory.
    """
    for name, value in state.items():
        plain = value.layout == torch.strided and value.device.type == "cpu"
        plain = plain and not value.is_quantized and not value.is_complex()
        available = value.untyped_storage().nbytes() if plain else 0
        if value.numel() * value.element_size() > available:
            raise InputError(f"{path}: its tensor {name} is larger than its data")


def check_size(counts, what):
    """Raise InputError for a network that is larger than any CLAP, before it is built.

    Arguments
    ---------
    counts : dict
        Sizes of the network by keys of ``MAX_SIZES``.
    what : str
        Name of the network in an error.
    """
    for name, count in counts.items():
        if count > MAX_SIZES[name]:
            raise InputError(f"{what}: its {name} is {count}; at most {MAX_SIZES[name]} is read")


def _is_named_tensor(item):
    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)


def build_within(make, state, what):
    """Build a network by ``make()`` after :func:`check_within`."""
    check_within(make, state, what)
    return make()


def check_within(make, state, what):
    """Raise InputError for a network with more than twice the numbers of its file.

    It is built without memory first: few names can describe a network that fits no machine.
    """
    with torch.device("meta"):
        described = sum(weight.numel() for weight in make().state_dict().values())
    available = sum(weight.numel() for weight in state.values())
    if described > 2 * available + SPARE_NUMBERS:
        raise InputError(f"{what}: it describes {described} numbers and holds {available}")


def read_shapes(what, read):
    """Result of ``read()`` on a checkpoint's tensors.

    Raises
    ------
    InputError
        If a tensor is missing or has an invalid shape.
    """
    try:
        return read()
    except InputError as error:
        if what in str(error):
            raise
        raise InputError(f"{what}: {error}") from error
    except KeyError as error:
        raise InputError(f"{what}: lacks {error.args[0]}") from error
    except (ValueError, TypeError, IndexError, StrictDataclassError) as error:
        raise InputError(f"{what}: its tensors' shapes make no network") from error


def matrix_shape(weight):
    """Rows and columns of a matrix; ValueError for other tensors."""
    rows, columns = weight.shape
    return rows, columns


def part(state, prefix):
    """Tensors whose names begin with ``prefix``, which is removed."""
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def load_strictly(module, state, what, ignored=()):
    """Load weights strictly: every tensor of the module with its shape, and no other.

    Arguments
    ---------
    module : torch.nn.Module
        Module to load into.
    state : dict
        Tensors by name.
    what : str
        Name of the weights in an error.
    ignored : sequence of str
        Suffixes of names in published files that the module does not use.

    Raises
    ------
    InputError
        If tensors are missing, unknown or of another shape.
    """
    state = {name: value for name, value in state.items() if not name.endswith(tuple(ignored))}
    expected = module.state_dict()
    problems = []
    if missing := sorted(set(expected) - set(state)):
        problems.append(f"lacks {_some(missing)}")
    if extra := sorted(set(state) - set(expected)):
        problems.append(f"holds {_some(extra)}, which it should not")
    shapes = [
        f"{name} {list(expected[name].shape)} but found {list(state[name].shape)}"
        for name in sorted(set(expected) & set(state))
        if expected[name].shape != state[name].shape
    ]
    if shapes:
        problems.append(f"expected {_some(shapes)}")
    if problems:
        raise InputError(f"{what}: {'; '.join(problems)}")
    module.load_state_dict(state)


def _some(names):
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
