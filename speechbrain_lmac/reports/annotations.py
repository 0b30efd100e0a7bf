"""Stretches of a long sound in which a prompt has evidence, and the tables that show them."""

import csv
import io
from typing import NamedTuple

from speechbrain_lmac.utils.files import temporary, write_table
from speechbrain_lmac.utils.ownership import Ledger, locked

RAVEN = (
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Annotation",
    "Score",
)
"""Columns of a selection table of Raven (Cornell)."""


class Region(NamedTuple):
    """A stretch of a sound, and the band of what is kept there."""

    prompt: str
    start: float
    """In seconds, as ``stop``."""
    stop: float
    low_hz: float
    high_hz: float
    evidence: float
    """The greatest in it."""


def find_regions(prompt, evidence, bands, step_seconds, threshold, gap_seconds):
    """Where the evidence of a prompt reaches a threshold.

    Arguments
    ---------
    prompt : str
        Of whom.
    evidence : torch.Tensor
        ``[steps]``.
    bands : torch.Tensor
        ``[2, steps]``: lowest and highest frequency kept, in Hz.
    step_seconds : float
        Length of a step.
    threshold : float
        Least evidence.
    gap_seconds : float
        Stretches with no more than this between them are one.

    Returns
    -------
    list of Region
        In order of time.

    Example
    -------
    >>> import torch
    >>> evidence = torch.tensor([0.0, 0.6, 0.0, 0.9, 0.0, 0.0, 0.0, 0.5])
    >>> bands = torch.tensor([[200.0], [900.0]]).expand(2, 8)
    >>> for region in find_regions("dog", evidence, bands, 0.5, threshold=0.5, gap_seconds=0.5):
    ...     print(region.start, region.stop, round(region.evidence, 1))
    0.5 2.0 0.9
    3.5 4.0 0.5
    """
    reached = (evidence >= threshold).nonzero().flatten().tolist()
    stretches: list[list[int]] = []
    for step in reached:
        if stretches and (step - stretches[-1][1] - 1) * step_seconds <= gap_seconds + 1e-9:
            stretches[-1][1] = step
        else:
            stretches.append([step, step])
    return [
        Region(
            prompt,
            round(first * step_seconds, 6),
            round((last + 1) * step_seconds, 6),
            *_band(bands[:, first : last + 1], evidence[first : last + 1] >= threshold),
            evidence[first : last + 1].max().item(),
        )
        for first, last in stretches
    ]


def _band(bands, reached):
    low, high = bands[:, reached]
    return low.median().item(), high.median().item()


def write_csv(path, regions):
    """Regions as CSV: a row each, named by the fields of :class:`Region`."""
    write_table(path, [Region._fields, *(_rounded(region) for region in regions)])


def update_csv(path, found):
    """Regions of several files as CSV, after the ``file`` that each is of.

    The table is read, changed and replaced under a lock: several processes may write one.

    Arguments
    ---------
    path : Path
        What it holds of other files stays.
    found : dict
        File, as :func:`~speechbrain_lmac.audio.source.path_of` identifies it -> its regions, none
        too.

    Raises
    ------
    InputError
        If the table was not written here, or has changed since.
    """
    head = ("file", *Region._fields)
    rows = [(file, *_rounded(region)) for file, regions in found.items() for region in regions]
    with locked(path.parent), temporary(path.parent) as partial:
        ledger = Ledger(path.parent)
        ledger.check([path.name])
        held = path.read_bytes() if path.exists() else _csv([head])
        if any(_begins(held, file) for file in found):
            held = _csv(row for row in _rows(held) if row[0] not in found)
        partial.write_bytes(held + _csv(rows))
        ledger.sign(path.name, partial)
        ledger.save()
        partial.replace(path)


def _csv(rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")


def _rows(held):
    text = held.decode("utf-8", "surrogateescape")
    return csv.reader(io.StringIO(text, newline=""))


def _begins(held, file):
    """Whether a table may have rows of a file; without parsing, as most files are new to it."""
    return _csv([(file, "")])[:-2] in held


def write_raven(path, regions):
    """Regions as a selection table of Raven: tab-separated, numbered in order of time."""
    ordered = sorted(regions, key=lambda region: (region.start, region.prompt))
    rows: list[tuple] = [RAVEN]
    for number, region in enumerate(ordered, start=1):
        prompt, start, stop, low, high, evidence = _rounded(region)
        words = " ".join(prompt.replace('"', "'").split())  # Raven knows no quoting
        rows.append((number, "Spectrogram 1", 1, start, stop, low, high, words, evidence))
    write_table(path, rows, delimiter="\t")


def _rounded(region):
    return region._replace(
        start=round(region.start, 3),
        stop=round(region.stop, 3),
        low_hz=round(region.low_hz, 1),
        high_hz=round(region.high_hz, 1),
        evidence=round(region.evidence, 4),
    )
