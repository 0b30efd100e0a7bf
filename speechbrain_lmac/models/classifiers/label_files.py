"""Files of class names: SpeechBrain's ``label_encoder.txt``, or one name a line."""

import ast
from collections.abc import Sequence
from pathlib import Path

from speechbrain_lmac.models.classifiers.names import check_class_names
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.single_read import read_bounded

LABEL_ENCODER = "label_encoder.txt"
"""File that SpeechBrain writes to the folder of a trained classifier."""
MAX_BYTES = 1 << 20
"""Largest size of a file of class names."""
ARROW, END = " => ", "====="
"""Separator of name and index, and the start of the line after the last name."""
ESC50_IN_RECIPE_ORDER = (
    *("dog", "chirping_birds", "vacuum_cleaner", "thunderstorm", "door_wood_knock"),
    *("can_opening", "crow", "clapping", "fireworks", "chainsaw"),
    *("airplane", "mouse_click", "pouring_water", "train", "sheep"),
    *("water_drops", "church_bells", "clock_alarm", "keyboard_typing", "wind"),
    *("footsteps", "frog", "cow", "brushing_teeth", "car_horn"),
    *("crackling_fire", "helicopter", "drinking_sipping", "rain", "insects"),
    *("laughing", "hen", "engine", "breathing", "crying_baby"),
    *("hand_saw", "coughing", "glass_breaking", "snoring", "toilet_flush"),
    *("pig", "washing_machine", "clock_tick", "sneezing", "rooster"),
    *("sea_waves", "siren", "cat", "door_wood_creaks", "crickets"),
)
"""Classes of ESC-50 as SpeechBrain's recipe numbers them: by first appearance in folds 1 to 3 of
``esc50.csv``. The numbers in the ``target`` column of that file have another order."""


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Read class names in the order of the logits.

    Arguments
    ---------
    path : str or Path
        SpeechBrain's ``label_encoder.txt``, or a text file with one name a line.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        If the file cannot be read, or does not number its names from 0.
    """
    try:
        text = read_bounded(path, MAX_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be a text file: {first_line(error)}") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    is_encoder = any(ARROW in line for line in lines)
    return check_class_names(_decode(lines, path) if is_encoder else lines)


def _decode(lines: Sequence[str], path: str | Path) -> list[str]:
    """Names in the lines of a label encoder, by their indices."""
    end = next((i for i, line in enumerate(lines) if line.startswith(END)), None)
    if end is None:
        raise InputError(f"{path} must end its names with a line of {END}: it is cut off")
    names = {}
    for line in lines[:end]:
        name, _, index = line.rpartition(ARROW)
        try:
            names[int(index)] = ast.literal_eval(name)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            message = f"{path}: a line must be 'name' => index, got {line[:60]!r}"
            raise InputError(message) from error
    if sorted(names) != list(range(end)):
        raise InputError(f"{path} must number its {end} names from 0 to {end - 1}")
    return [names[index] for index in range(end)]
