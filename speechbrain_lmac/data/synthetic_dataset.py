"""A folder of synthetic sounds in ESC-50's layout, so that they go the way recordings go."""

from pathlib import Path

import soundfile

from speechbrain_lmac.data.synthetic import KINDS, SAMPLE_RATE, synthesize
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.folders import atomic_folder
from speechbrain_lmac.utils.tables import write_csv

COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")
"""Of ESC-50's meta/esc50.csv."""


FIRST_SOURCE = 9_000_000
"""No recording of Freesound has so high a number."""


def is_synthetic(clip):
    """Whether a row of a manifest is one of these clips."""
    return clip.src_file.isdigit() and int(clip.src_file) >= FIRST_SOURCE


def write_dataset(folder, clips_per_fold=4, folds=5, seed=0, seconds=5.0):
    """Write an ESC-50-shaped folder of synthetic clips, whole or not at all.

    Arguments
    ---------
    folder : str or Path
        Written beside its final place and then renamed. An existing one is returned as it is.
    clips_per_fold : int
        Clips of each kind in each fold.
    folds : int
        Number of folds.
    seed : int
        Of the whole set.
    seconds : float
        Length of a clip.

    Returns
    -------
    Path
        The folder, with ``meta/esc50.csv`` and ``audio/*.wav``.
    """
    folder = Path(folder)
    if (folder / "meta" / "esc50.csv").is_file():
        return folder
    with atomic_folder(folder, _refuse) as partial:
        _fill(partial, clips_per_fold, folds, seed, seconds)
    return folder


def _refuse(folder):
    raise InputError(f"{folder} exists and is no set of sounds. Give another folder")


def _fill(partial, clips_per_fold, folds, seed, seconds):
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
