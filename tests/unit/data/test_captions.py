"""Sets of described sounds, fabricated in their authors' layouts."""

import csv
import json

import pytest
import soundfile
import yaml

from speechbrain_lmac.data import captions, manifest
from speechbrain_lmac.data.captions import read_captions
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.prepare import prepare_labeled, prepare_manifest
from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.training import train
from speechbrain_lmac.utils.errors import InputError


def sound(path, kind="siren", seed=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, synthesize(kind, seed=seed, seconds=0.5).numpy(), 32000)


def table(path, *rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def sets(tmp_path):
    """A small one of each."""
    folders = {name: tmp_path / name for name in captions.SETS}
    clotho = folders["clotho"]
    sound(clotho / "development" / "a siren.wav")
    sound(clotho / "evaluation" / "rain.wav", "rain")
    header = ["file_name", *(f"caption_{i}" for i in range(1, 6))]
    five = [f"A siren, told {i} times" for i in range(1, 6)]
    table(clotho / "clotho_captions_development.csv", header, ["a siren.wav", *five])
    table(clotho / "clotho_captions_evaluation.csv", header, ["rain.wav", *five])
    about = ["file_name", "keywords", "sound_id", "license"]
    row = ["a siren.wav", "siren", "345.0", "CC0"]
    table(clotho / "clotho_metadata_development.csv", about, row)

    sound(folders["audiocaps"] / "audio" / "xyz_30.wav")
    table(
        folders["audiocaps"] / "train.csv",
        ["audiocap_id", "youtube_id", "start_time", "caption"],
        ["1", "xyz", "30", "A siren wails"],
    )

    sound(folders["macs"] / "audio" / "park-1.wav", "rain")
    sentences = [{"annotator_id": i, "sentence": f"rain in a park {i}"} for i in (1, 2)]
    files = {"files": [{"filename": "park-1.wav", "annotations": sentences}]}
    (folders["macs"] / "MACS.yaml").write_text(yaml.safe_dump(files))

    sound(folders["fsd50k"] / "FSD50K.dev_audio" / "345.wav")
    info = {"345": {"title": "Siren", "description": "from a\nwindow", "license": "CC BY"}}
    (folders["fsd50k"] / "FSD50K.metadata").mkdir()
    (folders["fsd50k"] / "FSD50K.metadata" / "dev_clips_info_FSD50K.json").write_text(
        json.dumps(info)
    )
    return folders


def test_a_manifest_of_stretches_is_prepared_as_it_is(sets, tmp_path):
    clips = [c._replace(stop=8000, duration=0.25) for c in read_captions({"macs": sets["macs"]})]
    manifest.write(tmp_path / "in.csv", clips)
    prepare_labeled(tmp_path / "in.csv", tmp_path / "out.csv")
    assert {clip.stop for clip in manifest.read(tmp_path / "out.csv")} == {8000}
    with pytest.raises(InputError, match=r"in\.csv is what is read"):
        prepare_labeled(tmp_path / "in.csv", tmp_path / "in.csv")
    assert (tmp_path / "in.csv").is_file()


def test_each_set_reads_as_rows_with_a_text(sets):
    clips = {name: read_captions({name: folder}) for name, folder in sets.items()}
    assert {name: len(held) for name, held in clips.items()} == {
        "clotho": 10,
        "audiocaps": 1,
        "macs": 2,
        "fsd50k": 1,
    }
    first = clips["clotho"][0]
    assert (first.text, first.split, first.license) == ("A siren, told 1 times", "train", "CC0")
    assert (first.duration, first.stop, first.label) == (0.5, 16000, "")
    assert clips["clotho"][-1].split == "test"
    assert clips["audiocaps"][0].src_file == "youtube:xyz"
    assert clips["fsd50k"][0].text == "Siren. from a window"
    assert first.src_file == clips["fsd50k"][0].src_file == "345"  # one Freesound recording


def test_together_they_are_one_manifest(sets, tmp_path):
    clips = read_captions(sets)
    manifest.write(tmp_path / "all.csv", clips)
    assert manifest.read(tmp_path / "all.csv") == clips


@pytest.mark.parametrize("name", captions.SETS)
def test_an_empty_folder_says_what_it_should_hold(name, tmp_path):
    with pytest.raises(InputError, match=f"holds no .*; unpack {name} and give the folder"):
        read_captions({name: tmp_path})


@pytest.mark.parametrize(
    "name, file, content, message",
    [
        ("clotho", "clotho_captions_development.csv", "a,b\n1,2\n", "no column file_name"),
        ("audiocaps", "train.csv", "youtube_id,caption\nx,y\n", "no column start_time"),
        ("macs", "MACS.yaml", "files: [{filename: a.wav}]", "is not as MACS has it"),
        ("macs", "MACS.yaml", "files: [", "is not as MACS has it"),
        ("fsd50k", "FSD50K.metadata/dev_clips_info_FSD50K.json", "[]", "is not as FSD50K"),
        ("fsd50k", "FSD50K.metadata/dev_clips_info_FSD50K.json", "{", "is not as FSD50K"),
    ],
)
def test_a_malformed_set_is_one_sentence(sets, name, file, content, message):
    (sets[name] / file).write_text(content)
    with pytest.raises(InputError, match=message):
        read_captions({name: sets[name]})


def test_a_sound_that_is_not_there(sets):
    (sets["audiocaps"] / "audio" / "xyz_30.wav").unlink()
    with pytest.raises(InputError, match=r"holds no train\.csv, or none of its sounds"):
        read_captions({"audiocaps": sets["audiocaps"]})


def test_sounds_that_cannot_be_heard_are_left_out_when_asked(sets, tmp_path):
    """All are named, those of one sound once."""
    path, folders = tmp_path / "captions.csv", {name: sets[name] for name in ("macs", "fsd50k")}
    (sets["macs"] / "audio" / "park-1.wav").write_text("no sound")
    clips = read_captions(folders)
    assert [clip.dataset for clip in clips] == ["MACS", "MACS", "FSD50K"]
    with pytest.raises(InputError, match=r"1 of 2 sounds .* cannot read .*park-1\.wav"):
        prepare_manifest(clips, path)
    assert [clip.dataset for clip in prepare_manifest(clips, path, skip_invalid=True)] == ["FSD50K"]


@pytest.fixture
def read_manifest_splits(tmp_path, small_set):
    """A manifest of captions of synthetic sounds, none of them in the set that tests."""
    clips = []
    for number, kind in enumerate(("siren", "rain", "siren", "rain")):
        path = tmp_path / "sounds" / f"{number}.wav"
        sound(path, kind, seed=100 + number)
        text = f"the noise that {kind} makes, heard {number} times"
        clips.append(
            manifest.Clip(path.stem, str(path), 0.5, 0, "", f"x{number}", text, split="train")
        )
    manifest.write(tmp_path / "captions.csv", clips)
    return tmp_path / "captions.csv"


def test_training_on_captions_and_testing_on_a_labelled_set(
    read_manifest_splits, small_set, tmp_path, published, monkeypatch
):
    """The paper's: Microsoft's CLAP, free captions, another set to report; random weights."""
    heard = []
    pairs = train.LMACBrain.compute_forward

    def apply_mask(self, batch, stage):
        if stage.name == "TRAIN":
            heard.extend(batch.text)
        return pairs(self, batch, stage)

    monkeypatch.setattr(train.LMACBrain, "compute_forward", apply_mask)
    few = tmp_path / "few.csv"  # the CLAP is large
    clips = [clip for clip in read_clips(small_set) if clip.label in ("siren", "rain")]
    manifest.write(few, clips)
    settings = {
        "train_manifest": read_manifest_splits,
        "data_folder": few,
        "output_folder": tmp_path / "out",
        "masking": "mel",
        "clap": json.dumps(published["lmac_zs_microsoft"]["clap"]),
        **{"clip_seconds": 0.5, "number_of_epochs": 1, "batch_size": 2, "baselines": "[energy]"},
        **{"classes": "present", "device": "cpu"},
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    train.main(["hparams/lmac_zs_microsoft.yaml", *words])
    assert len(heard) == 4 and all("the noise that" in text for text in heard)
    assert (tmp_path / "out" / "results.md").is_file()
    rows = manifest.read(tmp_path / "out" / "train.csv")
    assert {clip.text for clip in rows} == set(heard)


def test_a_recording_that_the_other_set_tests_on_is_refused(
    read_manifest_splits, small_set, tmp_path, capsys
):
    clips = manifest.read(read_manifest_splits)
    tested = next(clip for clip in read_clips(small_set) if clip.fold == 5)
    manifest.write(read_manifest_splits, [clips[0]._replace(src_file=tested.src_file), *clips[1:]])
    words = [
        "--train_manifest",
        read_manifest_splits,
        "--data_folder",
        small_set,
        "--batch_size",
        "2",
    ]
    with pytest.raises(SystemExit):
        train.main(["hparams/lmac_zs.yaml", *map(str, words), "--device", "cpu"])
    assert "is in both train and test" in capsys.readouterr().err


def on_captions(read_manifest_splits, small_set, output):
    settings = {
        "train_manifest": read_manifest_splits,
        "data_folder": small_set,
        "valid_folds": "[]",
        "test_folds": "[1, 5]",
        "output_folder": output,
        "masking": "mel",
        **{"clip_seconds": 0.5, "number_of_epochs": 1, "batch_size": 2, "baselines": "[energy]"},
        **{"device": "cpu"},
    }
    return [word for name, value in settings.items() for word in (f"--{name}", str(value))]


def test_the_epoch_may_be_selected_on_captions_too(read_manifest_splits, small_set, tmp_path):
    """Then all folds of the other set can be tested."""
    clips = manifest.read(read_manifest_splits)
    chosen = [clip._replace(split="valid") for clip in clips[:2]]
    manifest.write(read_manifest_splits, [*chosen, *clips[2:]])
    output = tmp_path / "out"
    train.main(["hparams/lmac_zs.yaml", *on_captions(read_manifest_splits, small_set, output)])
    assert [clip.text for clip in manifest.read(output / "valid.csv")] == [c.text for c in chosen]
    assert {clip.fold for clip in manifest.read(output / "test.csv")} == {1, 5}


def test_described_clips_may_teach_and_select_beside_the_folds(
    read_manifest_splits, small_set, tmp_path
):
    """The names that clips are scored against stay those of the data."""
    clips = manifest.read(read_manifest_splits)
    manifest.write(read_manifest_splits, [clips[0]._replace(split="valid"), *clips[1:]])
    settings = {
        "extra_train_manifest": read_manifest_splits,
        "data_folder": small_set,
        "output_folder": tmp_path / "out",
        **{"masking": "mel", "clip_seconds": 0.5, "number_of_epochs": 1, "batch_size": 8},
        **{"classes": "present", "baselines": "[energy]", "device": "cpu"},
    }
    words = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
    train.main(["hparams/lmac_zs.yaml", *words])
    of_folds = read_clips(small_set)
    for split, folds, further in (("train", (1, 2, 3), clips[1:]), ("valid", (4,), clips[:1])):
        expected = [c.ID for c in of_folds if c.fold in folds] + [c.ID for c in further]
        assert [clip.ID for clip in manifest.read(tmp_path / "out" / f"{split}.csv")] == expected
    names = {clip.label for clip in of_folds}
    assert f"{len(names)} classes" in (tmp_path / "out" / "results.md").read_text()


def test_a_clip_of_both_sets_is_refused(read_manifest_splits, small_set, tmp_path, capsys):
    clips = manifest.read(read_manifest_splits)
    taught = next(clip for clip in read_clips(small_set) if clip.fold == 1)
    manifest.write(read_manifest_splits, [clips[0]._replace(ID=taught.ID), *clips[1:]])
    words = [
        "--extra_train_manifest",
        read_manifest_splits,
        "--data_folder",
        small_set,
        "--batch_size",
        "2",
    ]
    words += ["--output_folder", tmp_path / "out"]
    with pytest.raises(SystemExit):
        train.main(["hparams/lmac_zs.yaml", *map(str, words), "--device", "cpu"])
    assert f"got {taught.ID} twice" in capsys.readouterr().err


def test_nothing_to_select_the_epoch_by_is_said(read_manifest_splits, small_set, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main(
            ["hparams/lmac_zs.yaml", *on_captions(read_manifest_splits, small_set, tmp_path)]
        )
    assert "valid_folds must name a fold" in capsys.readouterr().err
