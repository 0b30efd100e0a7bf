"""Rows that are measured once: written as they come, found again by a run that goes on."""

import fcntl
import json
import os
from pathlib import Path

import pandas as pd

from speechbrain_lmac.utils.errors import InputError

KEY = ("masking", "condition", "method", "clip")
"""What a row is about; there is one row for each."""


class Rows:
    """A file of rows, one JSON object a line; a line cut off by a kill is dropped and made again.

    Arguments
    ---------
    path : str or Path
        Made if absent.
    decoder : str
        Rows of other decoders, after a training perhaps, stay in the file and count for nothing;
        rows that no decoder has part in are those of ``""``.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rows.jsonl"
    >>> about = {"masking": "mel", "condition": "clean", "method": "energy", "clip": "a"}
    >>> Rows(path).add([{**about, "AD": 3.0}])
    >>> ("mel", "clean", "energy", "a") in Rows(path)
    True
    """

    def __init__(self, path, decoder=""):
        self.path = Path(path)
        self.decoders = ("", decoder)
        self.file = None
        self._read()

    def _read(self):
        """All whole lines that count, the first of each key; how long the whole ones are."""
        whole = b""
        if self.path.is_file():
            whole = self.path.read_bytes()
            whole = whole[: whole.rfind(b"\n") + 1]
        held = [json.loads(line) for line in whole.splitlines()]
        held = [row for row in held if row.get("decoder", "") in self.decoders]
        found = {_key(row): row for row in reversed(held)}
        self.keys, self.rows = set(found), list(reversed(found.values()))
        return len(whole)

    def _take(self):
        """Become the one that writes; what another has written meanwhile is read."""
        self.file = open(self.path, "a+b")  # noqa: SIM115 - held as long as rows are added
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"another run is writing {self.path}; let it end") from error
        self.file.truncate(self._read())

    def __contains__(self, key):
        return key in self.keys

    def add(self, rows):
        """Append rows, all of a batch at once."""
        if self.file is None:
            self._take()
        self.file.write("".join(json.dumps(row) + "\n" for row in rows).encode())
        self.file.flush()
        os.fsync(self.file.fileno())
        self.rows.extend(rows)
        self.keys.update(_key(row) for row in rows)

    def frame(self):
        """All rows as a DataFrame; what was not measured of a row is NaN."""
        return pd.DataFrame(self.rows)


def _key(row):
    return tuple(row[name] for name in KEY)
