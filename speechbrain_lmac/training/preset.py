"""Short training on sounds of your own: the settings of ``speechbrain-lmac train --on FOLDER``."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.folds import TEST_FOLD, TRAIN_FOLDS, VALID_FOLD
from speechbrain_lmac.pretrained.checkpoint import read_interpreter
from speechbrain_lmac.pretrained.decoder_weights import DECODER_FILE
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import InputError

HPARAMS_FILE = "lmac_zs.yaml"
MASKINGS = ("stft", "mel")
"""Masking domains that have a pretrained decoder for MiniCLAP."""
TRAINING_CLIPS = 8000
"""Number of clips, with repetitions, after which training ends: 20 minutes on two cores."""
MAX_EPOCHS, VALIDATIONS = 100, 5
BATCH_SIZE = 16
CHOICES: dict[str, Any] = {
    "mask_fills": "[silence, noise_floor, mean]",
    "contrast_probability": 0.25,
    "baselines": "[]",
}


class Preset(NamedTuple):
    """Short training."""

    arguments: list[str]
    """Arguments of :func:`~speechbrain_lmac.training.train.train`."""
    description: str
    """Sounds and epochs, in one line."""


def preset_for(data_folder: str | Path, arguments: Sequence[str]) -> Preset:
    """Choose the settings of a short training that starts from the pretrained decoder of MiniCLAP.

    Arguments
    ---------
    data_folder : str or Path
        Sounds, as :func:`~speechbrain_lmac.data.datasets.read_clips` reads them.
    arguments : sequence of str
        Settings of the user, ``--key value``, which replace those of the preset.

    Returns
    -------
    Preset

    Raises
    ------
    InputError
        If the sounds are invalid, a settings file is given, or the domain has no decoder.
    """
    if arguments and not arguments[0].startswith("-"):
        raise InputError(
            f"--on must be given without a settings file, got {arguments[0]}. Give --data_folder "
            f"{data_folder} to train with a settings file"
        )
    masking = _given(arguments, "masking") or MASKINGS[0]
    if masking not in MASKINGS:
        raise InputError(f"masking must be {' or '.join(MASKINGS)}, got {masking!r}")
    clips = read_clips(data_folder)
    num_train = sum(clip.fold in TRAIN_FOLDS for clip in clips)
    settings = _settings(data_folder, masking, num_train)
    unset = {name: value for name, value in settings.items() if _given(arguments, name) is None}
    epochs = _given(arguments, "number_of_epochs") or settings["number_of_epochs"]
    counts = Counter(clip.fold for clip in clips)
    description = (
        f"{len(clips)} sounds of {len({clip.label for clip in clips})} classes: {num_train} train, "
        f"{counts[VALID_FOLD]} select the epoch, {counts[TEST_FOLD]} are held out. Training starts "
        f"from mini-{masking} and takes {epochs} epochs"
    )
    return Preset([HPARAMS_FILE, *as_arguments(unset), *arguments], description)


def _settings(data_folder: str | Path, masking: str, num_train: int) -> dict[str, Any]:
    """Settings for a number of training clips."""
    epochs = max(1, min(MAX_EPOCHS, round(TRAINING_CLIPS / max(1, num_train))))
    pretrained = read_interpreter(f"mini-{masking}")
    decoder = pretrained.config.parts["decoder"].settings
    return {
        "data_folder": data_folder,
        "output_folder": f"results/own/{Path(data_folder).resolve().stem}/{masking}",
        "pretrained_decoder": pretrained.folder / DECODER_FILE,
        "gradient_features": decoder["gradient_features"],
        "gradient_path": decoder.get("gradient_path", 0.0),
        "gradient_path_map": decoder.get("gradient_path_map", "positive"),
        "batch_size": max(1, min(BATCH_SIZE, num_train)),
        "number_of_epochs": epochs,
        "valid_interval": max(1, epochs // VALIDATIONS),
        **CHOICES,
    }


def _given(arguments: Sequence[str], name: str) -> str | None:
    """Value of a setting in command-line arguments; None if it is not given."""
    for place, word in enumerate(arguments):
        key, sign, value = word.partition("=")
        if key == f"--{name}":
            return value if sign else "".join(arguments[place + 1 : place + 2])
    return None
