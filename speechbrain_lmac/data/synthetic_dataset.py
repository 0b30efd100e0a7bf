"""Folder of synthetic sounds in the layout of ESC-50, read by the same code as recordings."""

from pathlib import Path

import soundfile

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.synthetic import KINDS, SAMPLE_RATE, synthesize
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.folders import atomic_folder
from speechbrain_lmac.utils.tables import write_csv

COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
"""Columns of ESC-50's ``meta/esc50.csv``."""
FIRST_SOURCE = 9_000_000
"""Smallest ``src_file`` of a synthetic clip; no sound of Freesound has so high an ID."""


def is_synthetic(clip: Clip) -> bool:
    """Whether a clip is synthetic."""
    return clip.src_file.isdigit() and int(clip.src_file) >= FIRST_SOURCE


def write_dataset(
    folder: str | Path,
    clips_per_fold: int = 4,
    folds: int = 5,
    seed: int = 0,
    seconds: float = 5.0,
) -> Path:
    """Write a folder of synthetic clips atomically; an existing one is returned unchanged.

    Several processes can write the same folder. The first one to end provides it.

    Arguments
    ---------
    folder : str or Path
        Folder to write.
    clips_per_fold : int
        Number of clips of each kind in each fold. Default: 4.
    folds : int
        Number of folds. Default: 5.
    seed : int
        Seed of all clips. Default: 0.
    seconds : float
        Duration of a clip, in seconds. Default: 5.

    Returns
    -------
    Path
        The folder, with ``meta/esc50.csv`` and ``audio/*.wav``.

    Raises
    ------
    InputError
        If the folder exists and is no data set, or cannot be written.
    """
    folder = Path(folder)
    if _is_dataset(folder):
        return folder
    try:
        with atomic_folder(folder, _refuse) as partial:
            _fill(partial, clips_per_fold, folds, seed, seconds)
    except InputError:
        if not _is_dataset(folder):  # else another process wrote it meanwhile
            raise
    return folder


def _is_dataset(folder: Path) -> bool:
    return (folder / "meta" / "esc50.csv").is_file()


def _refuse(folder: Path) -> None:
    raise InputError(f"{folder} exists and is no data set. Give another folder")


def _fill(partial: Path, clips_per_fold: int, folds: int, seed: int, seconds: float) -> None:
    (partial / "audio").mkdir(parents=True)
    (partial / "meta").mkdir()
    rows = []
    for fold in range(1, folds + 1):
        for kind, (target, _) in KINDS.items():
            for clip in range(clips_per_fold):
                source = FIRST_SOURCE + 10_000 * fold + 100 * target + clip
                name = f"{fold}-{source}-A-{target}.wav"
                wave = synthesize(kind, (seed, fold, target, clip), seconds)
                soundfile.write(partial / "audio" / name, wave.numpy(), SAMPLE_RATE, "PCM_16")
                rows.append((name, fold, target, kind, False, source, "A"))
    write_csv(partial / "meta" / "esc50.csv", [COLUMNS, *rows])
