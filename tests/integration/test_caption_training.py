"""Training on captions: other training clips than those of the data set that tests."""

import json

import pytest
import soundfile

from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.training import train


@pytest.fixture
def captions(tmp_path):
    """Manifest of four captions of synthetic sounds, none of them in the data set that tests."""
    clips = []
    for number, kind in enumerate(("siren", "rain", "siren", "rain")):
        path = tmp_path / "sounds" / f"{number}.wav"
        path.parent.mkdir(exist_ok=True)
        wav = synthesize(kind, seed=100 + number, seconds=0.5)
        soundfile.write(path, wav.numpy(), SAMPLE_RATE)
        text = f"the noise of {kind}, take {number}"
        clips.append(
            manifest.Clip(path.stem, str(path), 0.5, 0, "", f"x{number}", text, split="train")
        )
    manifest.write(tmp_path / "captions.csv", clips)
    return tmp_path / "captions.csv"


@pytest.fixture
def texts(monkeypatch):
    """Captions that are trained on, in the order of the batches."""
    trained, forward = [], train.LMACBrain.compute_forward

    def recording_forward(self, batch, stage):
        if stage.name == "TRAIN":
            trained.extend(batch.text)
        return forward(self, batch, stage)

    monkeypatch.setattr(train.LMACBrain, "compute_forward", recording_forward)
    return trained


def arguments(hparams_file, **settings):
    """Command line of a short training with these settings."""
    settings = {
        **{"clip_seconds": 0.5, "number_of_epochs": 1, "batch_size": 2, "baselines": "[energy]"},
        **{"masking": "mel", "device": "cpu"},
        **settings,
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    return [f"hparams/{hparams_file}", *words]


@pytest.mark.exhaustive
def test_train_on_captions_and_test_on_labels(
    captions, small_set, tmp_path, published_settings, texts
):
    """The paper's setting: Microsoft's CLAP, captions, another data set; random weights."""
    # the CLAP is large: two captions, one clip for validation, one for the test
    manifest.write(captions, manifest.read(captions)[:2])
    few = tmp_path / "few.csv"
    clips = [clip for clip in read_clips(small_set) if clip.label in ("siren", "rain")]
    held_out = {4: "siren", 5: "rain"}
    manifest.write(few, [c for c in clips if held_out.get(c.fold, c.label) == c.label])
    output = tmp_path / "out"
    train.main(
        arguments(
            "lmac_zs_microsoft.yaml",
            train_manifest=captions,
            data_folder=few,
            output_folder=output,
            audio_classifier=json.dumps(
                published_settings("lmac_zs_microsoft")["audio_classifier"]
            ),
            classes="present",
            calibrate="null",
            baselines="[]",
        )
    )
    assert len(texts) == 2 and all("the noise of" in text for text in texts)
    assert "2 classes" in (output / "results.md").read_text()
    assert {clip.text for clip in manifest.read(output / "train.csv")} == set(texts)


def test_train_refuses_recording_of_test_clip(captions, small_set, capsys):
    """A recording of the captions must not be in the test folds."""
    clips = manifest.read(captions)
    tested = next(clip for clip in read_clips(small_set) if clip.fold == 5)
    manifest.write(captions, [clips[0]._replace(src_file=tested.src_file), *clips[1:]])
    with pytest.raises(SystemExit):
        train.main(arguments("lmac_zs.yaml", train_manifest=captions, data_folder=small_set))
    assert "is in both train and test" in capsys.readouterr().err


def test_train_selects_epoch_on_captions(captions, small_set, tmp_path, texts):
    """With validation captions, all folds of the data set can be tested."""
    clips = manifest.read(captions)
    chosen = [clip._replace(split="valid") for clip in clips[:2]]
    manifest.write(captions, [*chosen, *clips[2:]])
    output = tmp_path / "out"
    train.main(
        arguments(
            "lmac_zs.yaml",
            train_manifest=captions,
            data_folder=small_set,
            valid_folds="[]",
            test_folds="[1, 5]",
            output_folder=output,
        )
    )
    assert [clip.text for clip in manifest.read(output / "valid.csv")] == [c.text for c in chosen]
    assert {clip.fold for clip in manifest.read(output / "test.csv")} == {1, 5}
    trained = [clip.text for clip in manifest.read(output / "train.csv")]
    assert sorted(texts) == sorted(trained) and all("the noise of" in text for text in texts)


def test_extra_manifest_adds_clips_to_folds(captions, small_set, tmp_path):
    """Captions train and select in addition to the folds; the classes stay those of the data."""
    clips = manifest.read(captions)
    manifest.write(captions, [clips[0]._replace(split="valid"), *clips[1:]])
    output = tmp_path / "out"
    train.main(
        arguments(
            "lmac_zs.yaml",
            extra_train_manifest=captions,
            data_folder=small_set,
            output_folder=output,
            batch_size=8,
            classes="present",
        )
    )
    of_folds = read_clips(small_set)
    for split, folds, extra in (("train", (1, 2, 3), clips[1:]), ("valid", (4,), clips[:1])):
        expected = [c.ID for c in of_folds if c.fold in folds] + [c.ID for c in extra]
        assert [clip.ID for clip in manifest.read(output / f"{split}.csv")] == expected
    classes = {clip.label for clip in of_folds}
    assert f"{len(classes)} classes" in (output / "results.md").read_text()


def test_extra_manifest_refuses_repeated_clip(captions, small_set, tmp_path, capsys):
    """The ID of a clip of the data set must not be in the extra manifest."""
    clips = manifest.read(captions)
    repeated = next(clip for clip in read_clips(small_set) if clip.fold == 1)
    manifest.write(captions, [clips[0]._replace(ID=repeated.ID), *clips[1:]])
    with pytest.raises(SystemExit):
        train.main(
            arguments(
                "lmac_zs.yaml",
                extra_train_manifest=captions,
                data_folder=small_set,
                output_folder=tmp_path / "out",
            )
        )
    assert f"got {repeated.ID} twice" in capsys.readouterr().err


def test_train_needs_validation_clips(captions, small_set, tmp_path, capsys):
    """Without validation folds and captions nothing can select the epoch."""
    with pytest.raises(SystemExit):
        train.main(
            arguments(
                "lmac_zs.yaml",
                train_manifest=captions,
                data_folder=small_set,
                valid_folds="[]",
                test_folds="[1, 5]",
                output_folder=tmp_path / "out",
            )
        )
    assert "valid_folds must name a fold" in capsys.readouterr().err
