"""Output folder of an explanation: file names, ownership and atomic writing."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from speechbrain_lmac.inference.sound_names import (
    EXPLANATION,
    EXPLANATION_OF_REGIONS,
    MAX_NAME_BYTES,
    explanation_files,
    is_of_other_prompt,
    residual_of,
)
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import InputFiles, check_not_input, wrap_write_errors
from speechbrain_lmac.utils.ownership import LEDGER, Ledger, folder_lock
from speechbrain_lmac.utils.temporary_files import LOCK, temporary_path

ORIGINAL = "original.wav"
SCORES = "scores.json"
"""Names the explained file, among others. It is written last and marks a complete explanation."""
FIGURE, ACTIVITY, REGIONS = "figure.png", "activity.csv", "regions.csv"
AUDACITY, SELECTIONS = "regions.audacity.txt", "regions.selections.txt"
AREAS, ALL_SCORES = "areas.csv", "scores.csv"
"""Names of the tables of the smallest areas and of the scores of many files."""


def output_names(
    prompts: Sequence[str],
    file: str | None = None,
    windowed: bool = False,
    stems: bool = False,
) -> list[str]:
    """Return the names of all files of an explanation.

    Arguments
    ---------
    prompts : list of str
        Prompts.
    file : str or None
        Path of the explained sound.
    windowed : bool
        Whether the sound is explained in windows, which gives no ``original.wav`` and no
        masked-out sounds. Default: False.
    stems : bool
        Whether the masked-in sounds of windows are complete. Default: they are those of regions.

    Returns
    -------
    list of str
    """
    end = EXPLANATION_OF_REGIONS if windowed and not stems else EXPLANATION
    explanations = explanation_files(Path(), prompts, end)
    residuals = [] if windowed else [ORIGINAL, *(residual_of(path).name for path in explanations)]
    return [*(path.name for path in explanations), *residuals, *timeline_names(file)]


def timeline_names(file: str | None) -> list[str]:
    """Return the names of the figure, the tables and ``scores.json`` of a sound."""
    return [FIGURE, *table_names(file), SCORES]


def table_names(file: str | None) -> list[str]:
    """Return the names of the tables of a sound."""
    return [ACTIVITY, REGIONS, AUDACITY, raven_table(file)]


def raven_table(file: str | None) -> str:
    """Return the name of a selection table, as Raven derives it from the sound's name.

    Example
    -------
    >>> raven_table("cards/A1/dawn.wav")
    'dawn.Table.1.selections.txt'
    """
    stem = os.fsencode(Path(file or ORIGINAL).stem)[:MAX_NAME_BYTES]
    return f"{stem.decode(errors='ignore') or 'sound'}.Table.1.selections.txt"


def check_output(
    folder: str | Path,
    names: Iterable[str],
    inputs: InputFiles | Iterable[str | Path | None] = (),
) -> None:
    """Check that writing to a folder replaces no file of the user.

    Arguments
    ---------
    folder : str or Path
        Folder, which may not exist.
    names : iterable of str
        Names of files to write.
    inputs : InputFiles or iterable of str, Path or None
        Files that are read.

    Raises
    ------
    InputError
        If a file would be replaced that is an input, was not written by this package, or has
        changed since.
    """
    folder, names = Path(folder), list(names)
    inputs = inputs if isinstance(inputs, InputFiles) else InputFiles(inputs)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} must be a folder, got a file. Give another --output")
    ledger = Ledger(folder)
    for name in dict.fromkeys([*names, *ledger.files]):
        check_not_input(folder / name, inputs)
    ledger.check(names)


def reserve(folder: Path, file: str | None) -> bool:
    """Reserve a folder for the explanation of a file.

    Arguments
    ---------
    folder : Path
        Folder, created if it does not exist.
    file : str or None
        Identity of the file, from :func:`~speechbrain_lmac.audio.locations.canonical_path`.

    Returns
    -------
    bool
        False if the folder is reserved for another file.
    """
    make_folder(folder)
    with folder_lock(folder):
        ledger = Ledger(folder)
        if ledger.kind not in (None, file):
            return False
        ledger.kind = file
        ledger.save()
    return True


def release(folder: Path, made: bool) -> None:
    """Cancel the reservation of a folder without outputs.

    Arguments
    ---------
    folder : Path
        Reserved folder.
    made : bool
        Whether to remove the folder if it is empty.
    """
    if Ledger(folder).files:
        return
    with suppress(OSError):  # the folder is not empty
        for name in (LEDGER, LOCK):
            (folder / name).unlink(missing_ok=True)
        if made:
            folder.rmdir()


def make_folder(folder: Path) -> None:
    """Create an output folder; InputError if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be created: {error}") from error


@contextmanager
def writing_to(
    folder: str | Path,
    names: Iterable[str],
    inputs: Iterable[str | Path | None] = (),
    of: str | None = None,
    keep: Iterable[str] | None = None,
    prompts: Sequence[str] | None = None,
) -> Iterator[Path]:
    """Write the files of an explanation to a temporary folder, then replace earlier ones together.

    ``scores.json`` is removed first and written last. If the process is killed in between, no
    scores are left with the sounds of another explanation. An error leaves all files unchanged.

    Arguments
    ---------
    folder : str or Path
        Output folder, created if it does not exist.
    names : iterable of str
        Names of files that may be written.
    inputs : iterable of str, Path or None
        Files that are read and may not be replaced.
    of : str or None
        Explained file.
    keep : iterable of str
        Earlier files to keep. Others that this package wrote are removed. Default: keep all.
    prompts : sequence of str
        Prompts that are explained. Earlier sounds of other prompts of the same file are kept.
        Default: they are not.

    Yields
    ------
    Path
        Temporary folder to write to, under the same names.

    Raises
    ------
    InputError
        As for :func:`check_output`, before anything is written.
    """
    folder = Path(folder)
    check_output(folder, names, inputs)
    is_new = not folder.exists()
    make_folder(folder)
    try:
        with wrap_write_errors(folder), temporary_path(folder, folder=True) as stage:
            yield stage
            with folder_lock(folder):
                _move_in(stage, folder, of, keep, prompts)
    finally:
        if is_new:
            release(folder, made=True)


def _move_in(
    stage: Path,
    folder: Path,
    of: str | None,
    keep: Iterable[str] | None,
    prompts: Sequence[str] | None,
) -> None:
    """Move the files of ``stage`` to ``folder`` and remove earlier files."""
    written = sorted(path.name for path in stage.iterdir())
    ledger = Ledger(folder)
    ledger.check(written)
    for name in written:
        ledger.add(name, stage / name)
    is_same = of is not None and ledger.kind == of
    ledger.kind = of
    ledger.save()
    listed = [name for name in ledger.files if name == Path(name).name]
    stale = [] if keep is None else [name for name in listed if name not in {*written, *keep}]
    if prompts is not None and is_same:
        stale = [name for name in stale if not is_of_other_prompt(name, prompts)]
    removable = [name for name in stale if ledger.is_owned(name)]  # changed files stay
    if SCORES in {*written, *removable}:
        (folder / SCORES).unlink(missing_ok=True)
    for name in removable:
        (folder / name).unlink(missing_ok=True)
    for name in sorted(written, key=SCORES.__eq__):
        (stage / name).replace(folder / name)
        ledger.files[name] = ledger.files[name][-1:]
    for name in stale:
        del ledger.files[name]
    ledger.save()
