"""What MiniCLAP and its interpreters may hear: nothing that tests, no strings."""

import csv

import pytest
import soundfile

from experiments.mini_clap import recordings
from experiments.pretrained_interpreters.others import make_others
from speechbrain_lmac.audio.io import load_audio
from speechbrain_lmac.data.labels import audioset_labels
from speechbrain_lmac.data.manifest import SPLITS
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import SAMPLE_RATE, synthesize
from speechbrain_lmac.models.clap.mini import MiniCLAP


def write(path, header, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header.split(), *[row.split() for row in rows]])


@pytest.fixture
def folder(tmp_path):
    """Lists alone; nothing of the sounds is read."""
    write(
        tmp_path / "esc10" / "meta" / "esc50.csv",
        "filename fold src_file",
        *("free.ogg 1 10", "test.ogg 5 20", "urban.ogg 2 30", "sampling.ogg 3 40"),
    )
    write(
        tmp_path / "esc10" / "meta" / "licences.csv",
        "filename freesound_title freesound_url author licence",
        *("free.ogg t u a CC0", "test.ogg t u a CC0", "urban.ogg t u a CC-BY"),
        "sampling.ogg t u a Sampling+",
    )
    write(
        tmp_path / "foley" / "minetest" / "minetest_sounds_meta.csv",
        "filename label author licence url freesound_id overlaps_esc50 overlaps_us8k",
        *("bell.ogg l a CC0 u 50 False False", "marked.ogg l a CC0 u 51 True False"),
        *("same.ogg l a CC0 u 20 False False", "alike.ogg l a CC-BY-SA u 52 False False"),
    )
    write(
        tmp_path / "noise5s" / "meta" / "noise.csv",
        "filename kind author licence url",
        *("hiss.ogg k a CC0 https://freesound.org/s/60/", "nd.ogg k a CC-BY-ND x"),
        "urban_too.ogg k a CC0 https://freesound.org/s/30/",
    )
    write(
        tmp_path / "speech5s" / "meta" / "speech.csv",
        "filename split corpus speaker licence",
        *("said.ogg train librispeech_x 1 CC-BY", "kept.ogg test librispeech_x 2 CC-BY"),
    )
    write(tmp_path / "urbansound8k_mini" / "metadata" / "UrbanSound8K.csv", "fsID", "30")
    return tmp_path


def test_only_what_no_evaluation_uses_and_every_licence_allows(folder):
    found = [recording.path.name for recording in recordings.find_recordings(folder)]
    assert found == ["free.ogg", "bell.ogg", "hiss.ogg", "said.ogg"]


def test_without_urbansound8ks_list_nothing_is_found(folder):
    (folder / "urbansound8k_mini" / "metadata" / "UrbanSound8K.csv").unlink()
    with pytest.raises(FileNotFoundError, match="UrbanSound8K"):
        recordings.find_recordings(folder)


def test_an_interpreter_learns_from_no_sound_that_selects_or_tests_it(folder, tmp_path):
    """Takes of one recording are on one side; each says what the CLAP takes it for."""
    for name in ("foley/minetest/sounds/bell", "noise5s/audio/hiss", "speech5s/audio/said"):
        path = folder / f"{name}.ogg"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, synthesize("siren", seed=len(name)).numpy(), SAMPLE_RATE)
    clips = make_others(folder, tmp_path / "others", MiniCLAP(), textures_made=8)
    sources = {split: {c.src_file for c in clips if c.split == split} for split in SPLITS[1:]}
    assert sources["valid"] and len(sources["train"]) > 8
    assert not sources["train"] & sources["valid"] and not sources["test"]
    assert len(clips) > len(sources["train"]) + len(sources["valid"])  # of one, several takes
    made = {len(load_audio(clip.wav, SAMPLE_RATE)) for clip in clips}
    assert made == {5 * SAMPLE_RATE}
    names = {class_prompt(label) for label in audioset_labels()}
    assert {clip.text for clip in clips} <= names and len({clip.text for clip in clips}) > 1
