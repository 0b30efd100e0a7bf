"""Files of an interpreter: their names, sizes and fingerprint."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from speechbrain_lmac.pretrained.config import HPARAMS_FILE
from speechbrain_lmac.pretrained.decoder_weights import (
    DECODER_FILE,
    MAX_DECODER_BYTES,
    MAX_DOWNLOADED_BYTES,
)
from speechbrain_lmac.pretrained.labels import LABELS_FILE, MAX_LABELS_BYTES
from speechbrain_lmac.pretrained.strict_yaml import MAX_BYTES
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.single_read import read_bounded

CLASSIFIER_FILE = "classifier.safetensors"
MAX_CLASSIFIER_BYTES = 1 << 33
"""Largest size of a downloaded file of classifier weights, in bytes."""
REQUIRED_FILES = {HPARAMS_FILE: MAX_BYTES, DECODER_FILE: MAX_DECODER_BYTES}
"""Files of every interpreter and their maximum sizes, in bytes."""
OPTIONAL_FILES = {LABELS_FILE: MAX_LABELS_BYTES, CLASSIFIER_FILE: MAX_CLASSIFIER_BYTES}
"""Files of some interpreters and their maximum sizes, in bytes: class names of a supervised
classifier, and weights of a user's own classifier."""
MAX_FILE_BYTES = REQUIRED_FILES | OPTIONAL_FILES
MAX_DOWNLOADS = {**MAX_FILE_BYTES, DECODER_FILE: MAX_DOWNLOADED_BYTES}
"""Maximum sizes of the files if they are downloaded, in bytes."""


class Files(NamedTuple):
    """Contents of an interpreter's files, each read once."""

    hparams: bytes
    decoder: bytes
    labels: bytes | None = None
    """Class names; None if there is no such file."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the contents, concatenated, in hexadecimal digits.

        Weights of a classifier are identified by ``classifier_sha256`` in ``hyperparams.yaml``.
        """
        digest = hashlib.sha256()
        for content in (self.hparams, self.decoder, self.labels or b""):
            digest.update(content)
        return digest.hexdigest()


def interpreter_files(folder: str | Path) -> list[Path]:
    """List the files of the interpreter in a folder: the required ones, then the optional ones."""
    paths = [Path(folder) / name for name in MAX_FILE_BYTES]
    return [path for path in paths if path.name in REQUIRED_FILES or path.is_file()]


def read_files(folder: Path, sha256: str | None = None) -> Files:
    """Read the files of an interpreter, without the weights of its classifier.

    Raises
    ------
    InputError
        If they have another fingerprint, or cannot be read.
    """
    names = [path.name for path in interpreter_files(folder) if path.name != CLASSIFIER_FILE]
    files = Files(*(read_bounded(folder / name, MAX_FILE_BYTES[name]) for name in names))
    if sha256 is not None and files.fingerprint != sha256.lower():
        raise InputError(f"sha256 of {folder} must be {sha256}, got {files.fingerprint}")
    return files


def fingerprint(folder: str | Path) -> str:
    """Return the SHA-256 of an interpreter's files, concatenated.

    It is the output of ``cat hyperparams.yaml decoder.safetensors | sha256sum``, with
    ``labels.txt`` at the end if there is one.
    """
    return read_files(Path(folder)).fingerprint
