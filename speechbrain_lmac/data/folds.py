"""Folds of data sets that state none: drawn by content, with all classes in each split."""

from collections.abc import Mapping, Sequence

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.errors import InputError

TRAIN_FOLDS, VALID_FOLD, TEST_FOLD = (1, 2, 3), 4, 5
"""Folds of each split by the default settings."""
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    **dict.fromkeys(("valid", "validation", "val", "dev"), "valid"),
    **dict.fromkeys(("test", "eval", "evaluation"), "test"),
}
"""Common names of splits -> the name of the split here."""


def check_splits_differ(folder: object, names: Sequence[str]) -> None:
    """Raise InputError if two folders of a data set, such as val and dev, mean the same split."""
    for name in names:
        same = [other for other in names if SPLIT_NAMES[other] == SPLIT_NAMES[name]]
        if len(same) > 1:
            raise InputError(
                f"{folder} must hold each split once, got {' and '.join(same)}. Merge them, or "
                "give a folder without one of them"
            )


def draw_folds(clips: Sequence[Clip], where: object) -> list[Clip]:
    """Assign folds 1 to 5 to clips, stratified by class; ``split`` decides where it is given.

    Clips of the splits ``valid`` and ``test`` get folds 4 and 5. All other clips are divided among
    the remaining folds: the recordings of a class are sorted by ``src_file`` and dealt in turn.
    Clips of one recording share a fold. The folds depend on the clips alone, not on their order.

    Arguments
    ---------
    clips : sequence of Clip
        Clips without folds, with a label and a recording.
    where : object
        Data set, for errors.

    Returns
    -------
    list of Clip
        The clips in their order, with ``fold`` and without ``split``.

    Raises
    ------
    InputError
        If the recordings do not fill all folds.

    Example
    -------
    >>> clips = [Clip(f"{i}", "", 1.0, 0, "ab"[i % 2], f"{i}") for i in range(10)]
    >>> [clip.fold for clip in draw_folds(clips, "set")]
    [1, 2, 5, 5, 4, 4, 2, 3, 3, 1]
    """
    given = {clip.split for clip in clips}
    fixed = {"test": TEST_FOLD, "valid": VALID_FOLD}
    held_out = [fold for split, fold in fixed.items() if split not in given]
    drawn = [clip for clip in clips if clip.split not in fixed]
    by_source = _deal(drawn, held_out)
    result = [
        clip._replace(fold=fixed.get(clip.split) or by_source[clip.src_file], split="")
        for clip in clips
    ]
    _check_filled(result, where)
    return result


def _deal(clips: Sequence[Clip], held_out: Sequence[int]) -> Mapping[str, int]:
    """Fold of each recording. The first goes to training, the next ones to the held-out folds."""
    sources: dict[str, list[str]] = {}
    for source, label in sorted({clip.src_file: clip.label for clip in reversed(clips)}.items()):
        sources.setdefault(label, []).append(source)
    folds: dict[str, int] = {}
    for turn, label in enumerate(sorted(sources)):
        start = turn % len(TRAIN_FOLDS)
        first, *others = TRAIN_FOLDS[start:] + TRAIN_FOLDS[:start]
        order = [first, *held_out, *others]
        folds.update({s: order[i % len(order)] for i, s in enumerate(sources[label])})
    return folds


def _check_filled(clips: Sequence[Clip], where: object) -> None:
    missing = sorted({*TRAIN_FOLDS, VALID_FOLD, TEST_FOLD} - {clip.fold for clip in clips})
    if missing:
        recordings = len({clip.src_file for clip in clips})
        raise InputError(
            f"{where} must have sounds for 5 folds, got {recordings} different sounds, and none "
            f"for fold {missing[0]}. Add sounds, or give a CSV file with the column fold"
        )
