"""Page of a listening test: clips under several explainers, with or without their names."""

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path

from speechbrain_lmac.evaluation.listening_test import FRACTION, Comparison, Take
from speechbrain_lmac.models.question_words import PROMPT, QuestionWords
from speechbrain_lmac.reports.page import render, write_page
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import write_text
from speechbrain_lmac.utils.ownership import folder_lock

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def blinded(sounds: Sequence[Take], seed: int | str) -> tuple[list[Take], dict[str, str]]:
    """Shuffle sounds and replace their names by letters; return the letters' methods too.

    Example
    -------
    >>> from collections import namedtuple
    >>> Player = namedtuple("Player", "label alt")
    >>> given = [Take("energy", Player("energy", "masked-in sound of energy"), 0.3)]
    >>> blinded(given, seed=1)[1]
    {'A': 'energy'}
    """
    order = list(sounds)
    random.Random(seed).shuffle(order)
    hidden, key = [], {}
    for letter, take in zip(LETTERS, order):
        player = take.player._replace(label=letter, alt=f"masked-in sound of {letter}")
        hidden.append(Take(letter, player, None))
        key[letter] = take.name
    return hidden, key


def by_area(sounds: Sequence[Take]) -> list[Take]:
    """Return sounds by their smallest sufficient areas, the smallest first."""
    return sorted(sounds, key=lambda take: take.sufficient_area or 0.0)


def write_comparison(
    path: str | Path,
    clips: Sequence[Comparison],
    blind_seed: int | None = None,
    words: QuestionWords = PROMPT,
) -> list[Path]:
    """Write the comparison page. A blind page has letters for names, and a key file.

    Arguments
    ---------
    path : str or Path
        HTML file to write.
    clips : sequence of Comparison
        Results of :func:`~speechbrain_lmac.evaluation.listening_test.compare`, one for each clip.
    blind_seed : int
        Seed that shuffles the methods and hides their names. The key is written to
        ``<path>.key.json``. Default: names are shown.
    words : QuestionWords
        Words for the prompt. Default: those for a CLAP.

    Returns
    -------
    list of Path
        Written files.
    """
    path, tests, shown = Path(path), [], []
    for index, clip in enumerate(clips):
        test = _test_name(clip, blind_seed)
        if blind_seed is None:
            takes = by_area(clip.takes)
        else:
            seed = blind_seed if index == 0 else f"{blind_seed}/{index}"
            takes, key = blinded(clip.takes, seed)
            tests.append({"page": test, "methods": key})
        shown.append((test, clip._replace(takes=takes)))
    html = _render(shown, blind_seed is not None, words)
    if blind_seed is None:
        return [write_page(path, html)]
    content = tests[0] if len(tests) == 1 else {"tests": tests}
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # The key is written last. A page without a key (after a kill) is replaced; a key never is.
    with folder_lock(path.absolute().parent):
        key_path = check_new_key(path)
        return [write_page(path, html), write_text(key_path, text + "\n")]


def _test_name(clip: Comparison, blind_seed: int | None) -> str:
    """Return the name of the test of a clip, which no other test has."""
    audio = "".join(take.player.sound for take in clip.takes)
    content = f"{clip.name}/{clip.prompt}/{blind_seed}/{clip.original.sound}/{audio}"
    return f"{clip.name}: {clip.prompt} [{hashlib.sha256(content.encode()).hexdigest()[:12]}]"


def _render(clips: Sequence[tuple[str, Comparison]], blind: bool, words: QuestionWords) -> str:
    first = clips[0][1]
    one = f"“{first.prompt}” in {first.name}"
    names = " ".join(test for test, _ in clips)
    return render(
        "comparison.html.j2",
        title=one if len(clips) == 1 else f"{len(clips)} clips under several explainers",
        store=hashlib.sha256(names.encode()).hexdigest()[:16],
        clips=clips,
        blind=blind,
        fraction=FRACTION,
        words=words,
    )


def check_new_key(path: str | Path) -> Path:
    """Return the path of the key of a blind page; raise InputError if the key exists."""
    key_path = Path(path).with_suffix(".key.json")
    if key_path.exists():
        raise InputError(f"{key_path} is the key of a page. Give another --output")
    return key_path
