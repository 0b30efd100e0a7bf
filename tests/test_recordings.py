"""What the embedded CLAP may hear: nothing that tests, nothing with strings."""

import csv

import pytest

from recipes.EmbeddedCLAP import recordings


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
