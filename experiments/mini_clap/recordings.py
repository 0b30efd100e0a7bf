"""The recordings that MiniCLAP learns from, with author and licence of each."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

PERMISSIVE = ("CC0", "CC BY", "CC-BY", "Public Domain", "OGA BY")
RESERVED = ("SA", "NC", "ND", "Sampling")
TEST_FOLD = 5
"""Of ESC-10: never heard."""
UNNAMED = {"hyena": "N. Mathevon, A. Koralek, M. Weldele, S. Glickman, F. Theunissen"}
"""Authors that the foley's own list leaves out."""
CORPORA = {
    "librispeech": "https://www.openslr.org/12",
    "ljspeech": "https://keithito.com/LJ-Speech-Dataset/",
}


class Recording(NamedTuple):
    """A sound file and what may be said of it."""

    path: Path
    collection: str
    title: str
    author: str
    licence: str
    url: str


def permissive(licence):
    """Whether a licence asks for no more than the author's name."""
    return licence.startswith(PERMISSIVE) and not any(word in licence for word in RESERVED)


def find_recordings(folder):
    """Every permissive recording of four collections that no evaluation uses.

    Left out: fold 5 of ESC-10; whatever shares a Freesound recording with it or with the slices
    of UrbanSound8K that are there, and of the foley what is marked as shared with ESC-50 or
    UrbanSound8K; speech of the speakers kept for testing; licences that ask for more than the
    author's name.

    Arguments
    ---------
    folder : str or Path
        With ``esc10``, ``foley/minetest``, ``noise5s`` and ``speech5s``, and with
        ``urbansound8k_mini``, of which only the list of recordings is read, to leave them out.

    Returns
    -------
    list of Recording
    """
    folder = Path(folder)
    held_out = held_out_sources(folder)
    found = [
        *esc10(folder, held_out),
        *_foley(folder, held_out),
        *_noise(folder, held_out),
        *_speech(folder),
    ]
    return [recording for recording in found if permissive(recording.licence)]


def held_out_sources(folder):
    """Freesound ids of ESC-10's test fold and of all of UrbanSound8K's part, as str."""
    esc10 = pd.read_csv(Path(folder) / "esc10" / "meta" / "esc50.csv", dtype=str)
    ids = set(esc10[esc10.fold == str(TEST_FOLD)].src_file)
    urban = Path(folder) / "urbansound8k_mini" / "metadata" / "UrbanSound8K.csv"
    return ids | set(pd.read_csv(urban, dtype=str).fsID)


def esc10(folder, held_out):
    """Recordings of the folds that may be heard, whatever their licence."""
    folder = Path(folder)
    meta = pd.read_csv(folder / "esc10" / "meta" / "esc50.csv", dtype=str)
    licences = pd.read_csv(folder / "esc10" / "meta" / "licences.csv", dtype=str)
    rows = meta[meta.fold != str(TEST_FOLD)].merge(licences, on="filename", suffixes=("", "_"))
    for row in rows[~rows.src_file.isin(held_out)].itertuples():
        path = folder / "esc10" / "audio" / row.filename
        yield Recording(
            path, "ESC-10", row.freesound_title, row.author, row.licence, row.freesound_url
        )


def _foley(folder, held_out):
    rows = pd.read_csv(
        folder / "foley" / "minetest" / "minetest_sounds_meta.csv", dtype=str, na_filter=False
    )
    rows = rows[(rows.overlaps_esc50 == "False") & (rows.overlaps_us8k == "False")]
    for row in rows[~rows.freesound_id.isin(held_out)].itertuples():
        path = folder / "foley" / "minetest" / "sounds" / row.filename
        author = UNNAMED.get(row.label, row.author.replace("[↓](#authors)", "see the address"))
        yield Recording(path, "foley", row.label, author, row.licence, row.url)


def _noise(folder, held_out):
    rows = pd.read_csv(folder / "noise5s" / "meta" / "noise.csv", dtype=str)
    for row in rows.itertuples():
        if row.url.rstrip("/").rsplit("/", 1)[-1] not in held_out:
            path = folder / "noise5s" / "audio" / row.filename
            yield Recording(path, "noise", row.kind, row.author, row.licence, row.url)


def _speech(folder):
    rows = pd.read_csv(folder / "speech5s" / "meta" / "speech.csv", dtype=str)
    for row in rows[rows.split == "train"].itertuples():
        path = folder / "speech5s" / "audio" / row.filename
        author = f"speaker {row.speaker} of {row.corpus}"
        corpus = next(url for name, url in CORPORA.items() if row.corpus.lower().startswith(name))
        yield Recording(path, "speech", "speech", author, row.licence, corpus)
