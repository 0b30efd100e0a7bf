"""Contamination plans: which sound is mixed into which clip, drawn once and stored as CSV."""

import os
import random
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_lmac.audio.files import find_audio_files
from speechbrain_lmac.data.manifest import Clip, relative_path, write_rows
from speechbrain_lmac.data.pairing import may_mix, pair_clips
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import Writer, atomic_write
from speechbrain_lmac.utils.tables import read_csv

WHITE_NOISE = "white_noise"
TWO_SOURCE = "two_source"
DECIMALS = 6
"""Number of decimals of drawn numbers, so that a stored plan reads back unchanged."""
MAX_DRAWS = 100
"""Number of random draws before all sounds are searched for one that may be mixed in."""
NUMBERS: dict[str, Any] = {
    **dict.fromkeys(("start", "stop", "other_start", "other_stop", "seed"), int),
    **dict.fromkeys(("offset", "snr_db"), float),
}
"""Parsers of the fields that are not text."""


class PlanRow(NamedTuple):
    """Row of a plan: a clip and the sound that is mixed into it."""

    ID: str
    clip: str
    """ID of the clip."""
    wav: str
    """Audio file of the clip; in a CSV file, relative to the CSV file."""
    start: int
    stop: int
    kind: str
    """``white_noise``, or the kind of the other sound."""
    other: str
    """Audio file of the other sound; empty for white noise."""
    other_start: int
    other_stop: int
    other_label: str
    offset: float
    """Fraction of the other sound at which it begins; it is repeated at its end."""
    snr_db: float
    seed: int
    """Seed of the white noise."""


def read_noise_folder(folder: str | Path) -> list[Clip]:
    """Find the sounds of a folder, as clips without labels.

    Arguments
    ---------
    folder : str or Path
        Folder of speech or noise; subfolders are searched as well.

    Returns
    -------
    list of Clip

    Raises
    ------
    InputError
        If the folder holds no audio file.
    """
    sounds, _ = find_audio_files(folder)
    if not sounds:
        raise InputError(f"{folder} holds no sound that can be decoded")
    return [Clip(str(p.relative_to(folder)), str(p), 0.0, 0, "", f"{p.stem}") for p in sounds]


def draw_plan(
    clips: Iterable[Clip],
    others: Iterable[Clip],
    kind: str,
    snr_db: float | Sequence[float],
    seed: int,
    test_folds: Sequence[int],
    per_clip: int = 1,
) -> list[PlanRow]:
    """Draw the sound that is mixed into each clip.

    A draw depends on the seed, the kind, the clip's ID and the other sounds only. It does not
    depend on the machine or on the other clips of the plan.

    Arguments
    ---------
    clips : iterable of Clip
        Clips to contaminate.
    others : iterable of Clip
        Sounds to mix in: other clips of the data set, or a folder of speech or noise. Those of the
        clip's own class or recording are skipped. Empty for white noise.
    kind : str
        ``"white_noise"``, or a name for the kind of the other sounds.
    snr_db : float or sequence of float
        Signal-to-noise ratio in dB, or the bounds from which it is drawn.
    seed : int
        Seed of all draws.
    test_folds : sequence of int
        Folds whose clips are never mixed in. Clips of the split ``test`` are not mixed in either.
    per_clip : int
        Number of rows per clip. Default: 1.

    Returns
    -------
    list of PlanRow

    Raises
    ------
    InputError
        If no sound can be mixed into a clip.
    """
    low, high = snr_db if isinstance(snr_db, Sequence) else (snr_db, snr_db)
    allowed = sorted(o for o in others if o.fold not in test_folds and o.split != "test")
    rows = []
    for clip in clips:
        for number in range(per_clip):
            rng = random.Random(f"{seed}/{kind}/{clip.ID}/{number}")
            other = None if kind == WHITE_NOISE else _draw_other(rng, clip, allowed, kind)
            offset = round(rng.random(), DECIMALS)
            drawn_db = round(rng.uniform(low, high), DECIMALS)
            name = f"{clip.ID}-{kind}-{number}"
            rows.append(_row(name, clip, kind, other, offset, drawn_db, rng.getrandbits(31)))
    return rows


def _draw_other(rng: random.Random, clip: Clip, allowed: Sequence[Clip], kind: str) -> Clip:
    """Draw a sound of another class and recording; few draws are usually enough."""
    for _ in range(MAX_DRAWS if allowed else 0):
        other = rng.choice(allowed)
        if may_mix(clip, other):
            return other
    others = [other for other in allowed if may_mix(clip, other)]
    if not others:
        raise InputError(
            f"no {kind} can be mixed into {clip.ID}: all are of its class ({clip.label}), its "
            "recording or the test folds"
        )
    return rng.choice(others)


def _row(
    name: str, clip: Clip, kind: str, other: Clip | None, offset: float, snr_db: float, seed: int
) -> PlanRow:
    return PlanRow(
        ID=name,
        clip=clip.ID,
        wav=clip.wav,
        start=clip.start,
        stop=clip.stop,
        kind=kind,
        other=other.wav if other else "",
        other_start=other.start if other else 0,
        other_stop=other.stop if other else 0,
        other_label=other.label if other else "",
        offset=offset,
        snr_db=snr_db,
        seed=seed,
    )


def draw_mixtures(clips: Sequence[Clip], kind: str, snr_db: float, seed: int) -> list[PlanRow]:
    """Draw mixtures of two clips of different classes, each clip in one mixture.

    Arguments
    ---------
    clips : sequence of Clip
        Clips with labels. If their number is odd, one is left out.
    kind : str
        Name of the kind of mixture.
    snr_db : float
        Ratio of the first clip of a pair to the second one, in dB.
    seed : int
        Seed of the pairs.

    Returns
    -------
    list of PlanRow
        One row per pair.

    Raises
    ------
    InputError
        If the clips cannot all be paired, because one class has more than half of them.
    """
    pairs = pair_clips(clips, random.Random(f"{seed}/{kind}"))
    return [
        _row(f"{clip.ID}-{kind}", clip, kind, other, 0.0, snr_db, seed=0) for clip, other in pairs
    ]


def write(path: str | Path, rows: Sequence[PlanRow], writer: Writer = atomic_write) -> None:
    """Write a plan as CSV, with paths relative to its folder.

    Arguments
    ---------
    path : str or Path
        File to write.
    rows : sequence of PlanRow
        Rows of the plan, at least one.
    writer : callable
        Context manager that yields the path to write, as for
        :func:`~speechbrain_lmac.data.manifest.write`.
    """
    path = Path(path)
    relative = [
        row._replace(wav=relative_path(row.wav, path), other=relative_path(row.other, path))
        for row in rows
    ]
    write_rows(path, relative, writer)


def read(path: str | Path) -> list[PlanRow]:
    """Read a plan.

    Raises
    ------
    InputError
        If the file is missing, lacks a column, or has an invalid row.
    """
    path = Path(path)
    return read_csv(path, PlanRow._fields, lambda row: _parse(path, row))


def _parse(path: Path, row: Mapping[str, str]) -> PlanRow:
    values: dict[str, Any] = {name: row[name] for name in PlanRow._fields}
    values.update({name: number(row[name]) for name, number in NUMBERS.items()})
    if not isfinite(values["snr_db"]):
        raise ValueError(f"snr_db must be finite, got {values['snr_db']}")
    for name in ("wav", "other"):
        if values[name]:
            values[name] = os.path.normpath(os.path.join(path.absolute().parent, values[name]))
    return PlanRow(**values)
