"""Evaluation items of a condition (clip, prompt, mixture), and their sounds."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm

from speechbrain_lmac.audio.io import load_clip, read_mono
from speechbrain_lmac.data import contamination
from speechbrain_lmac.data.contamination import PlanRow
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.stems import render_stems
from speechbrain_lmac.evaluation.benchmark.conditions import CLEAN, MIXTURE, TWO_SOURCE, Condition
from speechbrain_lmac.utils.errors import InputError


class EvaluationItem(NamedTuple):
    """A clip, possibly mixed with another sound, and the class to explain."""

    ID: str
    clip: Clip
    """Clip whose label is the correct answer."""
    prompt: str = ""
    """Class to explain. Empty: the prediction of the classifier."""
    mixture: PlanRow | None = None
    """Mixture that the clip is part of. None: the clip alone."""
    swapped: bool = False
    """True if the clip is the second sound of the mixture."""
    other_label: str = ""
    """Label of the other sound of the mixture, if it is a clip of the data set."""
    snr_db: float = math.inf
    """Level of the clip relative to the other sound."""


class Stems(NamedTuple):
    """Waveforms of an item, ``[time]`` each."""

    mixture: torch.Tensor
    target: torch.Tensor
    residual: torch.Tensor


def recording_groups(items: Sequence[EvaluationItem]) -> list[str]:
    """Name the group of source recordings that each item belongs to.

    Items that share a recording are correlated, and so are the two prompts of one mixture. All
    recordings that mixtures link form one group, which statistics resample as a whole.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    links = [
        f"mixture {item.mixture.ID}" if item.prompt and item.mixture else item.clip.src_file
        for item in items
    ]
    for item, link in zip(items, links):
        one, other = sorted((root(item.clip.src_file), root(link)))
        parent[other] = one
    return [root(item.clip.src_file) for item in items]


def make_items(
    condition: Condition,
    clips: Sequence[Clip],
    other_clips: Sequence[Clip],
    noise_folders: Mapping[str, str],
    folder: str | Path,
    seed: int,
) -> list[EvaluationItem]:
    """List the items of a condition. Mixtures are drawn once and stored as a plan.

    Arguments
    ---------
    condition : Condition
        Result of :func:`~speechbrain_lmac.evaluation.benchmark.conditions.parse`.
    clips : list of Clip
        Test clips. Two-source mixtures are made of two of them, so that an interpreter was trained
        on neither. Each clip is in one mixture, and each of its two sources is prompted.
    other_clips : list of Clip
        The rest of the data set, which ``mixture`` adds to test clips.
    noise_folders : dict
        Kind -> folder of sounds, for ``speech`` and ``wham``.
    folder : str or Path
        Folder of the plan. An existing plan is read.
    seed : int
        Seed of the draws.

    Returns
    -------
    list of EvaluationItem

    Raises
    ------
    InputError
        If no sounds can be mixed, an added sound cannot be read, or a stored plan names clips or
        sounds that are not among the given ones.
    """
    if condition.kind == CLEAN:
        return [EvaluationItem(clip.ID, clip) for clip in clips]
    path = Path(folder) / f"{condition.name}.csv"
    if path.is_file():
        rows = contamination.read(path)
    else:
        rows = _draw(condition, clips, other_clips, noise_folders, seed)
        _check_added_sounds(rows, condition)
        path.parent.mkdir(parents=True, exist_ok=True)
        contamination.write(path, rows)
    by_id = {clip.ID: clip for clip in clips}
    by_file = _by_file(_interferers(condition, clips, other_clips, noise_folders))
    items = []
    for row in rows:
        clip, other = by_id.get(row.clip), _find(by_file, row)
        if clip is None or (row.other and other is None):
            unknown = row.other if clip else row.clip
            raise InputError(
                f"{path} must describe mixtures of the given sounds, got {unknown}. Give the "
                "sounds that it was drawn from, or another --output_folder"
            )
        row = row._replace(wav=clip.wav, other=other.wav if other else row.other)
        items += _items_of(condition, row, clip, other)
    return items


def _check_added_sounds(rows: Sequence[PlanRow], condition: Condition) -> None:
    """Decode the sounds that are added to clips; raise InputError if one cannot be read."""
    if condition.kind != TWO_SOURCE:  # test clips are checked before
        added = {(row.other, row.other_start, row.other_stop) for row in rows if row.other}
        for sound in tqdm(sorted(added), f"checking {condition.name}", disable=not added):
            read_mono(*sound)


def _items_of(
    condition: Condition, row: PlanRow, clip: Clip, other: Clip | None
) -> list[EvaluationItem]:
    """Return one item, or the two prompts of a two-source mixture."""
    if condition.kind != TWO_SOURCE:
        return [EvaluationItem(row.ID, clip, "", row, False, row.other_label, row.snr_db)]
    assert other is not None
    first = (f"{row.ID}-a", clip, clip.label, row, False, other.label, row.snr_db)
    second = (f"{row.ID}-b", other, other.label, row, True, clip.label, -row.snr_db)
    return [EvaluationItem(*first), EvaluationItem(*second)]


def _by_file(clips: Sequence[Clip]) -> dict[tuple[str, int], Clip]:
    """Index clips by path and first sample, and by file name and first sample if that is unique.

    Sounds and plans may have been moved.
    """
    by_path = {(str(Path(clip.wav).resolve()), clip.start): clip for clip in clips}
    counts = Counter((Path(clip.wav).name, clip.start) for clip in clips)
    by_name = {(Path(clip.wav).name, clip.start): clip for clip in clips}
    return by_path | {key: clip for key, clip in by_name.items() if counts[key] == 1}


def _find(by_file: Mapping[tuple[str, int], Clip], row: PlanRow) -> Clip | None:
    """Return the clip that a plan mixes in; None if it is unknown."""
    path = Path(row.other)
    keys = [(name, row.other_start) for name in (str(path.resolve()), path.name)]
    return next((by_file[key] for key in keys if key in by_file), None)


def _draw(
    condition: Condition,
    clips: Sequence[Clip],
    other_clips: Sequence[Clip],
    noise_folders: Mapping[str, str],
    seed: int,
) -> list[PlanRow]:
    if condition.kind == TWO_SOURCE:
        return contamination.draw_mixtures(clips, condition.kind, condition.snr_db, seed)
    interferers = _interferers(condition, clips, other_clips, noise_folders)
    if not interferers and condition.kind not in (contamination.WHITE_NOISE, MIXTURE):
        raise InputError(
            f"condition {condition.kind} needs a folder of sounds. Give it as "
            f'--noise_folders "{{{condition.kind}: FOLDER}}"'
        )
    plan = contamination.draw_plan
    return plan(clips, interferers, condition.kind, condition.snr_db, seed, test_folds=())


def _interferers(
    condition: Condition,
    clips: Sequence[Clip],
    other_clips: Sequence[Clip],
    noise_folders: Mapping[str, str],
) -> Sequence[Clip]:
    """List the sounds that may be added to clips under a condition."""
    if condition.kind == TWO_SOURCE:
        return clips
    if condition.kind == contamination.WHITE_NOISE:
        return []
    if condition.kind == MIXTURE:
        return other_clips
    folder = noise_folders.get(condition.kind)
    return [] if folder is None else contamination.read_noise_folder(folder)


def render(item: EvaluationItem, sample_rate: int, seconds: float) -> Stems:
    """Read the waveforms of an item."""
    if item.mixture is not None:
        stems = render_stems(item.mixture, sample_rate, seconds)
        sources = (stems.other, stems.clip) if item.swapped else (stems.clip, stems.other)
        return Stems(stems.mixture, *sources)
    clip = item.clip
    wav = load_clip(clip.wav, sample_rate, seconds, clip.start, clip.stop)
    return Stems(wav, wav, torch.zeros_like(wav))
