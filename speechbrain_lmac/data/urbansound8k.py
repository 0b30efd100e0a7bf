"""UrbanSound8K's official layout and class names."""

from speechbrain_lmac.data.manifest import Layout

CLASSES = (
    *("air_conditioner", "car_horn", "children_playing", "dog_bark", "drilling"),
    *("engine_idling", "gun_shot", "jackhammer", "siren", "street_music"),
)
"""The 10 class names; a name's place is its class id."""

LAYOUT = Layout(
    name="UrbanSound8K",
    meta="metadata/UrbanSound8K.csv",
    columns={"filename": "slice_file_name", "fold": "fold", "label": "class", "src_file": "fsID"},
    audio=lambda row: f"audio/fold{row['fold']}/{row['slice_file_name']}",
    classes=CLASSES,
)
