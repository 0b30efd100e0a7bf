"""Zero-shot classification: ranks, tables, wordings and the command."""

import pandas as pd
import pytest
import torch
from scipy.stats import binomtest

from speechbrain_lmac.__main__ import main
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.evaluation.prompt_wordings import chosen_wordings
from speechbrain_lmac.evaluation.zero_shot import chosen_clips, classify
from speechbrain_lmac.evaluation.zero_shot_tables import (
    accuracies,
    clustered_wilson_interval,
    confusion,
    per_class,
)
from speechbrain_lmac.models.class_set import ScaledDotProduct
from speechbrain_lmac.utils.errors import InputError


class Axes(ScaledDotProduct):
    """Classifier whose query vectors are unit vectors, so a clip vector holds its scores."""

    logit_scale = 1.0

    def queries(self, prompts):
        return torch.eye(len(prompts))


NAMES = ("rain", "wind", "siren", "engine")


@pytest.fixture
def clips(small_set):
    return [clip for clip in read_clips(small_set) if clip.label in NAMES][:8]


@pytest.fixture
def rows(clips):
    """Return predictions with scores .4, .3, .2, .1 for the label and the names after it."""
    scores = torch.zeros(len(clips), len(NAMES))
    for row, clip in zip(scores, clips):
        row[:] = torch.tensor([0.4, 0.3, 0.2, 0.1]).roll(NAMES.index(clip.label))
    scores[0] = scores[0].roll(1)  # the first is predicted as the name after its label
    return classify(Axes(), scores, clips, NAMES, chosen_wordings(NAMES, [TEMPLATE]))


def test_rank_one_is_correct(rows):
    """Other ranks are counted."""
    assert (rows["rank"] == [4, *[1] * 7]).all()
    assert ((rows["rank"] == 1) == (rows.predicted == rows.label)).all()


def test_accuracy_is_inside_its_interval(rows):
    """Top-3 accuracy is at least as high."""
    (line,) = accuracies(rows).to_dict("records")
    low, high = map(float, line["95 %"].split(" to "))
    assert line["accuracy"] == 100 * 7 / 8
    assert low < line["accuracy"] < high
    assert line["accuracy"] <= line["top-3"]


@pytest.mark.parametrize("takes", [1, 3])
@pytest.mark.parametrize("right", [0, 7, 20])
def test_copies_of_a_clip_add_no_certainty(right, takes):
    """With one clip per recording it is Wilson's interval; copies of each clip do not change it."""
    correct = pd.Series([place < right for place in range(20)] * takes)
    recordings = pd.Series([*range(20)] * takes)
    expected = binomtest(right, 20).proportion_ci(method="wilson")
    found = clustered_wilson_interval(correct, recordings)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_confusion_counts_every_clip_once(rows, clips):
    """Its diagonal holds the correct predictions."""
    matrix = confusion(rows, NAMES)
    assert matrix.to_numpy().sum() == len(clips)
    assert sum(matrix.loc[label, label] for label in matrix.index) == 7


def test_per_class_names_confused_classes(rows, clips):
    """Every clip is counted."""
    table = per_class(rows)
    first = clips[0].label
    next_name = NAMES[(NAMES.index(first) + 1) % 4]
    assert next_name in table.loc[first, "taken for"]
    assert table.clips.sum() == len(clips)


def test_confidence_is_a_probability(clips):
    """Equal scores have equal probabilities."""
    scores = torch.zeros(len(clips), len(NAMES))
    rows = classify(Axes(), scores, clips, NAMES, chosen_wordings(NAMES, [TEMPLATE]))
    assert rows["confidence"].tolist() == pytest.approx([1 / 4] * len(clips))


def test_equal_scores_predict_the_first_class(clips):
    """The accuracy is that of chance."""
    scores = torch.zeros(len(clips), len(NAMES))
    rows = classify(Axes(), scores, clips, NAMES, chosen_wordings(NAMES, [TEMPLATE]))
    assert set(rows.predicted) == {"rain"}
    assert ((rows["rank"] == 1) == (rows.label == "rain")).all()


def test_nan_scores_are_refused(clips):
    """The error names the wording."""
    scores = torch.full((len(clips), len(NAMES)), torch.nan)
    with pytest.raises(InputError, match="must be finite"):
        classify(Axes(), scores, clips, NAMES, chosen_wordings(NAMES, [TEMPLATE]))


def test_each_paraphrase_is_a_wording():
    """Five paraphrases and a template."""
    wordings = chosen_wordings(["rain", "siren"], ["{}", "paraphrases"])
    assert len(wordings) == 1 + 5
    assert wordings["{}"] == ["rain", "siren"]
    assert wordings["paraphrases 1"][0] == "raindrops falling on a roof"


def test_prompts_are_read_from_csv(tmp_path):
    """Any order and a byte order mark."""
    path = tmp_path / "mine.csv"
    path.write_text("category,prompt\nrain,it pours\nsiren,tatütata\n", encoding="utf-8-sig")
    assert chosen_wordings(["siren", "rain"], [str(path)]) == {
        f"{path} 1": ["tatütata", "it pours"]
    }


@pytest.mark.parametrize(
    "prompts, message",
    [
        (["the sound of"], "must be a template with one {}"),
        (["{} and {}"], "must be a template with one {}"),
        (["x" * 5000], "must be a template with one {}"),
        (["gone.csv"], "gone.csv cannot be read as csv"),
    ],
)
def test_invalid_prompts_are_refused(prompts, message):
    """The error names the prompt."""
    with pytest.raises(InputError, match=message):
        chosen_wordings(["rain"], prompts)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"category,prompt\nrain,\n", "empty prompt, got one for 'rain'"),
        (b"name,prompt\nrain,it pours\n", "must have the columns category and prompt"),
        ("category,prompt\nrain,es gießt\n".encode("latin-1"), "cannot be read as csv"),
        (b"category,prompt\nrain,drops\nrain,it pours\nsiren,wail\n", "got more for 'rain'"),
        (b"", "cannot be read as csv"),
    ],
)
def test_invalid_csv_is_refused(tmp_path, content, message):
    """Empty prompts, missing columns, encodings and uneven counts."""
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        chosen_wordings(["rain", "siren"], [str(path)])


def test_template_may_have_other_braces():
    """Only ``{}`` is replaced."""
    assert chosen_wordings(["rain"], ["{} {0}"]) == {"{} {0}": ["rain {0}"]}


def test_csv_must_cover_all_classes(tmp_path):
    """The error names the class."""
    path = tmp_path / "mine.csv"
    path.write_text("category,prompt\nrain,it pours\n")
    with pytest.raises(InputError, match="got none for 'siren'"):
        chosen_wordings(["rain", "siren"], [str(path)])


def test_recordings_of_another_set_are_excluded(small_set):
    """Nothing remains if both sets are the same."""
    with pytest.raises(InputError, match="outside the excluded set"):
        chosen_clips(small_set, without=small_set)


def test_folds_select_clips(small_set):
    """Unknown folds are refused."""
    assert {clip.fold for clip in chosen_clips(small_set, folds=[2, 5])} == {2, 5}
    with pytest.raises(InputError, match=r"folds must be from .*, got 7"):
        chosen_clips(small_set, folds=[7])


def test_command_writes_its_report(small_set, tmp_path, capsys):
    """Predictions and confusion matrix hold every clip."""
    arguments = ["zero-shot", "--clap", "mini", "--data-folder", str(small_set), "--folds", "1"]
    main([*arguments, "--classes", "present", "--output-folder", str(tmp_path / "out")])
    rows = pd.read_csv(tmp_path / "out" / "predictions.csv")
    assert len(rows) == 10
    assert (tmp_path / "out" / "report.md").read_text() in capsys.readouterr().out
    matrix = pd.read_csv(tmp_path / "out" / "confusion.csv", index_col="label")
    assert matrix.to_numpy().sum() == len(rows)


def test_failed_command_writes_nothing(tmp_path):
    """The output folder stays empty."""
    with pytest.raises(SystemExit):
        main(
            [
                "zero-shot",
                "--clap",
                "mini",
                "--data-folder",
                "nowhere",
                "--output-folder",
                str(tmp_path),
            ]
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--classes", "some"], "classes must be dataset or present, got 'some'"),
        (["--device", "toaster"], "--device toaster is not available"),
        (["--clip-seconds", "nan"], "'--clip-seconds': must be above 0, got nan"),
        (["--output-folder", "/dev/null/x"], "/dev/null/x/report.md cannot be written"),
        (["--weights", "gone.safetensors"], "gone.safetensors"),
    ],
)
def test_invalid_input_ends_in_one_line(small_set, capsys, arguments, message):
    """Exit status 2."""
    with pytest.raises(SystemExit) as stop:
        main(["zero-shot", "--clap", "mini", "--data-folder", str(small_set), *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
