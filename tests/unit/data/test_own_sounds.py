"""Sounds of one's own: class folders, label tables and saved sets of ``datasets``."""

import json
import shutil
from collections import Counter

import pyarrow as pa
import pytest

from speechbrain_lmac.data.datasets import class_names, read_clips, split_by_fold
from speechbrain_lmac.data.folds import draw_folds
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.tables import write_csv

FEATURES = {
    "audio": {"sampling_rate": 16000, "_type": "Audio"},
    "kind": {"names": ["car_horn", "dog", "rain"], "_type": "ClassLabel"},
}


@pytest.fixture
def sounds(small_set):
    """Label -> sounds of three classes, five each."""
    by_label = {}
    for clip in read_clips(small_set):
        by_label.setdefault(clip.label, []).append(clip.wav)
    first = dict(zip(("dog", "car_horn", "rain"), sorted(by_label.values())))
    return {label: wavs[:5] for label, wavs in first.items()}


@pytest.fixture
def folder(sounds, tmp_path):
    """One subfolder per class."""
    for label, wavs in sounds.items():
        (tmp_path / "own" / label).mkdir(parents=True)
        for place, wav in enumerate(wavs):
            shutil.copy(wav, tmp_path / "own" / label / f"{place}.wav")
    return tmp_path / "own"


def save_set(folder, rows, features=FEATURES):
    """Write a set as ``Dataset.save_to_disk`` does."""
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(rows)
    data = str(folder / "data-00000-of-00001.arrow")
    with pa.OSFile(data, "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
    (folder / "state.json").write_text(json.dumps(state))
    return folder


def rows_of(sounds):
    """Rows of a set with embedded sounds and indices of classes."""
    return [
        {"audio": {"bytes": open(wav, "rb").read(), "path": None}, "kind": index}
        for index, label in enumerate(FEATURES["kind"]["names"])
        for wav in sounds[label]
    ]


def facts(clips):
    """Label, recording and fold of each clip, without names."""
    return sorted((clip.label, clip.src_file, clip.fold) for clip in clips)


def test_class_folders_become_labeled_clips(folder):
    """Subfolders are classes, and each fold has each class."""
    (folder / "notes.txt").write_text("no sound")
    (folder / ".cache").mkdir()
    (folder / "dog" / "monday").mkdir()
    shutil.move(folder / "dog" / "0.wav", folder / "dog" / "monday" / "0.wav")
    clips = read_clips(folder)
    assert Counter(clip.label for clip in clips) == {"car_horn": 5, "dog": 5, "rain": 5}
    assert {(clip.label, clip.fold) for clip in clips} == {
        (label, fold) for label in ("car_horn", "dog", "rain") for fold in range(1, 6)
    }
    assert "dog/monday/0.wav" in {clip.ID for clip in clips}
    assert class_names(folder, clips, "dataset") == ("car_horn", "dog", "rain")
    assert all(clip.duration == 0.5 for clip in clips)


def test_all_doors_draw_the_same_folds(folder, sounds, tmp_path, monkeypatch):
    """A folder, its copy, a table and a saved set give the same splits."""
    monkeypatch.setenv("SPEECHBRAIN_LMAC_CACHE", str(tmp_path / "cache"))
    table = tmp_path / "table.csv"
    wavs = [(path.relative_to(tmp_path), path.parent.name) for path in folder.rglob("*.wav")]
    write_csv(table, [("path", "label"), *reversed(wavs)])
    expected = facts(read_clips(folder))
    assert facts(read_clips(shutil.copytree(folder, tmp_path / "copy"))) == expected
    assert facts(read_clips(table)) == expected
    saved = save_set(tmp_path / "saved", rows_of(sounds))
    assert facts(read_clips(saved)) == expected
    clips = read_clips(saved)
    assert class_names(saved, clips[:1], "dataset") == ("car_horn", "dog", "rain")


def test_copies_of_a_sound_share_a_fold(folder):
    """The same content is never in two splits."""
    for place in range(5):
        shutil.copy(folder / "dog" / f"{place}.wav", folder / "dog" / f"copy{place}.wav")
    clips = read_clips(folder)
    assert len(clips) == 20
    split_by_fold(clips, train=[1, 2, 3], valid=[4], test=[5])


def test_named_splits_become_folds(folder, sounds, tmp_path):
    """Folders train and test hold classes; validation clips come from the training clips."""
    parts = tmp_path / "parts"
    shutil.copytree(folder, parts / "train")
    for label in sounds:
        (parts / "test" / label).mkdir(parents=True)
        shutil.move(parts / "train" / label / "0.wav", parts / "test" / label)
    folds = {clip.ID.split("/")[0]: set() for clip in read_clips(parts)}
    for clip in read_clips(parts):
        folds[clip.ID.split("/")[0]].add(clip.fold)
    assert folds == {"train": {1, 2, 3, 4}, "test": {5}}
    assert class_names(parts, read_clips(parts), "dataset") == ("car_horn", "dog", "rain")


def test_two_folders_of_one_split_are_refused(folder, sounds, tmp_path):
    """No sound of val or dev is dropped silently."""
    for name in ("train", "val", "dev"):
        shutil.copytree(folder, tmp_path / "parts" / name)
    with pytest.raises(InputError, match="must hold each split once, got"):
        read_clips(tmp_path / "parts")


def test_table_takes_folds_and_recordings(folder, tmp_path):
    """The columns fold and src_file replace drawn folds and hashes."""
    rows = [("own/dog/0.wav", "dog", 2, "a"), (str(folder / "rain" / "0.wav"), "rain", 7, "b")]
    write_csv(tmp_path / "table.csv", [("path", "label", "fold", "src_file"), *rows])
    clips = read_clips(tmp_path / "table.csv")
    assert [(c.label, c.fold, c.src_file) for c in clips] == [("dog", 2, "a"), ("rain", 7, "b")]


def test_saved_splits_become_folds(sounds, tmp_path, monkeypatch):
    """A dictionary of sets has the folds of its splits, and texts are labels."""
    monkeypatch.setenv("SPEECHBRAIN_LMAC_CACHE", str(tmp_path / "cache"))
    features = {**FEATURES, "label": {"dtype": "string", "_type": "Value"}}
    names = FEATURES["kind"]["names"]
    rows = [{**row, "label": names[row["kind"]]} for row in rows_of(sounds)]
    for place, split in enumerate(("train", "validation", "test")):
        save_set(tmp_path / "all" / split, rows[place::3], features)
    (tmp_path / "all" / "dataset_dict.json").write_text(
        json.dumps({"splits": ["train", "validation", "test"]})
    )
    folds = Counter(clip.fold for clip in read_clips(tmp_path / "all"))
    assert folds[4] == folds[5] == 5 and set(folds) == {1, 2, 3, 4, 5}


def test_drawn_folds_ignore_the_order():
    """The same clips get the same folds in any order, and small classes still test."""
    clips = [
        Clip(f"{label}{i}", "", 1.0, 0, label, f"{label}{i}")
        for label, count in (("a", 9), ("b", 2), ("c", 3))
        for i in range(count)
    ]
    drawn = {clip.ID: clip.fold for clip in draw_folds(clips, "set")}
    assert {clip.ID: clip.fold for clip in draw_folds(clips[::-1], "set")} == drawn
    for label in "abc":
        folds = {fold for name, fold in drawn.items() if name.startswith(label)}
        assert 5 in folds and folds & {1, 2, 3}


def remove_class(folder):
    for path in (folder / "dog").iterdir():
        path.unlink()


def keep_one_class(folder):
    shutil.rmtree(folder / "dog")
    shutil.rmtree(folder / "rain")


def keep_few(folder):
    for path in folder.rglob("[1-4].wav"):
        path.unlink()


@pytest.mark.parametrize(
    "change, message",
    [
        (remove_class, "every subfolder of .* must hold sounds, got none in dog"),
        (keep_one_class, "must have at least two classes, got car_horn only"),
        (keep_few, "must have sounds for 5 folds, got 3 different sounds"),
        (lambda f: shutil.move(f / "dog" / "0.wav", f), "got 0.wav outside the subfolders"),
        (lambda f: (f / "dog" / "0.wav").write_text("x"), "dog/0.wav, which cannot be read"),
    ],
)
def test_class_folders_name_the_fault(folder, change, message):
    """Empty classes, a single class, too few, loose and broken sounds are errors."""
    change(folder)
    with pytest.raises(InputError, match=message):
        read_clips(folder)


@pytest.mark.parametrize(
    "rows, message",
    [
        ([("own/dog/9.wav", "dog", "1")], "own/dog/9.wav, but its file does not exist"),
        ([("own/dog/0.wav", " ", "1")], "own/dog/0.wav must have a label, got none"),
        ([("own/dog/0.wav", "dog", "x")], "line 2: fold must be a number from 1 on"),
        (
            [("own/dog/0.wav", "dog", "1"), ("own/rain/0.wav", "rain", "")],
            "every row must have a fold or none, got none for own/rain/0.wav",
        ),
        ([("own/dog/0.wav", "dog", "1")], "must have at least two classes, got dog only"),
        ([], "lists no clip"),
    ],
)
def test_label_tables_name_the_fault(folder, tmp_path, rows, message):
    """Missing files, labels and folds are errors."""
    write_csv(tmp_path / "table.csv", [("path", "label", "fold"), *rows])
    with pytest.raises(InputError, match=message):
        read_clips(tmp_path / "table.csv")


@pytest.mark.parametrize(
    "features, message",
    [
        ({"kind": FEATURES["kind"]}, "must have one feature of the type Audio"),
        ({"audio": FEATURES["audio"]}, "and a feature label or one of the type ClassLabel"),
    ],
)
def test_saved_sets_name_the_fault(sounds, tmp_path, features, message):
    """A set without sounds or labels is an error that lists its features."""
    with pytest.raises(InputError, match=message):
        read_clips(save_set(tmp_path / "saved", rows_of(sounds)[:2], features))


def test_saved_set_names_damaged_data(sounds, tmp_path):
    """A truncated data file is an error that names it."""
    saved = save_set(tmp_path / "saved", rows_of(sounds))
    data = saved / "data-00000-of-00001.arrow"
    data.write_bytes(data.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"\.arrow cannot be read as Arrow"):
        read_clips(saved)
