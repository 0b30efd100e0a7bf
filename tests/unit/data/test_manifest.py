"""Manifests, and the data sets that are built of them."""

import time

import pandas as pd
import pytest
import soundfile
import torch
from speechbrain.dataio.dataset import DynamicItemDataset

from speechbrain_lmac.audio import io
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.datasets import class_names, read_clips
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.pipeline import build_dataset
from speechbrain_lmac.data.prepare import prepare_labeled, prepare_manifest
from speechbrain_lmac.data.synthetic import synthesize
from speechbrain_lmac.utils.errors import InputError


@pytest.fixture
def clips(tmp_path):
    """Three clips of one file of three seconds; the last one has a caption."""
    sound = synthesize("siren", seed=1, seconds=3.0)
    soundfile.write(tmp_path / "siren.wav", sound.numpy(), 32000)
    described = {"label": "", "text": "a siren, rising"}
    clip = Clip("a", str(tmp_path / "siren.wav"), 1.0, 1, "siren", "7", stop=32000, license="CC0")
    return [
        clip,
        clip._replace(ID="b", start=32000, stop=64000),
        clip._replace(ID="c", start=64000, stop=0, fold=0, split="train", **described),
    ]


def test_manifest_reads_back(clips, tmp_path):
    """Clips are equal, and their paths are absolute."""
    manifest.write(tmp_path / "set.csv", clips)
    back = manifest.read(tmp_path / "set.csv")
    assert back == clips
    assert all(clip.wav == str(tmp_path / "siren.wav") for clip in back)


def test_manifest_is_read_by_other_tools(clips, tmp_path):
    """pandas and SpeechBrain read the CSV file."""
    manifest.write(tmp_path / "set.csv", clips)
    assert list(pd.read_csv(tmp_path / "set.csv").columns) == list(Clip._fields)
    data = DynamicItemDataset.from_csv(
        tmp_path / "set.csv", output_keys=["id", "label", "duration"]
    )
    assert data[1] == {"id": "b", "label": "siren", "duration": 1.0}


def test_dataset_item_is_segment_of_file(clips, tmp_path):
    """Clips of one file hold their own samples."""
    manifest.write(tmp_path / "set.csv", clips)
    full, _ = soundfile.read(tmp_path / "siren.wav", dtype="float32")
    data = build_dataset(manifest.read(tmp_path / "set.csv"), 32000, seconds=1.0)
    for number, item in enumerate(data):
        assert (item["sig"].numpy() == full[32000 * number : 32000 * (number + 1)]).all()


def test_read_clips_reads_manifest(clips, tmp_path):
    """A manifest is a data set with the classes of its clips."""
    manifest.write(tmp_path / "set.csv", clips[:2])
    back = read_clips(tmp_path / "set.csv")
    assert class_names(tmp_path / "set.csv", back, "present") == ("siren",)
    with pytest.raises(InputError, match="of which set its classes are"):
        class_names(tmp_path / "set.csv", back, "dataset")
    named = [clip._replace(dataset="ESC-50") for clip in back]
    assert len(class_names(tmp_path / "set.csv", named, "dataset")) == 50
    with pytest.raises(InputError, match="holds 'ct', which is no class of that set"):
        class_names(tmp_path / "set.csv", [named[0]._replace(label="ct")], "dataset")
    with pytest.raises(InputError, match=r"c of .* has no label"):
        class_names(tmp_path / "set.csv", [clips[2]], "present")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda text: text.replace("duration", "length"), "has no column duration"),
        (lambda text: text.replace("b,", "a,"), "lists a more than once"),
        (lambda text: text.replace(",1.0,1,", ",1.0,one,"), "line 2: invalid literal for int"),
        (
            lambda text: text.replace(",1.0,1,", ",0,1,"),
            "segment of a must not be empty, got samples 0 to 32000, 0.0 s",
        ),
        (
            lambda text: text.replace("siren.wav", "gone.wav"),
            "lists a, but its file does not exist",
        ),
        (
            lambda text: text.replace("a siren, rising", ""),
            "c must have an ID, and a label or a text",
        ),
        (
            lambda text: text.replace("0,32000,CC0", "9,4,CC0"),
            "segment of a must not be empty, got samples 9 to 4",
        ),
        (lambda text: text.replace(",1,siren", ",0,siren"), "got fold 0 and split ''"),
        (lambda text: text.splitlines()[0], "lists no clip"),
        (lambda text: text.replace(",7,", ",,"), "a must name its recording in src_file"),
        (lambda text: text.replace("train", "dev"), "got fold 0 and split 'dev'"),
        (
            lambda text: text.replace("a siren, rising", "$5"),
            "c must have no \\$ in its",
        ),
    ],
)
def test_read_manifest_names_invalid_row(clips, tmp_path, change, message):
    """The error names the clip and the constraint in one line."""
    path = tmp_path / "set.csv"
    manifest.write(path, clips)
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message) as error:
        manifest.read(path)
    assert "\n" not in str(error.value)


def test_write_manifest_refuses_invalid_names(clips, tmp_path):
    """A path that is not valid UTF-8 could not be read again."""
    named = clips[0]._replace(wav=str(tmp_path / "\udce9t\udce9.wav"))
    with pytest.raises(InputError, match=r"is not valid UTF-8\. Rename the file"):
        manifest.write(tmp_path / "set.csv", [named])
    assert not (tmp_path / "set.csv").exists()


def test_read_manifest_is_fast(clips, tmp_path):
    """10,000 rows take less than two seconds; a tenth is typical."""
    many = [clips[0]._replace(ID=str(number)) for number in range(10_000)]
    manifest.write(tmp_path / "set.csv", many)
    start = time.process_time()
    data = build_dataset(manifest.read(tmp_path / "set.csv"), 32000, 1.0)
    assert len(data) == 10_000
    assert time.process_time() - start < 2  # seconds


def test_prepare_labeled_writes_manifest(small_set, tmp_path):
    """All clips are checked and written with the license."""
    clips = prepare_labeled(small_set, tmp_path / "set.csv", license="CC0")
    back = read_clips(tmp_path / "set.csv")
    assert back == clips and len(back) == 50
    assert {clip.license for clip in back} == {"CC0"}


def test_prepare_manifest_bad_sound_writes_none(clips, tmp_path):
    """An older manifest does not survive the error."""
    path = tmp_path / "set.csv"
    absolute = [clip._replace(wav=str(tmp_path / clip.wav)) for clip in clips]
    prepare_manifest(absolute, path)
    (tmp_path / "torn.wav").write_bytes(b"RIFF, and no more")
    torn = absolute[0]._replace(ID="d", wav=str(tmp_path / "torn.wav"))
    with pytest.raises(InputError, match=r"torn\.wav"):
        prepare_manifest([*absolute, torn], path)
    assert not path.exists() and not list(tmp_path.glob("*.partial"))


def test_prepare_manifest_interrupted_writes_none(clips, tmp_path, monkeypatch):
    """An older manifest does not survive the interruption."""
    absolute = [clip._replace(wav=str(tmp_path / clip.wav)) for clip in clips]
    path = tmp_path / "set.csv"
    prepare_manifest(absolute, path)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("speechbrain_lmac.data.prepare.check_audio", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare_manifest(absolute, path)
    assert not path.exists()


def test_prepare_manifest_keeps_other_files(clips, tmp_path):
    """Another file, a missing folder and a folder are errors."""
    absolute = [clip._replace(wav=str(tmp_path / clip.wav)) for clip in clips]
    path = tmp_path / "thesis.csv"
    path.write_text("filename,fold\n")
    with pytest.raises(InputError, match="is another kind of file and is left alone"):
        prepare_manifest(absolute, path)
    assert path.read_text() == "filename,fold\n"
    with pytest.raises(InputError, match="no such folder to write to"):
        prepare_manifest(absolute, tmp_path / "gone" / "set.csv")
    with pytest.raises(InputError, match="got a folder"):
        prepare_manifest(absolute, tmp_path)


def test_manifest_paths_are_relative_to_it(clips, tmp_path, monkeypatch):
    """Paths are relative to the manifest, whatever the working directory."""
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    manifest.write("out/set.csv", clips)
    assert "../siren.wav" in (tmp_path / "out" / "set.csv").read_text()
    monkeypatch.chdir("/")
    assert manifest.read(tmp_path / "out" / "set.csv")[0].wav == str(tmp_path / "siren.wav")


def test_dataset_decodes_each_clip_once(clips, tmp_path, monkeypatch):
    """An epoch opens each file once."""
    manifest.write(tmp_path / "set.csv", clips)
    data = build_dataset(manifest.read(tmp_path / "set.csv"), 32000, seconds=1.0)
    open_audio, calls = io.AudioFile, []
    monkeypatch.setattr(io, "AudioFile", lambda path: (calls.append(path), open_audio(path))[1])
    for _ in torch.utils.data.DataLoader(data, batch_size=2):
        pass
    assert len(calls) == len(clips)
