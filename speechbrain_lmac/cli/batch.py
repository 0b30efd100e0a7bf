"""Apply a command to many files: progress bar, text or JSON output, and one exit status."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from speechbrain_lmac.utils.collected_warnings import collected_warnings
from speechbrain_lmac.utils.counts import counted
from speechbrain_lmac.utils.errors import InputError, printable

SOME_FAILED = 1
"""Exit status if some files failed."""
Result = tuple[dict[str, Any], Iterable[str]]
"""JSON record and lines to print."""


def for_each(files: Sequence[str], work: Callable[[str, int], Result], as_json: bool) -> int:
    """Apply ``work`` to each file and report the files that fail.

    Arguments
    ---------
    files : list of str
        Files in the order of processing.
    work : callable
        Function of a file and its index that returns a JSON record and lines to print. A file
        fails if it raises InputError or memory is exhausted.
    as_json : bool
        Print one JSON object per file instead of the lines.

    Returns
    -------
    int
        Exit status: 0 if no file failed, else ``SOME_FAILED``.
    """
    from tqdm import tqdm

    from speechbrain_lmac.utils.device import wrap_memory_errors

    failed = 0
    # disable=None: no bar in logs, where it would hide the errors
    bar = tqdm(files, unit="file", disable=None if len(files) > 1 else True, file=sys.stderr)
    for index, file in enumerate(bar):
        try:
            with wrap_memory_errors(file), collected_warnings() as texts:
                record, lines = work(file, index)
            record, lines = _with_warnings(record, lines, texts)
        except InputError as error:
            failed += 1
            record, lines = {"file": file, "error": str(error)}, []
            bar.write(f"error: {error}", file=sys.stderr)
        for line in [json_line(record)] if as_json else lines:
            bar.write(printable(line), file=sys.stdout)
        sys.stdout.flush()
    if failed:
        print(f"{failed} of {counted(len(files), 'file')} failed", file=sys.stderr)
    return SOME_FAILED if failed else 0


def _with_warnings(record: dict[str, Any], lines: Iterable[str], texts: list[str]) -> Result:
    """Add texts of warnings to a record and to its lines."""
    if not texts:
        return record, lines
    warned = [*record.get("warnings", ()), *texts]
    return {**record, "warnings": warned}, [*lines, *(f"  warning: {text}" for text in texts)]


def json_line(value: Any) -> str:
    r"""Return a value as one line of JSON without terminal control characters.

    Example
    -------
    >>> print(json_line({"prompt": "dög \x9b2J"}))
    {"prompt": "dög \u009b2J"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
