"""Class names of a supervised classifier in ``labels.txt``: one a line, in the logits' order."""

from collections.abc import Sequence
from pathlib import Path

from speechbrain_lmac.models.classifiers.names import check_class_names
from speechbrain_lmac.utils.errors import InputError, first_line

LABELS_FILE = "labels.txt"
MAX_LABELS_BYTES = 1 << 20
"""Largest size of a file of class names."""
MAX_LABELS, MAX_LETTERS = 1 << 14, 200
"""Largest number of class names, and of letters of a name."""


def parse_labels(data: bytes, path: str | Path) -> tuple[str, ...]:
    """Return the class names in the contents of a file.

    Arguments
    ---------
    data : bytes
        Contents of the file.
    path : str or Path
        Path of the file in error messages.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        If the names are not unique, printable and at most 16,384.

    Example
    -------
    >>> parse_labels(b"dog\\nrain\\n", "labels.txt")
    ('dog', 'rain')
    """
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read as text: {first_line(error)}") from error
    return _checked(lines[:-1] if lines[-1] == "" else lines, str(path))


def labels_text(names: Sequence[str]) -> str:
    """Return the contents of a file of class names; InputError if it could not be read again."""
    return "".join(f"{name}\n" for name in _checked(names, "class_names"))


def _checked(names: Sequence[str], what: str) -> tuple[str, ...]:
    if len(names) > MAX_LABELS:
        raise InputError(f"{what}: there must be at most {MAX_LABELS} names, got {len(names)}")
    if max(map(len, names), default=0) > MAX_LETTERS:
        raise InputError(f"{what}: a name must have at most {MAX_LETTERS} letters")
    try:
        return check_class_names(names)
    except InputError as error:
        raise InputError(f"{what}: {error}") from error
