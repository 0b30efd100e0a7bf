"""One clip under several explainers, at the same share of cells: to be compared by ear."""

import csv
import hashlib
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from speechbrain_lmac.evaluation.scoring import ClassPrompts, explain, make_batch
from speechbrain_lmac.explainers import EXPLAINERS
from speechbrain_lmac.metrics.top_k import top_k_mask
from speechbrain_lmac.reports.clip import PlayerFactory
from speechbrain_lmac.reports.page import render, write_page
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import write_text
from speechbrain_lmac.utils.ownership import locked

METHODS = (
    *("lmac", "integrated-gradients", "smoothgrad", "input-x-gradient", "gradcam", "gradcam++"),
    *("gscorecam", "energy", "random"),
)
"""That are compared; ScoreCAM and the optimum take minutes."""
BUDGET = 0.2
"""Share of cells that each keeps."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Take(NamedTuple):
    """What one method keeps of the clip."""

    name: str
    """Of the method, or a letter."""
    player: object
    presence: float | None
    """Probability of the prompt in it; None where names are hidden."""


def takes(interpreter, wav, prompt, methods=METHODS, budget=BUDGET):
    """What every method keeps of a clip for a prompt.

    Arguments
    ---------
    interpreter : Interpreter
        Whose CLAP is explained; ``lmac`` is its own.
    wav : torch.Tensor
        ``[time]``, at its rate.
    prompt : str
        What is explained.
    methods : sequence of str
        Of :data:`~speechbrain_lmac.explainers.EXPLAINERS`.
    budget : float
        Share of cells that each keeps.

    Returns
    -------
    Player, list of Take, tuple
        The clip, what each method keeps, and the frequency axis.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise InputError(f"no method to compare is called {unknown[0]}: {', '.join(METHODS)}")
    model, background = interpreter.model, interpreter.background
    classifier = model.classifier
    encoded = classifier.encode_clips(wav.unsqueeze(0).to(interpreter.device))
    text = classifier.audio_classifier.queries([prompt])
    names = background.against(text)
    asked = make_batch(
        model, [prompt], encoded, ClassPrompts((prompt,), names), text.new_zeros(1).long()
    )
    studio = PlayerFactory(classifier.audio_classifier, wav)
    original, _ = studio.player("The clip", wav, "the clip")
    found = []
    for name in methods:
        kept = top_k_mask(explain(model, EXPLAINERS[name], asked).ranks, budget)
        sound = classifier.apply_mask(encoded, kept)[0].detach().cpu()
        player, written = studio.player(name, sound, f"what {name} keeps")
        heard = classifier.audio_classifier(written.unsqueeze(0).to(interpreter.device)).vector
        found.append(Take(name, player, background.probability(heard, text).item()))
    return original, found, studio.axis


def blinded(found, seed):
    """Takes in another order, under letters; and which letter is which method.

    Example
    -------
    >>> from collections import namedtuple
    >>> Player = namedtuple("Player", "label alt")
    >>> given = [Take("energy", Player("energy", "what energy keeps"), 0.3)]
    >>> blinded(given, seed=1)
    ([Take(name='A', player=Player(label='A', alt='what A keeps'), presence=None)], {'A': 'energy'})
    """
    order = list(found)
    random.Random(seed).shuffle(order)
    hidden, key = [], {}
    for letter, take in zip(LETTERS, order):
        player = take.player._replace(label=letter, alt=f"what {letter} keeps")
        hidden.append(Take(letter, player, None))
        key[letter] = take.name
    return hidden, key


def write_comparison(path, name, prompt, original, found, axis, blind_seed=None):
    """Write the page; a blind one without names, and its key beside it.

    Arguments
    ---------
    path : str or Path
        HTML file to write.
    name, prompt : str
        Of the clip, and what is explained.
    original, found, axis
        Of :func:`takes`.
    blind_seed : int
        Shuffle and hide the names; the key goes to ``<path>.key.json``.

    Returns
    -------
    list of Path
        What was written.
    """
    path, key_path = Path(path), None
    sounds = "".join(take.player.sound for take in found)
    content = f"{name}/{prompt}/{blind_seed}/{original.sound}/{sounds}"
    page = f"{name}: {prompt} [{hashlib.sha256(content.encode()).hexdigest()[:12]}]"
    if blind_seed is not None:
        found, key = blinded(found, blind_seed)
        key_path = check_new_key(path)
        text = json.dumps({"page": page, "methods": key}, indent=2, ensure_ascii=False)
    html = render(
        "comparison.html.j2",
        title=f"“{prompt}” in {name}",
        page=page,
        prompt=prompt,
        original=original,
        takes=found,
        axis=axis,
        blind=blind_seed is not None,
        budget=BUDGET,
    )
    if key_path is None:
        return [write_page(path, html)]
    # the key comes last: a page without one, of a run that was killed, is replaced; a key never is
    with locked(path.absolute().parent):
        check_new_key(path)
        return [write_page(path, html), write_text(key_path, text + "\n")]


def check_new_key(path):
    """Where the key of a blind page goes; InputError if one is there."""
    key_path = Path(path).with_suffix(".key.json")
    if key_path.exists():
        raise InputError(f"{key_path} is the key of a page; give another --output")
    return key_path


def read_ratings(paths, keys):
    """Ratings of blind pages with the methods' names: list of dict.

    Arguments
    ---------
    paths : list of str or Path
        CSV files that pages saved: ``rater,page,letter,rating,saved``. Rows are taken in the order
        in which they were saved; where a file does not say, it is the file's own time.
    keys : list of str or Path
        Of the pages.

    Returns
    -------
    list of dict
        ``rater``, ``page``, ``method``, ``rating`` and ``saved``, the earliest first.
    """
    methods = {}
    for path in keys:
        try:
            key = json.loads(Path(path).read_text(encoding="utf-8"))
            held = methods.setdefault(key["page"], key["methods"])
            if held != key["methods"]:
                raise InputError(f"{path} is another key of a page that has one: {key['page']}")
        except InputError:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is no key of a blind page: {error}") from error
    asked = {page: frozenset(held.values()) for page, held in methods.items()}
    if len(set(asked.values())) > 1:
        raise InputError(
            "ranks among different methods do not compare: give pages of the same methods; "
            + "; ".join(f"{page} has {', '.join(sorted(held))}" for page, held in asked.items())
        )
    rows = []
    for path in paths:
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                held = [*csv.DictReader(file)]
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error
        for line, row in enumerate(held, start=2):
            try:
                known = methods[row["page"]]
                rating = float(row["rating"])
                if not 1 <= rating <= 5:
                    raise ValueError(f"a rating is 1 to 5, not {row['rating']}")
                rows.append(
                    {
                        "rater": row["rater"] or str(path),
                        "page": row["page"],
                        "method": known[row["letter"]],
                        "rating": rating,
                        "saved": row.get("saved") or _saved(path),
                    }
                )
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(
                    f"{path}, line {line}: {error!s} fits no key that was given"
                ) from error
    if not rows:
        raise InputError("no rating was given")
    return sorted(rows, key=lambda row: row["saved"])


def _saved(path):
    """When a file was written, as pages say it."""
    return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC).isoformat()
