"""Check all audio of a data set and write its manifest; shared by the recipes."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from speechbrain_lmac.audio.io import check_audio, measure_length
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.data.readers import find_reader
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.ownership import owned_file

MANIFEST = "manifest.csv"
"""Default name of a manifest in its data folder."""
MAX_SHOWN = 5
"""Largest number of invalid sounds that an error names."""


def add_skip_option(parser: ArgumentParser) -> None:
    """Add the option ``--skip-invalid`` to the parser of a recipe."""
    parser.add_argument(
        "--skip-invalid", action="store_true", help="leave out and report sounds that are invalid"
    )


def prepare_manifest(
    clips: Sequence[Clip], path: str | Path, skip_invalid: bool = False
) -> list[Clip]:
    """Decode all audio of clips, and write the manifest if all of it is valid.

    Arguments
    ---------
    clips : sequence of Clip
        Clips of a data set.
    path : str or Path
        Manifest to write. It does not exist if a sound is invalid or the work is interrupted.
    skip_invalid : bool
        Leave invalid sounds out, and print and count them. Default: False.

    Returns
    -------
    list of Clip
        Clips of the manifest.

    Raises
    ------
    InputError
        If sounds are missing, corrupt, empty or silent, unless they are to be skipped and others
        are valid.
    """
    manifest.remove_previous(path, Clip._fields)
    errors: dict[tuple[str, int, int], str | None] = {}
    for clip in tqdm(clips, "checking sounds", unit="clip", dynamic_ncols=True):
        segment = (clip.wav, clip.start, clip.stop)
        if segment not in errors:
            errors[segment] = _error_of(segment)
    invalid = [error for error in errors.values() if error]
    valid = [clip for clip in clips if not errors[clip.wav, clip.start, clip.stop]]
    if invalid and not (skip_invalid and valid):
        more = f"; and {len(invalid) - MAX_SHOWN} more" if len(invalid) > MAX_SHOWN else ""
        raise InputError(
            f"{len(invalid)} of {len(errors)} sounds are invalid: {'; '.join(invalid[:MAX_SHOWN])}"
            f"{more}. Repair them, or leave them out by --skip-invalid"
        )
    for error in invalid:
        print(f"left out: {error}")
    if invalid:
        print(f"{len(invalid)} of {len(errors)} sounds were left out")
    manifest.write(path, valid, owned_file)
    return valid


def _error_of(segment: tuple[str, int, int]) -> str | None:
    """Error of a segment (file, first sample, sample after the last one); None if it is valid."""
    try:
        check_audio(*segment)
    except InputError as error:
        return str(error)
    return None


def manifest_path(data_folder: str | Path, path: str | Path | None = None) -> Path:
    """Path of the manifest of a data folder: in the folder, unless another path is given."""
    return Path(data_folder) / MANIFEST if path is None else Path(path)


def prepare_labeled(
    data_folder: str | Path,
    path: str | Path | None = None,
    license: str = "",
    skip_invalid: bool = False,
) -> list[Clip]:
    """Prepare a data folder of any layout that ``--data_folder`` takes.

    Arguments
    ---------
    data_folder : str or Path
        Folder as unpacked from the authors' archive, sounds of your own, or a manifest.
    path : str or Path
        Manifest to write. Default: ``manifest.csv`` in the folder.
    license : str
        License of the data set. It is not stated for clips of another data set in the same layout.
    skip_invalid : bool
        Leave invalid sounds out, as :func:`prepare_manifest` does. Default: False.

    Returns
    -------
    list of Clip
        Clips of the manifest.

    Raises
    ------
    InputError
        If the folder or a sound is invalid, or the manifest would replace its input.
    """
    reader = find_reader(data_folder)  # a missing folder is the first error
    path = manifest_path(data_folder, path)
    if path.exists() and path.samefile(data_folder):
        raise InputError(f"{path} must not be the input. Give another file to write")
    manifest.remove_previous(path, Clip._fields)  # an older one must not survive an error
    clips = [
        clip._replace(
            wav=str(Path(clip.wav).resolve()),
            stop=clip.stop or measure_length(clip.wav)[1],
            license=clip.license or (license if clip.dataset else ""),
        )
        for clip in reader.clips(allow_unreadable=True)
    ]
    return prepare_manifest(clips, path, skip_invalid)
