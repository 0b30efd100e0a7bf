"""Plans of contamination: what is laid over which clip, drawn once and written down."""

import os
import random
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import torch

from speechbrain_lmac.audio.files import find_audio_files
from speechbrain_lmac.audio.io import fit_length, load_audio, load_clip
from speechbrain_lmac.audio.mixing import scale_to_snr
from speechbrain_lmac.data.manifest import Clip, relative_path, write_rows
from speechbrain_lmac.data.pairing import may_mix, pair_clips
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write
from speechbrain_lmac.utils.tables import read_csv

WHITE_NOISE = "white_noise"
TWO_SOURCE = "two_source"
DECIMALS = 6
"""Of what is drawn, so that a plan reads back as it was."""
DRAWS = 100
"""At random, before all others are looked through for one that may be laid over a clip."""
NUMBERS = {
    **dict.fromkeys(("start", "stop", "other_start", "other_stop", "seed"), int),
    **dict.fromkeys(("offset", "snr_db"), float),
}
"""Fields that are not text."""


class PlanRow(NamedTuple):
    """One row of a plan: a clip and what is laid over it."""

    ID: str
    clip: str
    """ID of the clip."""
    wav: str
    """Its file, in a CSV file relative to that; the stretch of it follows."""
    start: int
    stop: int
    kind: str
    """``white_noise``, or what the other sound is one of."""
    other: str
    """Sound file; empty for white noise."""
    other_start: int
    other_stop: int
    other_label: str
    offset: float
    """Share of the other sound at which it begins; at its end it begins again."""
    snr_db: float
    seed: int
    """Of the white noise."""


class Stems(NamedTuple):
    """A contaminated clip and what it is made of; ``mixture`` is their sum exactly."""

    mixture: torch.Tensor
    clip: torch.Tensor
    other: torch.Tensor


def read_noise_folder(folder):
    """Every sound below a folder as a clip without a label, to be laid over others.

    Raises
    ------
    InputError
        If there is none.
    """
    sounds, _ = find_audio_files(folder)
    if not sounds:
        raise InputError(f"{folder} holds no sound that can be decoded")
    return [Clip(str(p.relative_to(folder)), str(p), 0.0, 0, "", f"{p.stem}") for p in sounds]


def draw_plan(clips, others, kind, snr_db, seed, test_folds, per_clip=1):
    """Draw what is laid over each clip.

    What is drawn for a clip depends on the seed, the kind, the clip's ID and the others alone:
    not on the machine, nor on the other clips of the plan.

    Arguments
    ---------
    clips : list of Clip
        To be contaminated.
    others : list of Clip
        What to lay over them: other clips of the set, or a corpus of speech or noise. Those of
        the clip's own class or source recording are passed over. Empty for white noise.
    kind : str
        ``"white_noise"``, or a name for what the others are.
    snr_db : float or tuple of float
        In dB; of two, a value between them is drawn for each clip.
    seed : int
        Another seed, another plan.
    test_folds : sequence of int
        Folds whose clips are never laid over others; nor are those of a split called test.
    per_clip : int
        Rows of each clip.

    Returns
    -------
    list of PlanRow

    Raises
    ------
    InputError
        If there is nothing to lay over a clip.
    """
    low, high = snr_db if isinstance(snr_db, tuple | list) else (snr_db, snr_db)
    allowed = sorted(o for o in others if o.fold not in test_folds and o.split != "test")
    rows = []
    for clip in clips:
        for number in range(per_clip):
            rng = random.Random(f"{seed}/{kind}/{clip.ID}/{number}")
            other = None if kind == WHITE_NOISE else _draw(rng, clip, allowed, kind)
            rows.append(
                PlanRow(
                    ID=f"{clip.ID}-{kind}-{number}",
                    clip=clip.ID,
                    wav=clip.wav,
                    start=clip.start,
                    stop=clip.stop,
                    kind=kind,
                    other=other.wav if other else "",
                    other_start=other.start if other else 0,
                    other_stop=other.stop if other else 0,
                    other_label=other.label if other else "",
                    offset=round(rng.random(), DECIMALS),
                    snr_db=round(rng.uniform(low, high), DECIMALS),
                    seed=rng.getrandbits(31),
                )
            )
    return rows


def _draw(rng, clip, allowed, kind):
    """One that has neither the clip's class nor its source recording; a few draws find one."""
    for _ in range(DRAWS if allowed else 0):
        other = rng.choice(allowed)
        if may_mix(clip, other):
            return other
    others = [other for other in allowed if may_mix(clip, other)]
    if not others:
        raise InputError(
            f"no {kind} to lay over {clip.ID}: all are of its class ({clip.label}), its recording "
            "or the test folds"
        )
    return rng.choice(others)


def draw_mixtures(clips, kind, snr_db, seed):
    """Draw mixtures of two clips of different classes, each clip in one.

    Arguments
    ---------
    clips : list of Clip
        With labels; of an odd number one is left out.
    kind : str
        What to call it.
    snr_db : float
        Of the first of a pair against the second.
    seed : int
        Another seed, other pairs.

    Returns
    -------
    list of PlanRow
        One for each pair.

    Raises
    ------
    InputError
        If they cannot all be paired, for one class holds more than half of them.
    """
    drawn = pair_clips(clips, random.Random(f"{seed}/{kind}"))
    return [
        PlanRow(
            ID=f"{one.ID}-{kind}",
            clip=one.ID,
            wav=one.wav,
            start=one.start,
            stop=one.stop,
            kind=kind,
            other=other.wav,
            other_start=other.start,
            other_stop=other.stop,
            other_label=other.label,
            offset=0.0,
            snr_db=snr_db,
            seed=0,
        )
        for one, other in drawn
    ]


def write(path, rows, writer=atomic_write):
    """Write a plan as CSV, whole or not at all; its sounds are named from its folder on.

    ``writer`` is as for :func:`~speechbrain_lmac.data.manifest.write`.
    """
    path = Path(path)
    named = [
        row._replace(wav=relative_path(row.wav, path), other=relative_path(row.other, path))
        for row in rows
    ]
    write_rows(path, named, writer)


def read(path):
    """Read a plan.

    Raises
    ------
    InputError
        If it is not there, lacks a column, or a row of it cannot be read.
    """
    path = Path(path)
    return read_csv(path, PlanRow._fields, lambda row: _row(path, row))


def _row(path, row):
    values = {name: row[name] for name in PlanRow._fields}
    values.update({name: kind(row[name]) for name, kind in NUMBERS.items()})
    if not isfinite(values["snr_db"]):
        raise ValueError(f"snr_db must be finite, got {values['snr_db']}")
    for name in ("wav", "other"):
        if values[name]:
            values[name] = os.path.normpath(os.path.join(path.absolute().parent, values[name]))
    return PlanRow(**values)


def render_stems(row, sample_rate, seconds):
    """Make the sounds of a row.

    Arguments
    ---------
    row : PlanRow
        Of a plan.
    sample_rate : int
        Wanted, in Hz.
    seconds : float
        Clips are cut or padded to it.

    Returns
    -------
    Stems
        Each ``[time]``.
    """
    length = round(seconds * sample_rate)
    clip = load_clip(row.wav, sample_rate, seconds, row.start, row.stop)
    if row.kind == TWO_SOURCE:
        other = load_clip(row.other, sample_rate, seconds, row.other_start, row.other_stop)
    elif row.kind == WHITE_NOISE:
        generator = torch.Generator().manual_seed(row.seed)
        other = torch.randn(length, generator=generator)
    else:
        sound = load_audio(row.other, sample_rate, row.other_start, row.other_stop)
        begun = sound.roll(-int(row.offset * len(sound)))
        other = fit_length(begun.repeat(-(-length // len(begun))), length)
    stem = scale_to_snr(clip, other, row.snr_db)
    return Stems(clip + stem, clip, stem)
