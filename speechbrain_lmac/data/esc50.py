"""ESC-50's official layout and class names; ESC-10 and our synthetic sets have the same."""

from speechbrain_lmac.data.manifest import Layout

CLASSES = (
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

LAYOUT = Layout(
    name="ESC-50",
    meta="meta/esc50.csv",
    columns={"filename": "filename", "fold": "fold", "label": "category", "src_file": "src_file"},
    audio=lambda row: f"audio/{row['filename']}",
    classes=CLASSES,
)
