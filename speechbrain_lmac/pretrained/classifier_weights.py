"""Weights of a user's own classifier, in ``classifier.safetensors``: checked, then loaded."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from speechbrain_lmac.models.base import AudioClassifier
from speechbrain_lmac.pretrained.decoder_weights import parse_safetensors
from speechbrain_lmac.pretrained.files import CLASSIFIER_FILE
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.single_read import read_bounded

MAX_HEADER_BYTES = 1 << 22
"""Largest size of the header, which lists the tensors."""
DTYPES = {
    **{torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"},
    **{torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8"},
    **{torch.uint8: "U8", torch.bool: "BOOL"},
}
"""Types of tensors and their names in a header."""


def save_classifier(classifier: AudioClassifier, folder: str | Path) -> Path:
    """Write the weights of a classifier that its settings do not build again.

    Raises
    ------
    InputError
        If the classifier has no such weights.
    """
    weights = classifier.own_weights()
    if not weights:
        name = type(classifier).__name__
        raise InputError(f"include_classifier must be False for {name}, whose settings rebuild it")
    path = Path(folder) / CLASSIFIER_FILE
    # tied weights share their memory, which safetensors refuses
    save_file({name: weight.cpu().contiguous().clone() for name, weight in weights.items()}, path)
    return path


def load_classifier(classifier: AudioClassifier, path: str | Path) -> None:
    """Load the weights of a file into a classifier of the same architecture.

    The header of the file must list exactly the tensors of the classifier before any is read.

    Arguments
    ---------
    classifier : AudioClassifier
        Classifier to load into.
    path : str or Path
        ``classifier.safetensors`` of an interpreter.

    Raises
    ------
    InputError
        If the file holds the weights of another architecture.
    """
    weights = classifier.own_weights()
    size = sum(weight.numel() * weight.element_size() for weight in weights.values())
    data = read_bounded(path, 8 + MAX_HEADER_BYTES + size)
    expected = {
        name: (DTYPES.get(weight.dtype), list(weight.shape)) for name, weight in weights.items()
    }
    found = read_header(data, path)
    wrong = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    if wrong:
        raise InputError(
            f"{path} does not hold the weights of audio_classifier: {wrong[0][:60]} is missing, "
            "unknown or of another shape or type. Give a classifier of the same architecture"
        )
    classifier.load_own_weights(parse_safetensors(data, path))


def read_header(data: bytes, path: str | Path) -> dict[str, tuple[str, list[int]]]:
    """Read the tensors that a safetensors file lists: name -> type and shape.

    Arguments
    ---------
    data : bytes
        Contents of the file.
    path : str or Path
        Path of the file in error messages.
    """
    length = int.from_bytes(data[:8], "little")
    if not 2 <= length <= min(MAX_HEADER_BYTES, len(data) - 8):
        raise InputError(f"{path} cannot be read as safetensors: its header has {length} bytes")
    try:
        header: dict[str, Any] = json.loads(data[8 : 8 + length])
        header.pop("__metadata__", None)
        return {name: (entry["dtype"], entry["shape"]) for name, entry in header.items()}
    except (ValueError, RecursionError, AttributeError, TypeError, KeyError) as error:
        message = f"{path} cannot be read as safetensors: its header lists no tensors"
        raise InputError(message) from error
