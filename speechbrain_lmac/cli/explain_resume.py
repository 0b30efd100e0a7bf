"""Explanations of an earlier run, which ``--skip-existing`` does not repeat.

After the last file of an explanation, the ledger of its folder gets the question that the files
answer: the sound, the interpreter, the prompts and the settings. Every later write to the folder
removes the question first.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechbrain_lmac.cli.explain_file import Settings, reported
from speechbrain_lmac.cli.explain_text import Record

if TYPE_CHECKING:
    from speechbrain_lmac.inference.interpreter import Interpreter


def question_of(
    interpreter: "Interpreter", file: str, prompts: list[str] | None, settings: Settings
) -> dict[str, Any]:
    """Return all that an explanation depends on, as JSON.

    Sounds and interpreters are identified by their content. The figure does not count.
    """
    from speechbrain_lmac.utils.version import VERSION

    options = {**settings._asdict(), **settings.rule._asdict()}
    del options["figure"], options["rule"]
    return {
        "version": VERSION,
        "interpreter": interpreter.fingerprint,
        "sound": _sound_sha256(file),
        "prompts": prompts,
        **options,
    }


def _sound_sha256(file: str) -> str | None:
    """Return the SHA-256 of a sound; None if it cannot be read."""
    from speechbrain_lmac.audio.locations import local_file
    from speechbrain_lmac.utils.files import file_sha256

    try:
        return file_sha256(local_file(file))
    except OSError:
        return None


def existing_record(
    file: str, folder: Path, question: dict[str, Any], figure: bool
) -> Record | None:
    """Return the record of an explanation that is complete, unchanged and of the same question.

    Arguments
    ---------
    file : str
        Explained file.
    folder : Path
        Output folder of the file.
    question : dict
        Result of :func:`question_of`.
    figure : bool
        Whether the explanation must have a figure.

    Returns
    -------
    dict or None
        JSON object of the file; None if it must be explained.
    """
    from speechbrain_lmac.inference.outputs import FIGURE, SCORES
    from speechbrain_lmac.utils.ownership import Ledger

    ledger = Ledger(folder)
    needed = {SCORES, FIGURE} if figure else {SCORES}
    if None in (question["sound"], question["interpreter"]):
        return None
    if not _answers(ledger.question, question):
        return None
    if not needed <= ledger.files.keys():
        return None
    if not all((folder / name).exists() and ledger.is_owned(name) for name in ledger.files):
        return None
    return {**_read_record(file, folder), "skipped": True}


def _answers(existing: Any, question: dict[str, Any]) -> bool:
    """Return whether an explanation answers a question.

    It may have areas and clips that are not needed.
    """
    if not isinstance(existing, dict):
        return False
    more = {name: True for name in ("areas", "clips") if existing.get(name) is True}
    return existing == {**question, **more}


def _read_record(file: str, folder: Path) -> Record:
    """Return the JSON object of an explained file, from its ``scores.json``."""
    from speechbrain_lmac.inference.outputs import SCORES
    from speechbrain_lmac.inference.sound_names import EXPLANATION_OF_REGIONS, explanation_files
    from speechbrain_lmac.utils.ownership import Ledger

    scores = json.loads((folder / SCORES).read_text(encoding="utf-8"))
    rows = scores["prompts"]
    prompts, written = [row["prompt"] for row in rows], Ledger(folder).files
    kinds = zip(
        explanation_files(folder, prompts),
        explanation_files(folder, prompts, EXPLANATION_OF_REGIONS),
    )
    paths = [of_regions if of_regions.name in written else path for path, of_regions in kinds]
    return {
        **{"file": file, "folder": str(folder), "seconds": scores["seconds"]},
        "against": scores["against"],
        "prompts": [
            reported(row, path if row.get("explained", True) else None)
            for row, path in zip(rows, paths)
        ],
        "warnings": scores["warnings"],
    }


def mark_complete(folder: Path, question: dict[str, Any], record: Record) -> None:
    """Note the question of an explanation in its folder.

    Nothing is noted if another process has written another explanation meanwhile.

    Arguments
    ---------
    folder : Path
        Output folder.
    question : dict
        Result of :func:`question_of`, from before the explanation.
    record : dict
        JSON object of the file.
    """
    from speechbrain_lmac.utils.ownership import Ledger, folder_lock

    with suppress(OSError), folder_lock(folder):
        if _read_record(record["file"], folder)["prompts"] == record["prompts"]:
            ledger = Ledger(folder)
            ledger.question = question
            ledger.save()
