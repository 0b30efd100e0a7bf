"""Published checkpoint files: tensors out of them, nothing else, or one sentence why not."""

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
    *(ImportError, ArithmeticError, MemoryError, RecursionError),
)
"""What torch.load raises on a file that is not, or not whole, what it should be."""

MOST = {
    **{"vocab_size": 300_000, "hidden_size": 4096, "num_hidden_layers": 64},
    **{"intermediate_size": 16384, "max_position_embeddings": 8192, "type_vocab_size": 64},
    **{"stages": 6, "depths": 64, "num_attention_heads": 64, "num_mel_bins": 256},
    **{"patch_embeds_hidden_size": 1024, "patch_size": 128, "patch_stride": 128, "window_size": 32},
    **{"spec_size": 512, "projection_dim": 4096, "mlp_ratio": 16},
}
"""Sizes beyond which no CLAP is built; those that are published have a tenth."""

SPARE_NUMBERS = 1 << 24
"""Beyond what a file holds, so that a part that it lacks is named as lacking."""

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


def commit_of(path):
    """Commit of a file in the Hub's cache, whose folders are named by them; None elsewhere."""
    found = re.fullmatch(r"[0-9a-f]{40}", Path(path).parent.name)
    return found and found[0]


def read_checkpoint(path, key):
    """Tensors of a checkpoint, without its hash; as :func:`read_hashed`."""
    return read_hashed(path, key)[0]


def read_hashed(path, key):
    """Tensors of a checkpoint of ``torch.save``; no code in it is run.

    Arguments
    ---------
    path : Path
        The file.
    key : str
        Under which the weights lie beside epoch, optimizer and so on; they may lie bare.

    Returns
    -------
    dict, str
        Name -> tensor, without the prefix that distributed training leaves; and the SHA-256 of the
        same file, in hex.

    Raises
    ------
    InputError
        If the file cannot be read without running code, or holds no tensors there.
    """
    with single_read.held(path) as file:
        content = load_tensors(file.name, path)
    state = content.get(key, content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not state or not all(map(_is_named_tensor, state.items())):
        raise InputError(f"{path} holds no dictionary of tensors, neither under {key!r} nor bare")
    check_dense(state, path)
    return {name.removeprefix("module."): value for name, value in state.items()}, file.sha256


def load_tensors(name, path):
    """What ``torch.load`` makes of the file ``name``, called ``path`` in an error."""
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
    """Refuse tensors that are larger than what the file holds of them.

    Views that repeat their numbers, sparse tensors and those without any have whatever shape they
    say; a network of that shape would not fit any memory.
    """
    for name, value in state.items():
        plain = value.layout == torch.strided and value.device.type == "cpu"
        plain = plain and not value.is_quantized and not value.is_complex()
        held = value.untyped_storage().nbytes() if plain else 0
        if value.numel() * value.element_size() > held:
            raise InputError(f"{path}: its tensor {name} is larger than what is held of it")


def check_size(counts, what):
    """Refuse a network that is larger than any CLAP's, before it is built.

    Arguments
    ---------
    counts : dict
        What of it -> how many, each a key of ``MOST``.
    what : str
        What to call it in an error.
    """
    for name, count in counts.items():
        if count > MOST[name]:
            raise InputError(f"{what}: its {name} is {count}; at most {MOST[name]} is read")


def _is_named_tensor(item):
    return isinstance(item[0], str) and isinstance(item[1], torch.Tensor)


def build_within(make, state, what):
    """What ``make()`` builds, as :func:`check_within` lets it be."""
    check_within(make, state, what)
    return make()


def check_within(make, state, what):
    """Refuse a network of more numbers than twice those that there are.

    It is built without memory first: a few names can describe a network that fits no machine.
    """
    with torch.device("meta"):
        wanted = sum(weight.numel() for weight in make().state_dict().values())
    there = sum(weight.numel() for weight in state.values())
    if wanted > 2 * there + SPARE_NUMBERS:
        raise InputError(f"{what}: it describes {wanted} numbers and holds {there}")


def read_shapes(what, read):
    """What ``read()`` gathers from a checkpoint's tensors, or one sentence on what is wrong.

    Raises
    ------
    InputError
        If a tensor is absent, or has a shape that means nothing.
    """
    try:
        return read()
    except InputError as error:  # says itself what is wrong
        if what in str(error):
            raise
        raise InputError(f"{what}: {error}") from error
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
