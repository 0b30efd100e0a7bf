"""Under which conditions clips are explained, and the scenes that this makes of them."""

import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import torch

from speechbrain_lmac.audio.io import load_clip
from speechbrain_lmac.audio.mixing import PRESETS
from speechbrain_lmac.data import contamination
from speechbrain_lmac.data.contamination import Contaminated
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.errors import InputError

CLEAN, TWO_SOURCE, WITHIN, ABSENT = "clean", contamination.TWO_SOURCE, "mixture", "absent_prompt"
SNRS_DB = {TWO_SOURCE: 0.0, **PRESETS}
"""Kind of contamination -> its SNR if none is given."""


class Condition(NamedTuple):
    """One column of the bench."""

    name: str
    """As it was given, such as ``two_source@-5``."""
    kind: str
    snr_db: float


class Scene(NamedTuple):
    """A sound to explain under one prompt."""

    ID: str
    clip: Clip
    """What the prompt names, if the CLAP is right."""
    prompt: str = ""
    """Class name that is explained; empty: the one that the CLAP decides for."""
    row: Contaminated | None = None
    """What lies over it; None: nothing."""
    swapped: bool = False
    """Whether the clip is the row's other sound, and the row's own lies over it."""
    other_label: str = ""
    """Of what lies over it, if it is a clip of the set."""
    snr_db: float = math.inf
    """Of the clip against what lies over it."""


def recordings(scenes):
    """The source recording of each scene; of mixtures of clips one name for all that are linked.

    Scenes that share a recording are alike, and so are the two prompts of one mixture: what is
    resampled is what no mixture links.

    Arguments
    ---------
    scenes : list of Scene
        All of a condition.

    Returns
    -------
    list of str
    """
    parent: dict = {}

    def root(name):
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    mixtures = [f"mixture {s.row.ID}" if s.prompt and s.row else s.clip.src_file for s in scenes]
    for scene, mixture in zip(scenes, mixtures):
        one, other = sorted((root(scene.clip.src_file), root(mixture)))
        parent[other] = one
    return [root(scene.clip.src_file) for scene in scenes]


class Sounds(NamedTuple):
    """A scene as sound, and its stems, each ``[time]``."""

    mixture: torch.Tensor
    own: torch.Tensor
    rest: torch.Tensor


def parse(name):
    """A condition by its name: ``clean``, or a kind of contamination and, after ``@``, its SNR.

    Example
    -------
    >>> parse("two_source@-5")
    Condition(name='two_source@-5', kind='two_source', snr_db=-5.0)
    >>> parse("speech").snr_db
    12.04
    """
    kind, at, level = str(name).partition("@")
    if kind == CLEAN and not at:
        return Condition(kind, kind, math.inf)
    try:
        snr_db = float(level) if at else SNRS_DB[kind]
    except (KeyError, ValueError):
        snr_db = math.nan
    if kind not in SNRS_DB or not math.isfinite(snr_db):
        raise InputError(
            f"there is no condition {name!r}; there are {CLEAN}, {ABSENT} and, with an SNR in dB "
            f"if you like, as in two_source@5, {', '.join(SNRS_DB)}"
        )
    return Condition(str(name), kind, snr_db)


def scenes(condition, clips, others, corpora, folder, seed):
    """What is to be explained under a condition, from a plan that is drawn once and kept.

    Arguments
    ---------
    condition : Condition
        Of :func:`parse`.
    clips : list of Clip
        Those tested. Two-class mixtures are made among them, so that neither source of one is
        known to an interpreter; each clip is in one mixture, and each of the two is prompted.
    others : list of Clip
        The rest of the set, which ``mixture`` lays over clips.
    corpora : dict
        Kind -> folder of sounds, for ``speech`` and ``wham``.
    folder : str or Path
        Where the plan is written, or read if it is there.
    seed : int
        Of the draws.

    Returns
    -------
    list of Scene
    """
    if condition.kind == CLEAN:
        return [Scene(clip.ID, clip) for clip in clips]
    path = Path(folder) / f"{condition.name}.csv"
    if path.is_file():
        rows = contamination.read(path)
    else:
        rows = _draw(condition, clips, others, corpora, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        contamination.write(path, rows)
    by_name = {clip.ID: clip for clip in clips}
    by_file = _by_file(_over(condition, clips, others, corpora))
    found = []
    for row in rows:
        own, other = by_name.get(row.clip), _found(by_file, row)
        if own is None or (condition.kind == TWO_SOURCE and other is None):
            raise InputError(f"{path} is a plan for other clips than these: see {row.ID}")
        row = row._replace(wav=own.wav, other=other.wav if other else row.other)
        if condition.kind != TWO_SOURCE:
            over = Scene(row.ID, own, "", row, False, row.other_label, row.snr_db)
            found.append(over)
            continue
        first = Scene(f"{row.ID}-a", own, own.label, row, False, other.label, row.snr_db)
        second = Scene(f"{row.ID}-b", other, other.label, row, True, own.label, -row.snr_db)
        found += [first, second]
    return found


def _by_file(clips):
    """Clips by file and first sample: by its path, and by its name where no other has that, for
    sounds and plans may have been moved since.
    """
    held = {(str(Path(clip.wav).resolve()), clip.start): clip for clip in clips}
    names = Counter((Path(clip.wav).name, clip.start) for clip in clips)
    named = {(Path(clip.wav).name, clip.start): clip for clip in clips}
    return held | {key: clip for key, clip in named.items() if names[key] == 1}


def _found(by_file, row):
    """What lies over a row's clip; None if it is not known."""
    path = Path(row.other)
    keys = [(name, row.other_start) for name in (str(path.resolve()), path.name)]
    return next((by_file[key] for key in keys if key in by_file), None)


def _draw(condition, clips, others, corpora, seed):
    if condition.kind == TWO_SOURCE:
        return contamination.pairs(clips, condition.kind, condition.snr_db, seed)
    over = _over(condition, clips, others, corpora)
    if not over and condition.kind not in (contamination.WHITE_NOISE, WITHIN):
        raise InputError(
            f"{condition.kind} comes from a folder of sounds: give it as "
            f'--corpora "{{{condition.kind}: FOLDER}}"'
        )
    return contamination.plan(clips, over, condition.kind, condition.snr_db, seed, test_folds=())


def _over(condition, clips, others, corpora):
    """What may be laid over clips under a condition."""
    if condition.kind == TWO_SOURCE:
        return clips
    if condition.kind == contamination.WHITE_NOISE:
        return []
    if condition.kind == WITHIN:
        return others
    folder = corpora.get(condition.kind)
    return [] if folder is None else contamination.corpus(folder)


def render(scene, sample_rate, seconds):
    """The sounds of a scene.

    Arguments
    ---------
    scene : Scene
        Its files are read.
    sample_rate : int
        Wanted, in Hz.
    seconds : float
        Sounds are cut or padded to it.

    Returns
    -------
    Sounds
    """
    if scene.row is not None:
        stems = contamination.render(scene.row, sample_rate, seconds)
        own, rest = stems.clip, stems.other
        return Sounds(stems.mixture, *((rest, own) if scene.swapped else (own, rest)))
    clip = scene.clip
    own = load_clip(clip.wav, sample_rate, seconds, clip.start, clip.stop)
    return Sounds(own, own, torch.zeros_like(own))
