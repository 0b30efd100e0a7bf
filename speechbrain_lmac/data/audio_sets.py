"""Audio data sets that Hugging Face ``datasets`` saved to disk, read by pyarrow.

``Dataset.save_to_disk`` and ``DatasetDict.save_to_disk`` write Arrow streams and a JSON file that
describes the features. A feature of the type Audio holds the bytes or the path of a sound file.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from speechbrain_lmac.data.folds import SPLIT_NAMES, check_splits_differ
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.own_sounds import FOLD, LABEL, SOURCE, finish
from speechbrain_lmac.utils.download import cache_folder
from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.files import atomic_write

SET_FILE, SPLITS_FILE, STATE_FILE = "dataset_info.json", "dataset_dict.json", "state.json"
"""Descriptions of a saved set: its features, the splits of several sets, and its data files."""


class Columns(NamedTuple):
    """Columns of a set that are read."""

    audio: str
    label: str
    names: tuple[str, ...] | None
    """Class names if labels are stored as indices."""
    optional: tuple[str, ...]
    """``fold`` and ``src_file`` if the set has them."""


def is_audio_set(folder: str | Path) -> bool:
    """Whether ``datasets`` saved a set, or a dictionary of splits, to a folder."""
    path = Path(folder)
    return (path / SPLITS_FILE).is_file() or all(
        (path / name).is_file() for name in (SET_FILE, STATE_FILE)
    )


def read_audio_set(folder: str | Path, allow_unreadable: bool = False) -> list[Clip]:
    """Read a set of ``datasets`` from disk.

    Embedded sounds are written to the cache of this package, named by a hash of their content.

    Arguments
    ---------
    folder : str or Path
        Folder of ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk``. The set has a feature of
        the type Audio, and the feature ``label`` or one feature of the type ClassLabel.
    allow_unreadable : bool
        Give unreadable audio an infinite duration. Default: False.

    Returns
    -------
    list of Clip
        Clips in the order of the set.

    Raises
    ------
    InputError
        If pyarrow is missing, or the set is damaged or lacks a feature.
    """
    clips: list[Clip] = []
    for split, path in _splits(Path(folder)).items():
        columns = _columns(path)
        for row in _rows(path, columns):
            name = f"{split or 'row'}-{len(clips)}"
            label = _label(row[columns.label], columns, f"{path}: {name}")
            wav = _sound(row[columns.audio], path, name)
            fold, source = row.get(FOLD) or 0, str(row.get(SOURCE) or "")
            clips.append(Clip(name, wav, 0.0, int(fold), label, source, split=split))
    if not clips:
        raise InputError(f"{folder} must hold sounds, got an empty set")
    return finish(clips, folder, allow_unreadable)


def audio_set_classes(folder: str | Path) -> tuple[str, ...] | None:
    """Class names of a saved set, sorted; None if its labels are texts."""
    names = [_columns(path).names for path in _splits(Path(folder)).values()]
    known = {name for each in names if each for name in each}
    return tuple(sorted(known)) if all(names) else None


def _splits(folder: Path) -> dict[str, Path]:
    """Split, or an empty text, -> folder of its set."""
    if not (folder / SPLITS_FILE).is_file():
        return {"": folder}
    names = _read_json(folder / SPLITS_FILE).get("splits")
    if not isinstance(names, list) or not names:
        raise InputError(f"{folder / SPLITS_FILE} must list splits, got {names!r}")
    unknown = [name for name in names if name not in SPLIT_NAMES]
    if len(names) == 1:
        return {"": folder / str(names[0])}
    if unknown:
        raise InputError(
            f"the splits of {folder} must be train, validation and test, got {unknown[0]!r}. Give "
            "the folder of one split"
        )
    check_splits_differ(folder, names)
    return {SPLIT_NAMES[name]: folder / name for name in names}


def _columns(folder: Path) -> Columns:
    features = _read_json(folder / SET_FILE).get("features")
    if not isinstance(features, Mapping):
        raise InputError(f"{folder / SET_FILE} must describe features, got none")
    kinds = {n: f.get("_type") for n, f in features.items() if isinstance(f, Mapping)}
    audio = [name for name, kind in kinds.items() if kind == "Audio"]
    labels = [name for name, kind in kinds.items() if kind == "ClassLabel"]
    label = LABEL if LABEL in kinds else labels[0] if len(labels) == 1 else None
    if len(audio) != 1 or label is None:
        raise InputError(
            f"{folder} must have one feature of the type Audio, and a feature label or one of the "
            f"type ClassLabel, got {', '.join(f'{n} ({k})' for n, k in kinds.items())}"
        )
    names = features[label].get("names") if kinds[label] == "ClassLabel" else None
    optional = tuple(name for name in (FOLD, SOURCE) if name in kinds)
    return Columns(audio[0], label, None if names is None else tuple(map(str, names)), optional)


def _label(value: Any, columns: Columns, where: str) -> str:
    names = columns.names
    if names is not None and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    if names is None and isinstance(value, str) and value.strip():
        return value
    raise InputError(f"{where} must have a label, got {value!r}")


def _rows(folder: Path, columns: Columns) -> Iterator[dict[str, Any]]:
    """Rows of the data files, one at a time."""
    arrow = _pyarrow()
    files = [entry.get("filename") for entry in _read_json(folder / STATE_FILE)["_data_files"]]
    wanted = [columns.audio, columns.label, *columns.optional]
    for name in files:
        path = folder / Path(str(name)).name
        try:
            with arrow.memory_map(str(path)) as source, arrow.ipc.open_stream(source) as stream:
                for batch in stream:
                    table = batch.select(wanted)
                    for place in range(table.num_rows):
                        (row,) = table.slice(place, 1).to_pylist()
                        yield row
        except (OSError, KeyError, arrow.ArrowInvalid) as error:
            raise InputError(f"{path} cannot be read as Arrow: {first_line(error)}") from error


def _pyarrow() -> Any:
    try:
        import pyarrow.ipc
    except ImportError as error:
        raise InputError(
            f"a set of datasets needs pyarrow, which cannot be imported ({first_line(error)}). Run "
            "pip install 'speechbrain-lmac[many]'"
        ) from error
    return pyarrow


def _sound(value: Any, folder: Path, name: str) -> str:
    """Path of a sound; embedded bytes are written to the cache."""
    content = value.get("bytes") if isinstance(value, Mapping) else None
    path = value.get("path") if isinstance(value, Mapping) else None
    if content is None:
        if not path or not (folder / path).is_file():
            raise InputError(f"{folder}: {name} must hold or name a sound file, got {path!r}")
        return str(folder / path)
    digest = hashlib.sha256(content).hexdigest()
    file = cache_folder() / "sounds" / digest
    if not (file.is_file() and os.path.getsize(file) == len(content)):
        with atomic_write(file) as partial:
            partial.write_bytes(content)
    return str(file)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a JSON object, got {type(content).__name__}")
    return content
