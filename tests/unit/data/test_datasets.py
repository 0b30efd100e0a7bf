"""Data folders as lists of clips, their classes and splits."""

import csv
import shutil

import numpy as np
import pytest
import soundfile

from speechbrain_lmac.data.datasets import class_names, read_clips, split_by_fold
from speechbrain_lmac.data.labels import ESC50_CLASSES, URBANSOUND8K_CLASSES
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.errors import InputError


@pytest.fixture
def folder(small_set, tmp_path):
    return shutil.copytree(small_set, tmp_path / "set")


def edit(folder, change):
    """Rewrite the rows of the CSV file; the first is the header."""
    meta = folder / "meta" / "esc50.csv"
    rows = list(csv.reader(meta.open(newline="")))
    with meta.open("w", newline="") as file:
        csv.writer(file).writerows(change(rows))


def test_read_clips_reads_synthetic_set(small_set):
    """The synthetic data set has the layout of ESC-50."""
    clips = read_clips(small_set)
    assert len(clips) == 50
    assert {clip.fold for clip in clips} == {1, 2, 3, 4, 5}
    assert all(clip.duration == 0.5 for clip in clips)


def test_read_clips_names_missing_folder(tmp_path):
    """The error names the folder."""
    with pytest.raises(InputError, match="no such data folder"):
        read_clips(tmp_path / "gone")


def test_read_clips_names_missing_csv(tmp_path):
    """The error names both known layouts."""
    with pytest.raises(
        InputError, match=r"holds no meta/esc50\.csv \(ESC-50\) or metadata/UrbanSound8K\.csv"
    ):
        read_clips(tmp_path)


def test_read_clips_names_missing_column(folder):
    """The error names the column."""
    edit(folder, lambda rows: [["filename", "fold"], *[row[:2] for row in rows[1:]]])
    with pytest.raises(InputError, match="no column category, src_file"):
        read_clips(folder)


def test_read_clips_refuses_empty_csv(folder):
    """A table without rows is an error."""
    edit(folder, lambda rows: rows[:1])
    with pytest.raises(InputError, match="lists no clip"):
        read_clips(folder)


def test_read_clips_names_missing_sound(folder):
    """A row without its audio file is an error."""
    next((folder / "audio").iterdir()).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_clips(folder)


def test_read_clips_names_short_row(folder):
    """The error names the line."""
    edit(folder, lambda rows: [*rows, ["9-x-A-1.wav"]])
    with pytest.raises(InputError, match="line 52 must have one cell per column"):
        read_clips(folder)


def test_read_clips_refuses_repeated_clip(folder):
    """Every clip is listed once."""
    edit(folder, lambda rows: [*rows, rows[1]])
    with pytest.raises(InputError, match="more than once"):
        read_clips(folder)


def test_read_clips_names_invalid_fold(folder):
    """A fold is a number."""
    edit(folder, lambda rows: [rows[0], [rows[1][0], "one", *rows[1][2:]], *rows[2:]])
    with pytest.raises(InputError, match="must be a number, got 'one'"):
        read_clips(folder)


CLIPS = [Clip(str(i), f"{i}.wav", 5.0, i, "dog", str(i)) for i in (1, 2, 3)]


@pytest.mark.parametrize(
    "folds, message",
    [
        ({"train": [1, 2], "test": [2]}, "folds overlap: train and test both hold 2"),
        ({"train": [1], "test": [9]}, r"test_folds must be among \[1, 2, 3\], got 9"),
        ({"train": 1, "test": [2]}, "train_folds must be a list"),
        ({"train": [1], "test": []}, r"test_folds must be a list such as \[1, 2\], got \[\]"),
    ],
)
def test_split_by_fold_names_invalid_folds(folds, message):
    """Folds are lists of existing folds without overlap."""
    with pytest.raises(InputError, match=message):
        split_by_fold(CLIPS, **folds)


def test_split_by_fold_refuses_shared_recording():
    """A recording in two splits is a leak."""
    leaky = [CLIPS[0], CLIPS[1]._replace(src_file="1")]
    with pytest.raises(InputError, match="recording 1 is in both train and test"):
        split_by_fold(leaky, train=[1], test=[2])


def test_class_names_of_dataset_or_clips(small_set):
    """All classes of the data set, or those of the clips."""
    clips = read_clips(small_set)
    assert class_names(small_set, clips, "dataset") == ESC50_CLASSES
    assert class_names(small_set, clips, "present") == tuple(sorted({c.label for c in clips}))


def test_class_names_names_unknown_label(small_set):
    """A label outside the data set's classes is an error."""
    clips = [clip._replace(label="unicorn") for clip in read_clips(small_set)]
    with pytest.raises(InputError, match="holds 'unicorn', which is no class"):
        class_names(small_set, clips, "dataset")


@pytest.fixture
def urban(tmp_path):
    """Folder in the layout of UrbanSound8K, with one slice."""
    (tmp_path / "metadata").mkdir()
    (tmp_path / "audio" / "fold10").mkdir(parents=True)
    (tmp_path / "metadata" / "UrbanSound8K.csv").write_text(
        "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
        "100-8-0-0.wav,100,0.0,0.5,1,10,8,siren\n"
    )
    soundfile.write(tmp_path / "audio" / "fold10" / "100-8-0-0.wav", np.full(8000, 0.1), 16000)
    return tmp_path


def test_read_clips_reads_urbansound8k(urban):
    """Its columns and folders differ from those of ESC-50."""
    (clip,) = read_clips(urban)
    assert clip[2:6] == (0.5, 10, "siren", "100")
    assert class_names(urban, [clip], "dataset") == URBANSOUND8K_CLASSES
