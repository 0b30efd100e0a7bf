import csv
import shutil

import numpy as np
import pytest
import soundfile

from speechbrain_lmac.data.datasets import class_names, read_clips, split_by_fold
from speechbrain_lmac.data.labels import ESC50_CLASSES, URBANSOUND8K_CLASSES
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.errors import InputError
from tests.conftest import REAL_ESC10, needs_esc10


@pytest.fixture
def folder(small_set, tmp_path):
    return shutil.copytree(small_set, tmp_path / "set")


def edit(folder, change):
    """Rewrite the csv's rows, the header being the first."""
    meta = folder / "meta" / "esc50.csv"
    rows = list(csv.reader(meta.open(newline="")))
    with meta.open("w", newline="") as file:
        csv.writer(file).writerows(change(rows))


def test_synthetic_set_reads_as_esc50(small_set):
    clips = read_clips(small_set)
    assert len(clips) == 50
    assert {clip.fold for clip in clips} == {1, 2, 3, 4, 5}
    assert all(clip.duration == 0.5 for clip in clips)


@needs_esc10
def test_real_esc10_reads_the_same_way():
    clips = read_clips(REAL_ESC10)
    splits = split_by_fold(clips, train=[1, 2, 3], valid=[4], test=[5])
    assert {name: len(held) for name, held in splits.items()} == {
        "train": 240,
        "valid": 80,
        "test": 80,
    }


def test_missing_folder(tmp_path):
    with pytest.raises(InputError, match="no such data folder"):
        read_clips(tmp_path / "gone")


def test_missing_csv(tmp_path):
    with pytest.raises(
        InputError, match=r"holds no meta/esc50\.csv \(ESC-50\) or metadata/UrbanSound8K\.csv"
    ):
        read_clips(tmp_path)


def test_missing_column(folder):
    edit(folder, lambda rows: [["filename", "fold"], *[row[:2] for row in rows[1:]]])
    with pytest.raises(InputError, match="no column category, src_file"):
        read_clips(folder)


def test_empty_csv(folder):
    edit(folder, lambda rows: rows[:1])
    with pytest.raises(InputError, match="lists no clip"):
        read_clips(folder)


def test_listed_clip_that_is_not_there(folder):
    next((folder / "audio").iterdir()).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_clips(folder)


def test_a_short_row(folder):
    edit(folder, lambda rows: [*rows, ["9-x-A-1.wav"]])
    with pytest.raises(InputError, match="line 52 must have one cell per column"):
        read_clips(folder)


def test_a_clip_listed_twice(folder):
    edit(folder, lambda rows: [*rows, rows[1]])
    with pytest.raises(InputError, match="more than once"):
        read_clips(folder)


def test_fold_that_is_no_number(folder):
    edit(folder, lambda rows: [rows[0], [rows[1][0], "one", *rows[1][2:]], *rows[2:]])
    with pytest.raises(InputError, match="not a number: 'one'"):
        read_clips(folder)


CLIPS = [Clip(str(i), f"{i}.wav", 5.0, i, "dog", str(i)) for i in (1, 2, 3)]


@pytest.mark.parametrize(
    "folds, message",
    [
        ({"train": [1, 2], "test": [2]}, "folds overlap: train and test both hold 2"),
        ({"train": [1], "test": [9]}, r"test asks for fold 9; there are \[1, 2, 3\]"),
        ({"train": 1, "test": [2]}, "train_folds is a list"),
        ({"train": [1], "test": []}, r"test_folds is a list such as \[1, 2\], not \[\]"),
    ],
)
def test_folds_that_cannot_be(folds, message):
    with pytest.raises(InputError, match=message):
        split_by_fold(CLIPS, **folds)


def test_one_recording_on_both_sides_is_a_leak():
    leaky = [CLIPS[0], CLIPS[1]._replace(src_file="1")]
    with pytest.raises(InputError, match="recording 1 is in both train and test"):
        split_by_fold(leaky, train=[1], test=[2])


def test_names_are_the_sets_or_the_clips_own(small_set):
    clips = read_clips(small_set)
    assert class_names(small_set, clips, "dataset") == ESC50_CLASSES
    assert class_names(small_set, clips, "present") == tuple(sorted({c.label for c in clips}))


def test_a_label_that_is_no_class_is_named(small_set):
    clips = [clip._replace(label="unicorn") for clip in read_clips(small_set)]
    with pytest.raises(InputError, match="holds 'unicorn', which is no class"):
        class_names(small_set, clips, "dataset")


@pytest.fixture
def urban(tmp_path):
    """A folder laid out as UrbanSound8K is, of one slice."""
    (tmp_path / "metadata").mkdir()
    (tmp_path / "audio" / "fold10").mkdir(parents=True)
    (tmp_path / "metadata" / "UrbanSound8K.csv").write_text(
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "100-8-0-0.wav,100,0.0,0.5,1,10,8,siren\n"
    )
    soundfile.write(tmp_path / "audio" / "fold10" / "100-8-0-0.wav", np.full(8000, 0.1), 16000)
    return tmp_path


def test_urbansound8k_reads_by_its_own_columns(urban):
    (clip,) = read_clips(urban)
    assert clip[2:6] == (0.5, 10, "siren", "100")
    assert class_names(urban, [clip], "dataset") == URBANSOUND8K_CLASSES
