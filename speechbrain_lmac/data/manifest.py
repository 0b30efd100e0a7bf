"""Manifests: CSV files that SpeechBrain and pandas read."""

import csv
import io
from pathlib import Path

from speechbrain_lmac.errors import InputError


def write(path, clips):
    """Write clips as CSV, whole or not at all; leave the same manifest as it is.

    Arguments
    ---------
    path : str or Path
        File to write.
    clips : list of Clip
        At least one; their fields are the columns.

    Raises
    ------
    InputError
        If another manifest stands there: the folder holds a run on other data, and going on
        with its checkpoints would mix the two.
    """
    path, text = Path(path), _as_csv(clips)
    if path.is_file() and path.read_text() != text:
        raise InputError(
            f"{path.parent} holds a run on other data; give another --output_folder, "
            "or remove it to start again"
        )
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


def _as_csv(clips):
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(clips[0]._fields)
    writer.writerows(clips)
    return file.getvalue()
