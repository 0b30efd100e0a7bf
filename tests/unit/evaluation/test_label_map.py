"""Labels of data sets as classes of a supervised classifier, and the accuracy command."""

import re

import pandas as pd
import pytest

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.labels import ESC50_CLASSES, URBANSOUND8K_CLASSES, audioset_labels
from speechbrain_lmac.evaluation.label_map import read_label_map, with_classes
from speechbrain_lmac.models.registry import load_classifier
from speechbrain_lmac.utils.errors import InputError


@pytest.fixture
def clips(small_set):
    return read_clips(small_set)


def test_shipped_map_names_audioset_classes():
    """Every label of ESC-50 and UrbanSound8K has a row, with a class of AudioSet or none."""
    classes = read_label_map("audioset")
    assert set(classes) == {*ESC50_CLASSES, *URBANSOUND8K_CLASSES}
    assert {name for name in classes.values() if name} <= set(audioset_labels())
    assert sum(not classes[label] for label in ESC50_CLASSES) == 4


def test_labels_become_classes(clips):
    """Clips of labels with an empty class are left out."""
    mapped = with_classes(clips, audioset_labels(), read_label_map("audioset"))
    assert {clip.label for clip in mapped} <= set(audioset_labels())
    labels = {clip.label for clip in clips}
    some = dict.fromkeys(labels, "") | {"rain": "RAIN"}
    assert {clip.label for clip in with_classes(clips, audioset_labels(), some)} == {"Rain"}
    with pytest.raises(InputError, match="must give a class for some label"):
        with_classes(clips, audioset_labels(), dict.fromkeys(labels, ""))


def test_unknown_labels_are_listed(clips):
    """The error names the labels and the nearest classes."""
    clips = [clip._replace(label=name) for clip, name in zip(clips, ("rain", "chainsow", "rain"))]
    message = r"one of the 527 classes, got 'chainsow' \(nearest: 'Chainsaw'.*\. Give --label-map"
    with pytest.raises(InputError, match=message):
        with_classes(clips, audioset_labels(), {})


@pytest.mark.parametrize(
    ("content", "message"),
    [("label,class\nrain,Rain\nrain,Wind\n", "'rain' twice"), ("a,b\n", "no column label, class")],
)
def test_invalid_maps_are_refused(tmp_path, content, message):
    """A label twice, and missing columns."""
    (tmp_path / "map.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        read_label_map(tmp_path / "map.csv")


@pytest.mark.parametrize("classes", ["dataset", "all"])
def test_accuracy_command_writes_its_report(small_set, efficientat_file, tmp_path, capsys, classes):
    """Every clip is classified, among the classes of the data set or all classes."""
    options = ["--classifier", "efficientat-labels", "--weights", str(efficientat_file)]
    options += ["--data-folder", str(small_set), "--folds", "1", "--label-map", "audioset"]
    out = tmp_path / "out"
    assert main(["accuracy", *options, "--classes", classes, "--output-folder", str(out)]) == 0
    text = capsys.readouterr().out
    assert (out / "report.md").read_text() in text
    count = 10 if classes == "dataset" else 527
    assert f"efficientat-labels, 10 of 10 clips of {small_set}, {count} of 527 classes" in text
    rows = pd.read_csv(out / "predictions.csv")
    assert len(rows) == 10 and rows["rank"].between(1, count).all()
    assert rows.confidence.between(0, 1).all()


def test_accuracy_of_an_interpreters_classifier(labels_source, small_set, capsys):
    """``--source`` names an interpreter, whose classifier is used."""
    options = ["--data-folder", str(small_set), "--folds", "1", "--label-map", "audioset"]
    assert main(["accuracy", "--source", labels_source, *options]) == 0
    assert "10 of 527 classes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "either --classifier or --source must be given"),
        (["--classifier", "mini", "--source", "mini-stft"], "either --classifier or --source"),
        (["--classifier", "vgg"], "must be one of mini, .*efficientat-labels.*, got 'vgg'"),
        (["--classifier", "mini"], "must have classes of its own"),
        (["--classifier", "mini", "--setting", "head"], "--setting must be KEY=VALUE, got 'head'"),
        (["--classifier", "mini", "--setting", "head=x"], "mini classifier has no setting head"),
        (["--classifier", "speechbrain-cnn14"], "must have weights and head"),
        (["--source", "mini-stft", "--weights", "x"], "with --classifier only"),
        (["--source", "mini-stft", "--classes", "some"], "--classes must be dataset or all"),
        (["--source", "mini-stft", "--label-map", "gone.csv"], "gone.csv cannot be read"),
    ],
)
def test_accuracy_refuses_in_one_line(small_set, capsys, options, message):
    """Exit status 2."""
    with pytest.raises(SystemExit) as stopped:
        main(["accuracy", "--data-folder", str(small_set), *options])
    (error,) = capsys.readouterr().err.splitlines()[-1:]
    assert stopped.value.code == 2
    assert re.search(message, error), error


def test_load_classifier_builds_both_kinds(efficientat_file):
    """Names of CLAPs and of supervised classifiers."""
    assert load_classifier("mini").class_names is None
    assert load_classifier("efficientat-labels", efficientat_file).class_names[0] == "Speech"
