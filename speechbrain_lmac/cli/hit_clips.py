"""Clips of the hits of a job, cut from the original files: ``speechbrain-lmac hits --clips``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_lmac.cli.batch import Result, for_each
from speechbrain_lmac.cli.files import SoundFile, folders_for
from speechbrain_lmac.cli.output_folders import OutputFolders
from speechbrain_lmac.utils.counts import counted
from speechbrain_lmac.utils.errors import InputError, printable

if TYPE_CHECKING:
    from speechbrain_lmac.bulk.store import Store
    from speechbrain_lmac.bulk.tables import FileRegion


def write_hit_clips(
    store: "Store", prompt: str | None, above: float, gaps: tuple[float, float], root: Path
) -> int:
    """Write each region of the hits as a clip, in one folder per file.

    Arguments
    ---------
    store, prompt, above
        As for :func:`~speechbrain_lmac.bulk.tables.read_regions`.
    gaps : tuple of float
        Longest gap between merged regions and shortest duration of a region, in seconds.
    root : Path
        Folder of the folders.

    Returns
    -------
    int
        Exit status, as of :func:`~speechbrain_lmac.cli.batch.for_each`.

    Raises
    ------
    InputError
        If the root is a file.
    """
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} must be a folder, got a file. Give another --clips")
    from speechbrain_lmac.bulk.job import read_job
    from speechbrain_lmac.bulk.tables import read_regions

    prompts = read_job(store).prompts
    regions: dict[str, list[FileRegion]] = {}
    for region in read_regions(store, prompt, above, *gaps):
        regions.setdefault(region.file, []).append(region)
    if not regions:
        print(printable(none_found("regions", prompt, above, gaps[1])), file=sys.stderr)
    sounds = [SoundFile(file) for file in regions]
    paths = [path for folder in folders_for(sounds, root) for path in (folder, *folder.parents)]
    existing = {path for path in paths if path.exists()}

    def write(file: str, index: int) -> Result:
        folder = folders.take(index)
        try:
            clips = write_clips_of(file, regions[file], prompts, prompt, folder)
        finally:
            folders.release(index)
        text = f"{file}: {counted(len(clips), 'clip')} in {folder}"
        return {"file": file, "clips": [str(path) for path in clips]}, [text]

    with OutputFolders(sounds, root, existing) as folders:
        return for_each(list(regions), write, as_json=False)


def none_found(noun: str, prompt: str | None, above: float, min_duration: float = 0.0) -> str:
    """Return the sentence that a job has no hits, and what to change.

    Arguments
    ---------
    noun : str
        Noun of the missing rows: ``hits`` or ``regions``.
    prompt : str or None
        Prompt of the hits. None: all prompts.
    above : float
        Smallest presence of a hit.
    min_duration : float
        Shortest duration of a region, in seconds. Default: 0.

    Returns
    -------
    str

    Example
    -------
    >>> none_found("hits", "rain", 0.5)
    'no hits of “rain” with a presence of at least 0.5. Lower --above'
    """
    of = "" if prompt is None else f" of “{prompt}”"
    limits = {"--above": above, "--min-duration": min_duration}
    options = " or ".join(name for name, limit in limits.items() if limit)
    hint = f". Lower {options}" if options else ""
    return f"no {noun}{of} with a presence of at least {above:g}{hint}"


def write_clips_of(
    file: str,
    regions: "Sequence[FileRegion]",
    prompts: Sequence[str],
    prompt: str | None,
    folder: Path,
) -> list[Path]:
    """Write the clips of one file. They replace earlier clips of the same prompts.

    Arguments
    ---------
    file : str
        Path or address of the file.
    regions : sequence of FileRegion
        Regions of the file.
    prompts : sequence of str
        Prompts of the job.
    prompt : str or None
        Prompt of the hits. None: all prompts.
    folder : Path
        Folder to write to.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If the file cannot be read, or a file would be replaced that this package did not write.
    """
    from speechbrain_lmac.audio.source import AudioSource, canonical_path
    from speechbrain_lmac.bulk.reading import as_readable
    from speechbrain_lmac.inference.outputs import writing_to
    from speechbrain_lmac.inference.region_clips import write_region_clips
    from speechbrain_lmac.inference.sound_names import is_clip
    from speechbrain_lmac.utils.ownership import Ledger

    sound, identity = AudioSource(as_readable(file)), canonical_path(file)
    keep = [name for name in Ledger(folder).files if not is_clip(name)]
    chosen = prompts if prompt is None else [prompt]
    with writing_to(folder, (), [sound.path], identity, keep, chosen) as stage:
        written = write_region_clips(sound, regions, prompts, stage)
    return [folder / path.name for path in written]
