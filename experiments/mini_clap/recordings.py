"""Recordings that train MiniCLAP, with author and license of each."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

PERMISSIVE_LICENSES = ("CC0", "CC BY", "CC-BY", "Public Domain", "OGA BY")
"""Beginnings of the names of permissive licenses."""
RESTRICTIONS = ("SA", "NC", "ND", "Sampling")
"""Parts of the names of licenses with further conditions."""
TEST_FOLD = 5
"""Fold of ESC-10 that is never used in training."""
MISSING_AUTHORS = {"hyena": "N. Mathevon, A. Koralek, M. Weldele, S. Glickman, F. Theunissen"}
"""Label -> authors that the metadata of the foley sounds omits."""
CORPUS_URLS = {
    "librispeech": "https://www.openslr.org/12",
    "ljspeech": "https://keithito.com/LJ-Speech-Dataset/",
}
"""Beginning of the name of a speech corpus -> its address."""


class Recording(NamedTuple):
    """A sound file with its attribution."""

    path: Path
    collection: str
    title: str
    author: str
    license: str
    url: str


def is_permissive(license_name):
    """Return whether a license requires no more than the name of the author."""
    return license_name.startswith(PERMISSIVE_LICENSES) and not any(
        word in license_name for word in RESTRICTIONS
    )


def find_recordings(folder):
    """Find the permissive recordings of four collections that no evaluation uses.

    Excluded are:

    - fold 5 of ESC-10
    - sounds from a Freesound recording of that fold or of the part of UrbanSound8K in ``folder``
    - foley sounds whose metadata state an overlap with ESC-50 or UrbanSound8K
    - speech of test speakers
    - licenses that require more than the name of the author

    Arguments
    ---------
    folder : str or Path
        Folder with ``esc10``, ``foley/minetest``, ``noise5s``, ``speech5s`` and
        ``urbansound8k_mini``. Only the metadata of the last one is read.

    Returns
    -------
    list of Recording
        Recordings to train on.
    """
    folder = Path(folder)
    held_out = held_out_sources(folder)
    recordings = [
        *esc10_recordings(folder, held_out),
        *_foley_recordings(folder, held_out),
        *_noise_recordings(folder, held_out),
        *_speech_recordings(folder),
    ]
    return [recording for recording in recordings if is_permissive(recording.license)]


def held_out_sources(folder):
    """Return the Freesound ids of ESC-10's test fold and of UrbanSound8K, a set of str."""
    esc10 = pd.read_csv(Path(folder) / "esc10" / "meta" / "esc50.csv", dtype=str)
    ids = set(esc10[esc10.fold == str(TEST_FOLD)].src_file)
    urban = Path(folder) / "urbansound8k_mini" / "metadata" / "UrbanSound8K.csv"
    return ids | set(pd.read_csv(urban, dtype=str).fsID)


def esc10_recordings(folder, held_out):
    """Yield the recordings of ESC-10's training folds with any license."""
    folder = Path(folder)
    meta = pd.read_csv(folder / "esc10" / "meta" / "esc50.csv", dtype=str)
    licenses = pd.read_csv(folder / "esc10" / "meta" / "licences.csv", dtype=str)
    rows = meta[meta.fold != str(TEST_FOLD)].merge(licenses, on="filename", suffixes=("", "_"))
    for row in rows[~rows.src_file.isin(held_out)].itertuples():
        path = folder / "esc10" / "audio" / row.filename
        yield Recording(
            path, "ESC-10", row.freesound_title, row.author, row.licence, row.freesound_url
        )


def _foley_recordings(folder, held_out):
    """Yield the foley sounds of Minetest's community with any license."""
    rows = pd.read_csv(
        folder / "foley" / "minetest" / "minetest_sounds_meta.csv", dtype=str, na_filter=False
    )
    rows = rows[(rows.overlaps_esc50 == "False") & (rows.overlaps_us8k == "False")]
    for row in rows[~rows.freesound_id.isin(held_out)].itertuples():
        path = folder / "foley" / "minetest" / "sounds" / row.filename
        listed_author = row.author.replace("[↓](#authors)", "see the address")
        author = MISSING_AUTHORS.get(row.label, listed_author)
        yield Recording(path, "foley", row.label, author, row.licence, row.url)


def _noise_recordings(folder, held_out):
    """Yield the noise recordings with any license."""
    rows = pd.read_csv(folder / "noise5s" / "meta" / "noise.csv", dtype=str)
    for row in rows.itertuples():
        if row.url.rstrip("/").rsplit("/", 1)[-1] not in held_out:
            path = folder / "noise5s" / "audio" / row.filename
            yield Recording(path, "noise", row.kind, row.author, row.licence, row.url)


def _speech_recordings(folder):
    """Yield the speech of training speakers."""
    rows = pd.read_csv(folder / "speech5s" / "meta" / "speech.csv", dtype=str)
    for row in rows[rows.split == "train"].itertuples():
        path = folder / "speech5s" / "audio" / row.filename
        author = f"speaker {row.speaker} of {row.corpus}"
        name = row.corpus.lower()
        url = next(url for prefix, url in CORPUS_URLS.items() if name.startswith(prefix))
        yield Recording(path, "speech", "speech", author, row.licence, url)
