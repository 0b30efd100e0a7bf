"""Class names of the datasets, in the order of their class indices."""

from functools import cache
from pathlib import Path

AUDIOSET_FILE = Path(__file__).parent / "assets" / "audioset_labels.txt"
ESC50_CLASSES = (
    *("dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow"),
    *("rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds"),
    *("water_drops", "wind", "pouring_water", "toilet_flush", "thunderstorm"),
    *("crying_baby", "sneezing", "clapping", "breathing", "coughing"),
    *("footsteps", "laughing", "brushing_teeth", "snoring", "drinking_sipping"),
    *("door_wood_knock", "mouse_click", "keyboard_typing", "door_wood_creaks", "can_opening"),
    *("washing_machine", "vacuum_cleaner", "clock_alarm", "clock_tick", "glass_breaking"),
    *("helicopter", "chainsaw", "siren", "car_horn", "engine"),
    *("train", "church_bells", "airplane", "fireworks", "hand_saw"),
)
"""The 50 class names; a name's place is its target."""

URBANSOUND8K_CLASSES = (
    *("air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling"),
    *("engine_idling", "gun_shot", "jackhammer", "siren", "street_music"),
)
"""The 10 class names; a name's place is its class id."""


@cache
def audioset_labels():
    """AudioSet's 527 class names, in the order of the logits of AudioSet classifiers.

    Example
    -------
    >>> len(audioset_labels()), audioset_labels()[0]
    (527, 'Speech')
    """
    return tuple(AUDIOSET_FILE.read_text(encoding="utf-8").splitlines())
