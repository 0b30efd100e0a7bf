"""From a set as it was unpacked to a checked manifest."""

from pathlib import Path

from tqdm import tqdm

from speechbrain_lmac.audio.io import check_audio, measure_length
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.datasets import find_layout, read_clips
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.ownership import owned_file

MANIFEST = "manifest.csv"


SHOWN = 5
"""Bad sounds that are named."""


def add_skip_option(parser):
    """The argument of a recipe that may leave bad sounds out."""
    parser.add_argument(
        "--skip-invalid",
        action="store_true",
        help="leave sounds out that cannot be used, and say so",
    )


def prepare_manifest(clips, path, skip_invalid=False):
    """Hear every sound through, and write the manifest when all are good.

    Arguments
    ---------
    clips : list of Clip
        Of any set.
    path : str or Path
        Manifest to write; nothing is there if a sound is bad or the work is cut short.
    skip_invalid : bool
        Leave bad sounds out; what is left out is printed and counted.

    Returns
    -------
    list of Clip
        As written.

    Raises
    ------
    InputError
        Naming the sounds that are missing, corrupt, empty or silent, unless all others are to go
        on without them.
    """
    manifest.remove_previous(path, Clip._fields)
    wrong: dict = {}
    for clip in tqdm(clips, "checking sounds", unit="clip", dynamic_ncols=True):
        stretch = (clip.wav, clip.start, clip.stop)
        if stretch not in wrong:
            wrong[stretch] = _what_is_wrong(stretch)
    bad = [said for said in wrong.values() if said]
    good = [clip for clip in clips if not wrong[clip.wav, clip.start, clip.stop]]
    more = f"; and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    if bad and not (skip_invalid and good):
        named = "; ".join(bad[:SHOWN])
        raise InputError(
            f"{len(bad)} of {len(wrong)} sounds cannot be used: {named}{more}; mend them, or leave "
            "them out by --skip-invalid"
        )
    for said in bad:
        print(f"left out: {said}")
    if bad:
        print(f"{len(bad)} of {len(wrong)} sounds were left out")
    manifest.write(path, good, owned_file)
    return good


def _what_is_wrong(stretch):
    try:
        check_audio(*stretch)
    except InputError as error:
        return str(error)
    return None


def manifest_path(data_folder, path=None):
    """Where the manifest of a folder is written: in it, unless a path is given."""
    return Path(data_folder) / MANIFEST if path is None else Path(path)


def prepare_labeled(data_folder, path=None, license="", skip_invalid=False):
    """Prepare a folder laid out as ESC-50 or UrbanSound8K.

    Arguments
    ---------
    data_folder : str or Path
        As its authors' archive unpacks.
    path : str or Path
        Manifest to write; ``manifest.csv`` in the folder by default.
    license : str
        Of the set's clips; those of another set that is laid out alike have none stated.
    skip_invalid : bool
        As for :func:`prepare_manifest`.

    Returns
    -------
    list of Clip
    """
    if not Path(data_folder).is_file():
        find_layout(data_folder)  # first of all, is it there?
    path = manifest_path(data_folder, path)
    if path.exists() and path.samefile(data_folder):
        raise InputError(f"{path} is what is read: give another file to write")
    manifest.remove_previous(path, Clip._fields)  # whatever happens now, no older one stands for it
    clips = [
        clip._replace(
            wav=str(Path(clip.wav).resolve()),
            stop=clip.stop or measure_length(clip.wav)[1],
            license=clip.license or (license if clip.dataset else ""),
        )
        for clip in read_clips(data_folder, allow_unreadable=True)
    ]
    return prepare_manifest(clips, path, skip_invalid)
