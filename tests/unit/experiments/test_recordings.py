"""Training recordings of MiniCLAP and its interpreters: no evaluation uses them."""

import csv

import pytest
import soundfile

from experiments.mini_clap import recordings
from experiments.pretrained_interpreters.others import write_clips
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.data.manifest import SPLITS
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.models.clap.mini import MiniCLAP


def write_list(path, header, *rows):
    """Write a CSV file; columns are separated by spaces in the arguments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header.split(), *[row.split() for row in rows]])


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the lists of recordings and without the recordings."""
    write_list(
        tmp_path / "esc10" / "meta" / "esc50.csv",
        "filename fold src_file",
        *("free.ogg 1 10", "test.ogg 5 20", "urban.ogg 2 30", "sampling.ogg 3 40"),
    )
    write_list(
        tmp_path / "esc10" / "meta" / "licences.csv",
        "filename freesound_title freesound_url author licence",
        *("free.ogg t u a CC0", "test.ogg t u a CC0", "urban.ogg t u a CC-BY"),
        "sampling.ogg t u a Sampling+",
    )
    write_list(
        tmp_path / "foley" / "minetest" / "minetest_sounds_meta.csv",
        "filename label author licence url freesound_id overlaps_esc50 overlaps_us8k",
        *("bell.ogg l a CC0 u 50 False False", "marked.ogg l a CC0 u 51 True False"),
        *("same.ogg l a CC0 u 20 False False", "alike.ogg l a CC-BY-SA u 52 False False"),
    )
    write_list(
        tmp_path / "noise5s" / "meta" / "noise.csv",
        "filename kind author licence url",
        *("hiss.ogg k a CC0 https://freesound.org/s/60/", "nd.ogg k a CC-BY-ND x"),
        "urban_too.ogg k a CC0 https://freesound.org/s/30/",
    )
    write_list(
        tmp_path / "speech5s" / "meta" / "speech.csv",
        "filename split corpus speaker licence",
        *("said.ogg train librispeech_x 1 CC-BY", "kept.ogg test librispeech_x 2 CC-BY"),
    )
    write_list(tmp_path / "urbansound8k_mini" / "metadata" / "UrbanSound8K.csv", "fsID", "30")
    return tmp_path


def test_find_recordings_excludes_evaluation_sets(folder):
    """Recordings with restrictive licences are excluded, too."""
    names = [recording.path.name for recording in recordings.find_recordings(folder)]
    assert names == ["free.ogg", "bell.ogg", "hiss.ogg", "said.ogg"]


def test_find_recordings_needs_urbansound8k(folder):
    """Its list states the recordings to exclude."""
    (folder / "urbansound8k_mini" / "metadata" / "UrbanSound8K.csv").unlink()
    with pytest.raises(FileNotFoundError, match="UrbanSound8K"):
        recordings.find_recordings(folder)


def test_write_clips_splits_by_recording(folder, tmp_path):
    """All clips of one recording are in one split; texts are labels that a CLAP predicts."""
    for name in ("foley/minetest/sounds/bell", "noise5s/audio/hiss", "speech5s/audio/said"):
        path = folder / f"{name}.ogg"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, synthesize("siren", seed=len(name)).numpy(), SAMPLE_RATE)
    clips = write_clips(folder, tmp_path / "others", MiniCLAP(), num_textures=8)
    sources = {split: {c.src_file for c in clips if c.split == split} for split in SPLITS[1:]}
    assert sources["valid"] and len(sources["train"]) > 8
    assert not sources["train"] & sources["valid"] and not sources["test"]
    assert len(clips) > len(sources["train"]) + len(sources["valid"])  # several clips per source
    lengths = {len(load_audio(clip.wav, SAMPLE_RATE)) for clip in clips}
    assert lengths == {5 * SAMPLE_RATE}
    labels = {class_prompt(label) for label in audioset_labels()}
    assert {clip.text for clip in clips} <= labels and len({clip.text for clip in clips}) > 1
