"""Captioned data sets in the layouts of their authors: Clotho, AudioCaps, MACS and FSD50K.

They train the Microsoft CLAP and, in the paper, LMAC-ZS. A clip has one row per caption. Its
``src_file`` is the Freesound ID where there is one, so that recordings shared with other data sets
are found.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from tqdm import tqdm

from speechbrain_lmac.audio.containers import EXTENSIONS
from speechbrain_lmac.audio.io import measure_length
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.tables import read_csv

CLOTHO_SPLITS = {"development": "train", "validation": "valid", "evaluation": "test"}
"""Name of a split in Clotho's files -> name in a manifest."""
CLOTHO_CAPTIONS = [f"caption_{number}" for number in range(1, 6)]
"""Caption columns of Clotho."""


class Caption(NamedTuple):
    """Caption of an audio file."""

    audio: Path
    text: str
    split: str
    source: str
    """Recording, as in ``Clip.src_file``."""
    license: str = ""


def clotho(folder: Path) -> list[Clip]:
    """Read Clotho 2.1: ``clotho_captions_development.csv``, ``development/*.wav`` and so on."""
    captions = []
    for name, split in CLOTHO_SPLITS.items():
        table = folder / f"clotho_captions_{name}.csv"
        if not table.is_file():
            continue
        metadata = _clotho_metadata(folder / f"clotho_metadata_{name}.csv")
        for row in read_csv(table, ["file_name", "caption_1"]):
            details = metadata.get(row["file_name"], {})
            audio = folder / name / row["file_name"]
            number = (details.get("sound_id") or "").removesuffix(".0")
            source = number if number.isdecimal() else f"clotho:{audio.stem}"
            captions += [
                Caption(audio, row[column], split, source, details.get("license") or "")
                for column in CLOTHO_CAPTIONS
                if row.get(column)
            ]
    return _clips("clotho", folder, "clotho_captions_development.csv", captions)


def _clotho_metadata(path: Path) -> dict[str, dict[str, str]]:
    """Metadata by file name; the file may be absent, and is not always in UTF-8."""
    if not path.is_file():
        return {}
    try:
        rows = read_csv(path, ["file_name"])
    except InputError:
        rows = read_csv(path, ["file_name"], encoding="latin-1")
    return {row["file_name"]: row for row in rows}


def audiocaps(folder: Path) -> list[Clip]:
    """Read AudioCaps: ``train.csv``, ``val.csv``, ``test.csv`` and audio files in ``audio/``.

    The authors publish no audio. A file is named ``<youtube_id>`` or ``<youtube_id>_<start_time>``.
    Captions without an audio file are skipped.
    """
    captions = []
    for name, split in {"train": "train", "val": "valid", "test": "test"}.items():
        table = folder / f"{name}.csv"
        if not table.is_file():
            continue
        for row in read_csv(table, ["youtube_id", "start_time", "caption"]):
            stems = (f"{row['youtube_id']}_{row['start_time']}", row["youtube_id"])
            audio = _find(folder / "audio", stems)
            if audio is not None:  # many videos no longer exist
                source = f"youtube:{row['youtube_id']}"
                captions.append(Caption(audio, row["caption"], split, source))
    return _clips("audiocaps", folder, "train.csv", captions)


def _find(folder: Path, stems: Iterable[str]) -> Path | None:
    for stem in stems:
        for suffix in EXTENSIONS:
            if (folder / (stem + suffix)).is_file():
                return folder / (stem + suffix)
    return None


def macs(folder: Path) -> list[Clip]:
    """Read MACS: ``MACS.yaml``, and the audio of TAU Urban Acoustic Scenes 2019 in ``audio/``."""
    table, captions = folder / "MACS.yaml", []
    if table.is_file():
        try:
            files = yaml.safe_load(table.read_text(encoding="utf-8"))["files"]
            for item in files:
                audio = folder / "audio" / item["filename"]
                source = f"tau:{audio.stem}"
                captions += [
                    Caption(audio, annotation["sentence"], "train", source)
                    for annotation in item["annotations"]
                ]
        except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise InputError(f"{table} does not have the layout of MACS: {error}") from error
    return _clips("macs", folder, "MACS.yaml", captions)


def fsd50k(folder: Path) -> list[Clip]:
    """Read FSD50K: title and description of ``dev_clips_info_FSD50K.json`` as one caption."""
    captions, info = [], "FSD50K.metadata/dev_clips_info_FSD50K.json"
    if (folder / info).is_file():
        try:
            clips = json.loads((folder / info).read_text(encoding="utf-8"))
            for name, item in clips.items():
                text = " ".join(f"{item['title']}. {item['description']}".split())
                audio = folder / "FSD50K.dev_audio" / f"{name}.wav"
                captions.append(Caption(audio, text, "train", name, item.get("license", "")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{folder / info} does not have the layout of FSD50K: {error}"
            ) from error
    return _clips("fsd50k", folder, info, captions)


NAMES = {"clotho": "Clotho", "audiocaps": "AudioCaps", "macs": "MACS", "fsd50k": "FSD50K"}
"""Published name of each data set."""
SETS: dict[str, Callable[[Path], list[Clip]]] = {
    "clotho": clotho,
    "audiocaps": audiocaps,
    "macs": macs,
    "fsd50k": fsd50k,
}
"""Reader of each data set's folder."""


def read_captions(folders: Mapping[str, str | Path]) -> list[Clip]:
    """Read captioned data sets.

    Arguments
    ---------
    folders : dict
        Key of ``SETS`` -> folder of the data set.

    Returns
    -------
    list of Clip

    Raises
    ------
    InputError
        If a folder does not have the layout of its data set.
    """
    return [clip for name, folder in folders.items() for clip in SETS[name](Path(folder))]


def _clips(name: str, folder: Path, table: str, captions: Sequence[Caption]) -> list[Clip]:
    """Clips of captions, with the measured lengths of their audio files."""
    if not captions:
        raise InputError(
            f"{folder} holds no {table}, or none of its sounds. Unpack {name} and give the folder "
            "above it"
        )
    clips: list[Clip] = []
    numbers: dict[Path, int] = {}
    lengths: dict[Path, tuple[float, int]] = {}
    for caption in tqdm(captions, f"reading {name}"):
        audio = caption.audio
        if audio not in lengths:
            lengths[audio] = measure_length(audio)
        seconds, samples = lengths[audio]
        numbers[audio] = numbers.get(audio, 0) + 1
        clips.append(
            Clip(
                ID=f"{name}-{caption.split}-{audio.stem}-{numbers[audio]}",
                wav=str(audio),
                duration=seconds,
                fold=0,
                label="",
                src_file=caption.source,
                text=caption.text.replace("$", " dollars ").strip(),  # a variable in SpeechBrain
                split=caption.split,
                stop=samples,
                license=caption.license,
                dataset=NAMES[name],
            )
        )
    return clips
