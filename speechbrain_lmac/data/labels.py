"""Class names of the data sets, in the order of their class indices."""

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
"""Names of the 50 classes, by target index."""

URBANSOUND8K_CLASSES = (
    *("air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling"),
    *("engine_idling", "gun_shot", "jackhammer", "siren", "street_music"),
)
"""Names of the 10 classes, by class ID."""


@cache
def audioset_labels() -> tuple[str, ...]:
    """Names of the 527 AudioSet classes, in the order of the logits of AudioSet classifiers.

    Example
    -------
    >>> len(audioset_labels()), audioset_labels()[0]
    (527, 'Speech')
    """
    return tuple(AUDIOSET_FILE.read_text(encoding="utf-8").splitlines())
