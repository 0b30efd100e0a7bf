"""Journal of the attempts at a unit, which finds the file that kills its reader.

The journal names each file before it is read and is removed when the unit is done. A journal that
exists was left by a process that died. Its last file is a suspect: it is decoded in a process of
its own before it is read again.
"""

import subprocess
import sys
from pathlib import Path
from typing import IO

from speechbrain_lmac.bulk.manifest import Entry
from speechbrain_lmac.bulk.store import is_url
from speechbrain_lmac.utils.files import wrap_write_errors

ATTEMPT, STOPPED = "attempt", "stopped"
"""Lines for the beginning of an attempt, and for its end by an error or a caught signal."""
MAX_DEATHS = 4
"""Deaths with the same file in work from which it counts as crashed, even if it is decoded."""


class Journal:
    """Journal of a unit; use it as a context manager around an attempt.

    Arguments
    ---------
    folder : Path or None
        Folder of the journals. None: nothing is written, and nothing is suspected.
    unit : int
        Number of the unit.
    """

    def __init__(self, folder: Path | None, unit: int):
        self.path = None if folder is None else folder / f"{unit:08d}"
        self.deaths = {} if self.path is None else _deaths(self.path)
        self._file: IO[str] | None = None

    def __enter__(self) -> "Journal":
        if self.path is not None:
            with wrap_write_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._file = open(self.path, "a", encoding="utf-8")
        self._write(ATTEMPT)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._write(STOPPED)
        if self._file is not None:
            self._file.close()

    def done(self) -> None:
        """Remove the journal of a unit whose part is written."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _write(self, line: str) -> None:
        if self._file is not None and self.path is not None:
            with wrap_write_errors(self.path):
                self._file.write(f"{line}\n")
                self._file.flush()  # survives the process; a crash of the system is no suspicion

    def begin(self, entry: Entry) -> str | None:
        """Note that an entry is read next.

        Arguments
        ---------
        entry : Entry
            Entry of the manifest.

        Returns
        -------
        str or None
            Reason why the file counts as crashed and must not be read; None for all other files.
        """
        deaths = self.deaths.get(entry.id, 0)
        if deaths >= MAX_DEATHS:
            return f"{deaths} processes died while they explained this file"
        if deaths and not is_url(entry.file) and (number := _kills_reader(entry)):
            return f"the file kills its reader (signal {number})"
        self._write(entry.id)
        return None


def remove_finished(folder: Path | None, done: set[int]) -> None:
    """Remove the journals of units that are done: a process died between its last two steps."""
    if folder is not None and folder.is_dir():
        for path in folder.iterdir():
            if path.name.isdecimal() and int(path.name) in done:
                path.unlink(missing_ok=True)


def _deaths(path: Path) -> dict[str, int]:
    """Number of processes that died at each entry, by its identifier."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return {}
    deaths: dict[str, int] = {}
    for line, following in zip(lines, [*lines[1:], ATTEMPT]):
        if following == ATTEMPT and line not in (ATTEMPT, STOPPED):
            deaths[line] = deaths.get(line, 0) + 1
    return deaths


def _kills_reader(entry: Entry) -> int:
    """Signal by which a process dies that decodes a file; 0 if it survives."""
    command = [sys.executable, "-m", "speechbrain_lmac.bulk.trial", entry.file]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return max(0, -done.returncode)
