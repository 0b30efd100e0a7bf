"""The folder that explanations of a sound are written to, and what its files are called."""

from contextlib import contextmanager, suppress
from pathlib import Path

from speechbrain_lmac.errors import InputError

EXPLANATION, RESIDUAL = "-explanation.wav", "-residual.wav"
"""Endings of the files of an explanation."""
ORIGINAL = "original.wav"
SCORES = "scores.json"
"""Says, among others, what file was explained."""


def make_folder(folder):
    """Make a folder that explanations are written to; InputError if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error}") from error


@contextmanager
def writing_to(folder):
    """As :func:`make_folder`; a folder that was made does not stay if nothing could be written."""
    new = not folder.exists()
    make_folder(folder)
    try:
        yield
    except BaseException:
        if new:
            with suppress(OSError):  # it holds something
                folder.rmdir()
        raise


def remove_stale(folder, files):
    """Remove the sounds that earlier explanations left in a folder: all but ``files``."""
    folder, kept = Path(folder), {path.name for path in files}
    residuals = list(folder.glob(f"[0-9]*-*{RESIDUAL}"))
    originals = [folder / ORIGINAL] if residuals else []  # else it is somebody's own
    for path in (*originals, *residuals, *folder.glob(f"[0-9]*-*{EXPLANATION}")):
        if path.name not in kept:
            path.unlink(missing_ok=True)


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
    return "-".join(words)[:60] or "prompt"
