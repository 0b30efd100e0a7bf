"""Training manifests of the reproduction: captions of recordings outside ESC-50."""

from collections import Counter

from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.captions import SETS, read_captions
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.prepare import prepare_manifest


def write_caption_manifests(options, root):
    """Write the manifest of Clotho and, if several caption sets are given, that of all of them.

    Returns the path of each manifest, by the name of the training set.
    """
    folders = {name: getattr(options, name) for name in SETS if getattr(options, name)}
    training_sets = {"clotho": {"clotho": folders["clotho"]}}
    if len(folders) > 1:
        training_sets["all"] = folders
    test_sources = {clip.src_file for clip in read_clips(options.esc50)}
    manifests = {}
    for name, set_folders in training_sets.items():
        manifests[name] = root / f"{name}.csv"
        if not manifests[name].is_file():
            root.mkdir(parents=True, exist_ok=True)
            prepare_manifest(
                select_captions(read_captions(set_folders), test_sources), manifests[name]
            )
        print(f"{name}: {dict(Counter(clip.split for clip in manifest.read(manifests[name])))}")
    return manifests


def select_captions(clips, test_sources):
    """Exclude recordings of ESC-50, and training captions of validation recordings.

    Validation clips keep one caption, since their scores do not depend on it.
    """
    clips = [clip for clip in clips if clip.src_file not in test_sources]
    valid = {clip.src_file: clip for clip in clips if clip.split == "valid"}
    train = [c for c in clips if c.split == "train" and c.src_file not in valid]
    return [*train, *valid.values()]
