"""Storage of benchmark results: one JSON record per item and method, one long-format table."""

import fcntl
import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from speechbrain_lmac.evaluation.long_format import Record, to_frame
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write

FORMAT = 4
"""Version of the results format, part of ``run_config.json``."""
KEY = ("domain", "condition", "method", "clip")
"""Fields that identify a record."""
Key = tuple[str, ...]
"""Values of these fields."""
COLUMNS = (
    *("domain", "condition", "method", "clip", "recording", "target"),
    *("metric", "fraction", "value"),
)
TABLE_FILE = "results.csv.gz"
OLD_FILES = ("rows.csv", "rows_mel.jsonl", "rows_stft.jsonl", "spent.json")


class RecordFile:
    """An append-only file of records, one JSON object per line.

    A line that a kill cut off is dropped, and its item is measured again.

    Arguments
    ---------
    path : str or Path
        File of the records; it is created by the first :meth:`add`.
    decoder : str
        Hash of the decoder. Records of other decoders stay in the file but are ignored. Records
        that involve no decoder have the hash ``""``.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "results.jsonl"
    >>> key = {"domain": "mel", "condition": "clean", "method": "energy", "clip": "a"}
    >>> RecordFile(path).add([{**key, "scores": [["AD", None, 3.0]]}])
    >>> ("mel", "clean", "energy", "a") in RecordFile(path)
    True
    """

    def __init__(self, path: str | Path, decoder: str = ""):
        self.path = Path(path)
        self.decoders = ("", decoder)
        self._file: BinaryIO | None = None
        self._read()

    def _read(self) -> int:
        """Read all complete lines; keep the first record of each key. Return their length."""
        text = self.path.read_bytes() if self.path.is_file() else b""
        text = text[: text.rfind(b"\n") + 1]
        records = [json.loads(line) for line in text.splitlines()]
        records = [r for r in records if r.get("decoder", "") in self.decoders]
        unique = {_key(record): record for record in reversed(records)}
        self._keys, self.records = set(unique), list(reversed(unique.values()))
        return len(text)

    def _open(self) -> BinaryIO:
        """Lock the file for writing, and read what another run has written meanwhile."""
        self._file = open(self.path, "a+b")  # noqa: SIM115 - open as long as records are added
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"{self.path} is in use by another run. Wait for its end") from error
        self._file.truncate(self._read())
        return self._file

    def __contains__(self, key: Key) -> bool:
        return key in self._keys

    def add(self, records: Iterable[Record]) -> None:
        """Append records, all of a batch at once; those that another run has added are dropped."""
        file = self._file or self._open()
        records = [record for record in records if _key(record) not in self._keys]
        file.write("".join(json.dumps(record) + "\n" for record in records).encode())
        file.flush()
        os.fsync(file.fileno())
        self.records.extend(records)
        self._keys.update(_key(record) for record in records)


def _key(record: Record) -> Key:
    return tuple(record[name] for name in KEY)


def write_table(folder: str | Path, files: Iterable[RecordFile]) -> pd.DataFrame:
    """Write the scores of all records to ``results.csv.gz``, and return them with all facts."""
    frame = to_frame(record for file in files for record in file.records)
    text = frame[list(COLUMNS)].to_csv(index=False).encode()
    with atomic_write(Path(folder) / TABLE_FILE) as partial:
        partial.write_bytes(gzip.compress(text, mtime=1))  # the same scores give the same bytes
    return frame


def read_table(folder: str | Path) -> pd.DataFrame:
    """Read ``results.csv.gz`` of a results folder; raise InputError if there is none."""
    path = Path(folder) / TABLE_FILE
    if not path.is_file():
        raise InputError(f"{folder} must hold {TABLE_FILE}. Run evaluate.py to its end")
    return pd.read_csv(path, dtype=dict.fromkeys(("clip", "recording", "target"), str))


def check_format(folder: str | Path) -> None:
    """Raise InputError if a folder holds results of an older version."""
    found = [name for name in OLD_FILES if (Path(folder) / name).exists()]
    if found:
        raise InputError(
            f"{folder} must be new or hold results of format {FORMAT}, got {found[0]} of an older "
            "version. Give another --output_folder"
        )
