"""Manifests: CSV files that SpeechBrain and pandas read."""

import csv
from pathlib import Path


def write(path, clips):
    """Write clips as CSV, whole or not at all.

    Arguments
    ---------
    path : str or Path
        File to write.
    clips : list of Clip
        At least one; their fields are the columns.
    """
    partial = Path(path).with_suffix(".partial")
    with open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(clips[0]._fields)
        writer.writerows(clips)
    partial.replace(path)
