"""The folder that explanations of a sound are written to, and what its files are called."""

from contextlib import contextmanager, suppress
from pathlib import Path

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import LOCK, check_no_input, said, temporary
from speechbrain_lmac.utils.ownership import LEDGER, Ledger, locked

EXPLANATION, RESIDUAL = "-explanation.wav", "-residual.wav"
"""Endings of the files of an explanation."""
ORIGINAL = "original.wav"
SCORES = "scores.json"
"""Says, among others, what file was explained; written last, it stands for a whole explanation."""
FIGURE, EVIDENCE, REGIONS, RAVEN_TABLE = (
    *("figure.png", "evidence.csv", "regions.csv", "regions.selections.txt"),
)
TABLES = (EVIDENCE, REGIONS, RAVEN_TABLE)
MAX_BYTES = 200
"""Of a prompt in a file name, which has room for 255."""


def names_of(prompts, in_one_piece=True):
    """Every file name of an explanation of prompts: list of str.

    Sounds that are explained in windows get no ``original.wav`` and no residuals.
    """
    explanations = explanation_files(Path(), prompts)
    residuals = [residual_of(path).name for path in explanations]
    beside = [ORIGINAL, *residuals] if in_one_piece else []
    return [*(path.name for path in explanations), *beside, FIGURE, *TABLES, SCORES]


def residual_of(path):
    """Where the residual of an explanation is written."""
    return path.with_name(path.name.removesuffix(EXPLANATION) + RESIDUAL)


def check_output(folder, names, inputs=()):
    """Raise InputError if files of a folder that are not ours, or inputs, would be replaced.

    Arguments
    ---------
    folder : str or Path
        May be absent.
    names : iterable of str
        Files that would be written in it.
    inputs : iterable of str, Path or None
        Files that are read.
    """
    folder = Path(folder)
    names = list(names)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file, and no folder to write to")
    ledger = Ledger(folder)
    for name in dict.fromkeys([*names, *ledger.files]):
        check_no_input(folder / name, inputs)
    ledger.check(names)


def reserve(folder, file):
    """Take a folder for the explanation of a file; whether it is not of another.

    Arguments
    ---------
    folder : Path
        Made if absent.
    file : str or None
        Its identity, of :func:`~speechbrain_lmac.audio.source.path_of`.

    Returns
    -------
    bool
    """
    make_folder(folder)
    with locked(folder):
        ledger = Ledger(folder)
        if ledger.of not in (None, file):
            return False
        ledger.save(of=file)
    return True


def release(folder, made):
    """Give a folder back in which nothing was written; remove it if it was made and is empty."""
    if Ledger(folder).files:
        return
    with suppress(OSError):  # it holds something
        for name in (LEDGER, LOCK):
            (folder / name).unlink(missing_ok=True)
        if made:
            folder.rmdir()


def make_folder(folder):
    """Make a folder that explanations are written to; InputError if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error}") from error


@contextmanager
def writing_to(folder, names, inputs=(), of=None, kept=None):
    """Write files aside in a folder; at the end they replace earlier ones of ours together.

    ``scores.json`` goes first and comes last: killed in between, no scores stand beside sounds of
    another explanation. An error leaves everything as it was.

    Arguments
    ---------
    folder : str or Path
        Made if absent.
    names : iterable of str
        Files that may be written.
    inputs : iterable of str, Path or None
        Files that are read, and may not be replaced.
    of : str or None
        What file is explained.
    kept : iterable of str
        Earlier files that stay; None: all do. Others of ours are removed.

    Yields
    ------
    Path
        Where to write, under the same names.

    Raises
    ------
    InputError
        Before anything is done, if a file is there that is not ours, or is an input.
    """
    folder = Path(folder)
    check_output(folder, names, inputs)
    new = not folder.exists()
    make_folder(folder)
    try:
        with said(folder), temporary(folder, folder=True) as stage:
            yield stage
            with locked(folder):
                _move_in(stage, folder, of, kept)
    finally:
        if new:
            release(folder, made=True)


def _move_in(stage, folder, of, kept):
    made = sorted(path.name for path in stage.iterdir())
    ledger = Ledger(folder)
    ledger.check(made)
    for name in made:
        ledger.sign(name, stage / name)
    ledger.save(of=of)
    listed = [name for name in ledger.files if name == Path(name).name]
    stale = [] if kept is None else [name for name in listed if name not in {*made, *kept}]
    ours = [name for name in stale if ledger.is_ours(name)]  # what has changed since stays
    if SCORES in {*made, *ours}:
        (folder / SCORES).unlink(missing_ok=True)
    for name in ours:
        (folder / name).unlink(missing_ok=True)
    for name in sorted(made, key=SCORES.__eq__):
        (stage / name).replace(folder / name)
        ledger.files[name] = ledger.files[name][-1:]
    for name in stale:
        del ledger.files[name]
    ledger.save()


def explanation_files(folder, prompts):
    """Where the explanations of prompts are written, in a folder: list of Path."""
    return [folder / f"{i}-{_slug(prompt)}{EXPLANATION}" for i, prompt in enumerate(prompts)]


def _slug(prompt):
    """A prompt as a part of a file name.

    Example
    -------
    >>> _slug("this is the sound of crying baby!")
    'this-is-the-sound-of-crying-baby'
    """
    words = "".join(c.lower() if c.isalnum() else " " for c in prompt).split()
    cut = "-".join(words)[:60].encode()[:MAX_BYTES]  # file systems count bytes
    return cut.decode(errors="ignore") or "prompt"
