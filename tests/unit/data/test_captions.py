"""Captioned data sets with synthetic sounds, in the layouts of their authors."""

import csv
import json

import pytest
import soundfile
import yaml

from speechbrain_lmac.data import captions, manifest
from speechbrain_lmac.data.captions import read_captions
from speechbrain_lmac.data.prepare import prepare_labeled, prepare_manifest
from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.utils.errors import InputError

FSD50K_INFO = "FSD50K.metadata/dev_clips_info_FSD50K.json"


def sound(path, kind="siren", seed=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, synthesize(kind, seed=seed, seconds=0.5).numpy(), 32000)


def table(path, *rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def write_clotho(folder):
    """Write two clips with five captions each, and the metadata of one."""
    sound(folder / "development" / "a siren.wav")
    sound(folder / "evaluation" / "rain.wav", "rain")
    header = ["file_name", *(f"caption_{i}" for i in range(1, 6))]
    five = [f"A siren, caption {i}" for i in range(1, 6)]
    table(folder / "clotho_captions_development.csv", header, ["a siren.wav", *five])
    table(folder / "clotho_captions_evaluation.csv", header, ["rain.wav", *five])
    columns = ["file_name", "keywords", "sound_id", "license"]
    row = ["a siren.wav", "siren", "345.0", "CC0"]
    table(folder / "clotho_metadata_development.csv", columns, row)


def write_audiocaps(folder):
    """Write one clip with one caption."""
    sound(folder / "audio" / "xyz_30.wav")
    table(
        folder / "train.csv",
        ["audiocap_id", "youtube_id", "start_time", "caption"],
        ["1", "xyz", "30", "A siren wails"],
    )


def write_macs(folder):
    """Write one clip with two captions."""
    sound(folder / "audio" / "park-1.wav", "rain")
    sentences = [{"annotator_id": i, "sentence": f"rain in a park {i}"} for i in (1, 2)]
    files = {"files": [{"filename": "park-1.wav", "annotations": sentences}]}
    (folder / "MACS.yaml").write_text(yaml.safe_dump(files))


def write_fsd50k(folder):
    """Write one clip with a title and a description."""
    sound(folder / "FSD50K.dev_audio" / "345.wav")
    info = {"345": {"title": "Siren", "description": "from a\nwindow", "license": "CC BY"}}
    (folder / FSD50K_INFO).parent.mkdir()
    (folder / FSD50K_INFO).write_text(json.dumps(info))


WRITERS = {
    "clotho": write_clotho,
    "audiocaps": write_audiocaps,
    "macs": write_macs,
    "fsd50k": write_fsd50k,
}


@pytest.fixture
def sets(tmp_path):
    """Return the folder of a small data set of each kind, by name."""
    folders = {name: tmp_path / name for name in captions.SETS}
    for name, folder in folders.items():
        WRITERS[name](folder)
    return folders


def test_prepare_labeled_keeps_segments(sets, tmp_path):
    """A manifest of segments keeps them, and is never its own output."""
    clips = [c._replace(stop=8000, duration=0.25) for c in read_captions({"macs": sets["macs"]})]
    manifest.write(tmp_path / "in.csv", clips)
    prepare_labeled(tmp_path / "in.csv", tmp_path / "out.csv")
    assert {clip.stop for clip in manifest.read(tmp_path / "out.csv")} == {8000}
    with pytest.raises(InputError, match=r"in\.csv must not be the input"):
        prepare_labeled(tmp_path / "in.csv", tmp_path / "in.csv")
    assert (tmp_path / "in.csv").is_file()


def test_read_captions_reads_each_layout(sets):
    """Each data set gives clips with captions, splits, lengths and sources."""
    clips = {name: read_captions({name: folder}) for name, folder in sets.items()}
    assert {name: len(rows) for name, rows in clips.items()} == {
        "clotho": 10,
        "audiocaps": 1,
        "macs": 2,
        "fsd50k": 1,
    }
    first = clips["clotho"][0]
    assert (first.text, first.split, first.license) == ("A siren, caption 1", "train", "CC0")
    assert (first.duration, first.stop, first.label) == (0.5, 16000, "")
    assert clips["clotho"][-1].split == "test"
    assert clips["audiocaps"][0].src_file == "youtube:xyz"
    assert clips["fsd50k"][0].text == "Siren. from a window"
    assert first.src_file == clips["fsd50k"][0].src_file == "345"  # one Freesound recording


def test_read_captions_joins_all_sets(sets, tmp_path):
    """The clips of all data sets are one valid manifest."""
    clips = read_captions(sets)
    manifest.write(tmp_path / "all.csv", clips)
    assert manifest.read(tmp_path / "all.csv") == clips


@pytest.mark.parametrize("name", captions.SETS)
def test_read_captions_names_missing_files(name, tmp_path):
    """The error of an empty folder names the expected file."""
    with pytest.raises(InputError, match=rf"holds no .*\. Unpack {name} and give the folder"):
        read_captions({name: tmp_path})


@pytest.mark.parametrize(
    "name, file, content, message",
    [
        ("clotho", "clotho_captions_development.csv", "a,b\n1,2\n", "no column file_name"),
        ("audiocaps", "train.csv", "youtube_id,caption\nx,y\n", "no column start_time"),
        ("macs", "MACS.yaml", "files: [{filename: a.wav}]", "does not have the layout of MACS"),
        ("macs", "MACS.yaml", "files: [", "does not have the layout of MACS"),
        (
            "fsd50k",
            "FSD50K.metadata/dev_clips_info_FSD50K.json",
            "[]",
            "does not have the layout of FSD50K",
        ),
        (
            "fsd50k",
            "FSD50K.metadata/dev_clips_info_FSD50K.json",
            "{",
            "does not have the layout of FSD50K",
        ),
    ],
)
def test_read_captions_names_malformed_file(sets, name, file, content, message):
    """The error of a malformed file names it in one line."""
    (sets[name] / file).write_text(content)
    with pytest.raises(InputError, match=message):
        read_captions({name: sets[name]})


def test_read_captions_needs_a_sound(sets):
    """AudioCaps without any of its audio is an error."""
    (sets["audiocaps"] / "audio" / "xyz_30.wav").unlink()
    with pytest.raises(InputError, match=r"holds no train\.csv, or none of its sounds"):
        read_captions({"audiocaps": sets["audiocaps"]})


def test_prepare_manifest_skips_invalid_sounds(sets, tmp_path):
    """An invalid sound with two captions is counted once."""
    path, folders = tmp_path / "captions.csv", {name: sets[name] for name in ("macs", "fsd50k")}
    (sets["macs"] / "audio" / "park-1.wav").write_text("no sound")
    clips = read_captions(folders)
    assert [clip.dataset for clip in clips] == ["MACS", "MACS", "FSD50K"]
    with pytest.raises(InputError, match=r"1 of 2 sounds .* cannot read .*park-1\.wav"):
        prepare_manifest(clips, path)
    assert [clip.dataset for clip in prepare_manifest(clips, path, skip_invalid=True)] == ["FSD50K"]
