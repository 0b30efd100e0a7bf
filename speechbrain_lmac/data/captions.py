"""Sets of described sounds, each read where its authors' archives put it: rows with a text.

They are what the paper of LMAC-ZS trains on: the data of the CLAP that it explains. One row a
caption; ``src_file`` is the Freesound number where the sound is from there, so that a recording
that another set holds as well is found.
"""

import json
from pathlib import Path

import yaml
from tqdm import tqdm

from speechbrain_lmac.audio.containers import EXTENSIONS
from speechbrain_lmac.audio.io import measure_length
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.tables import read_csv

CLOTHO_SPLITS = {"development": "train", "validation": "valid", "evaluation": "test"}
CLOTHO_CAPTIONS = [f"caption_{number}" for number in range(1, 6)]


def clotho(folder):
    """Clotho 2.1: ``clotho_captions_development.csv``, ``development/*.wav`` and so on."""
    rows = []
    for name, split in CLOTHO_SPLITS.items():
        captions = folder / f"clotho_captions_{name}.csv"
        if not captions.is_file():
            continue
        about = _by_name(folder / f"clotho_metadata_{name}.csv")
        for row in read_csv(captions, ["file_name", "caption_1"]):
            meta = about.get(row["file_name"], {})
            sound = folder / name / row["file_name"]
            number = (meta.get("sound_id") or "").removesuffix(".0")
            source = number if number.isdecimal() else f"clotho:{sound.stem}"
            texts = [row[key] for key in CLOTHO_CAPTIONS if row.get(key)]
            rows += [(sound, text, split, source, meta.get("license") or "") for text in texts]
    return _clips("clotho", folder, "clotho_captions_development.csv", rows)


def audiocaps(folder):
    """AudioCaps: ``train.csv``, ``val.csv``, ``test.csv`` and sounds in ``audio/``, by YouTube id.

    The authors hand out no sound: a file is ``<youtube_id>`` or ``<youtube_id>_<start_time>``.
    Captions whose sound is not there are passed over.
    """
    rows = []
    for name, split in {"train": "train", "val": "valid", "test": "test"}.items():
        captions = folder / f"{name}.csv"
        if not captions.is_file():
            continue
        for row in read_csv(captions, ["youtube_id", "start_time", "caption"]):
            stems = (f"{row['youtube_id']}_{row['start_time']}", row["youtube_id"])
            sound = _find(folder / "audio", stems)
            if sound is not None:  # videos vanish: nobody has all
                rows.append((sound, row["caption"], split, f"youtube:{row['youtube_id']}", ""))
    return _clips("audiocaps", folder, "train.csv", rows)


def macs(folder):
    """MACS: ``MACS.yaml``, and the sounds of TAU Urban Acoustic Scenes 2019 in ``audio/``."""
    meta, rows = folder / "MACS.yaml", []
    if meta.is_file():
        try:
            files = yaml.safe_load(meta.read_text(encoding="utf-8"))["files"]
            for item in files:
                sound = folder / "audio" / item["filename"]
                for annotation in item["annotations"]:
                    rows.append((sound, annotation["sentence"], "train", f"tau:{sound.stem}", ""))
        except (yaml.YAMLError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise InputError(f"{meta} is not as MACS has it: {error}") from error
    return _clips("macs", folder, "MACS.yaml", rows)


def fsd50k(folder):
    """FSD50K: title and description of ``dev_clips_info_FSD50K.json`` as one text."""
    rows, info = [], "FSD50K.metadata/dev_clips_info_FSD50K.json"
    if (folder / info).is_file():
        try:
            clips = json.loads((folder / info).read_text(encoding="utf-8"))
            for name, item in clips.items():
                text = " ".join(f"{item['title']}. {item['description']}".split())
                sound = folder / "FSD50K.dev_audio" / f"{name}.wav"
                rows.append((sound, text, "train", name, item.get("license", "")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{folder / info} is not as FSD50K has it: {error}") from error
    return _clips("fsd50k", folder, info, rows)


NAMES = {"clotho": "Clotho", "audiocaps": "AudioCaps", "macs": "MACS", "fsd50k": "FSD50K"}
"""What the sets are called where people read of them."""
SETS = {"clotho": clotho, "audiocaps": audiocaps, "macs": macs, "fsd50k": fsd50k}
"""Name -> reader of the set's folder."""


def read_captions(folders):
    """Read sets of described sounds.

    Arguments
    ---------
    folders : dict
        A key of ``SETS`` -> folder of that set.

    Returns
    -------
    list of Clip

    Raises
    ------
    InputError
        If a folder is not laid out as its set is, or a sound cannot be read.
    """
    return [clip for name, folder in folders.items() for clip in SETS[name](Path(folder))]


def _clips(name, folder, sign, rows):
    """Rows ``(sound, text, split, source, license)`` as clips, their sounds looked at."""
    if not rows:
        raise InputError(
            f"{folder} holds no {sign}, or none of its sounds; unpack {name} and give the folder "
            "above it"
        )
    clips, numbers, infos = [], {}, {}
    for sound, text, split, source, license in tqdm(rows, f"reading {name}"):
        if sound not in infos:
            infos[sound] = measure_length(sound)
        seconds, frames = infos[sound]
        numbers[sound] = numbers.get(sound, 0) + 1
        clips.append(
            Clip(
                ID=f"{name}-{split}-{sound.stem}-{numbers[sound]}",
                wav=str(sound),
                duration=seconds,
                fold=0,
                label="",
                src_file=source,
                text=text.replace("$", " dollars ").strip(),  # a variable to SpeechBrain
                split=split,
                stop=frames,
                license=license,
                dataset=NAMES[name],
            )
        )
    return clips


def _by_name(path):
    """Clotho's metadata by file name; it may be absent, and is not always in UTF-8."""
    if not path.is_file():
        return {}
    try:
        rows = read_csv(path, ["file_name"])
    except InputError:
        rows = read_csv(path, ["file_name"], encoding="latin-1")
    return {row["file_name"]: row for row in rows}


def _find(folder, stems):
    for stem in stems:
        for suffix in EXTENSIONS:
            if (folder / (stem + suffix)).is_file():
                return folder / (stem + suffix)
    return None
