"""Networks built from the tensors of a checkpoint: bounded sizes, known shapes, strict loading."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn

from speechbrain_lmac.utils.errors import InputError

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

T = TypeVar("T")
Network = TypeVar("Network", bound=nn.Module)


def check_size(counts: Mapping[str, int], what: str) -> None:
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
            raise InputError(f"{what}: its {name} must be at most {MAX_SIZES[name]}, got {count}")


def build_within(
    make: Callable[[], Network], state: Mapping[str, torch.Tensor], what: str
) -> Network:
    """Build a network by ``make()`` after :func:`check_within`."""
    check_within(make, state, what)
    return make()


def check_within(
    make: Callable[[], nn.Module], state: Mapping[str, torch.Tensor], what: str
) -> None:
    """Raise InputError for a network with more than twice the numbers of its file.

    It is built without memory first: few names can describe a network that fits no machine.
    """
    with torch.device("meta"):
        described = sum(weight.numel() for weight in make().state_dict().values())
    available = sum(weight.numel() for weight in state.values())
    if described > 2 * available + SPARE_NUMBERS:
        raise InputError(
            f"{what}: its network must have about as many numbers as the file, {available}, got "
            f"{described}"
        )


def read_shapes(what: str, read: Callable[[], T]) -> T:
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


def matrix_shape(weight: torch.Tensor) -> tuple[int, int]:
    """Rows and columns of a matrix; ValueError for other tensors."""
    rows, columns = weight.shape
    return rows, columns


def part(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Tensors whose names begin with ``prefix``, which is removed."""
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def load_strictly(
    module: nn.Module,
    state: Mapping[str, torch.Tensor],
    what: str,
    ignored: Sequence[str] = (),
) -> None:
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


def state_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of weights in hex: of their names, types, shapes and values.

    Example
    -------
    >>> state_sha256({"a": torch.zeros(1)}) == state_sha256({"b": torch.zeros(1)})
    False
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        weight = state[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(weight.dtype), list(weight.shape)]).encode())
        digest.update(weight.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
