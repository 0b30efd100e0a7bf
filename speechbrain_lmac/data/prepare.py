"""From a set as it was unpacked to a checked manifest."""

from pathlib import Path

import soundfile
from tqdm import tqdm

from speechbrain_lmac.audio import read_mono
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.clips import find_layout, read_clips
from speechbrain_lmac.data.manifest import Clip

MANIFEST = "manifest.csv"


def prepare(clips, path):
    """Hear every sound through, and write the manifest when all are good.

    Arguments
    ---------
    clips : list of Clip
        Of any set.
    path : str or Path
        Manifest to write; nothing is there if a sound is bad or the work is cut short.

    Returns
    -------
    list of Clip
        As written.

    Raises
    ------
    InputError
        Naming the first sound that is corrupt, empty or silent.
    """
    manifest.clear(path, Clip._fields)
    heard = set()
    for clip in tqdm(clips, "checking sounds", unit="clip", dynamic_ncols=True):
        stretch = (clip.wav, clip.start, clip.stop)
        if stretch not in heard:
            read_mono(*stretch)
            heard.add(stretch)
    manifest.write(path, clips)
    return clips


def prepare_labelled(data_folder, path=None, licence=""):
    """Prepare a folder laid out as ESC-50 or UrbanSound8K.

    Arguments
    ---------
    data_folder : str or Path
        As its authors' archive unpacks.
    path : str or Path
        Manifest to write; ``manifest.csv`` in the folder by default.
    licence : str
        Of the clips.

    Returns
    -------
    list of Clip
    """
    if not Path(data_folder).is_file():
        find_layout(data_folder)  # first of all, is it there?
    path = Path(data_folder) / MANIFEST if path is None else Path(path)
    manifest.clear(path, Clip._fields)  # whatever happens now, no older one stands for it
    clips = [
        clip._replace(
            wav=str(Path(clip.wav).resolve()),
            stop=soundfile.info(clip.wav).frames,
            licence=clip.licence or licence,
        )
        for clip in read_clips(data_folder)
    ]
    return prepare(clips, path)
