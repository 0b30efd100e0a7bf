"""Class names of a supervised classifier: lookup, and suggestions for unknown names."""

from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from functools import cache

from speechbrain_lmac.data.prompts import class_prompt, label_to_words
from speechbrain_lmac.models.text import minilm
from speechbrain_lmac.utils.errors import InputError

SUGGESTIONS = 3
"""Largest number of suggested names."""
LEAST_SIMILAR = 0.6
"""Smallest similarity in spelling of a suggested name."""
TYPING_ERROR = 0.85
"""Similarity in spelling from which a text is a name with a typing error."""
SAME_TOPIC = 0.65
"""Smallest cosine similarity in meaning of a suggested name."""


class ClassNames:
    """Class names of a head, in the order of its logits.

    A name is found in any case, and with underscores or spaces between its words.

    Arguments
    ---------
    names : sequence of str
        Names, at least two, unique and printable.
    count : int
        Number of logits of the head. Default: that of the names.

    Raises
    ------
    InputError
        If the names are not unique texts, or not one for each logit.

    Example
    -------
    >>> names = ClassNames(["Dog", "Church_bells"])
    >>> names.index("church bells")
    1
    >>> names.index("dogs")
    Traceback (most recent call last):
    ...
    speechbrain_lmac.utils.errors.InputError: the class must be one of 2, got 'dogs'. ... 'Dog'?
    """

    def __init__(self, names: Sequence[str], count: int | None = None):
        self.names = check_class_names(names)
        if count is not None and count != len(names):
            raise InputError(
                f"class_names must have one name for each of {count} logits, got {len(names)}"
            )
        self._index = {_key(name): i for i, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Index of a class name.

        Raises
        ------
        InputError
            With the nearest names, if no class has that name.
        """
        found = self._index.get(_key(name))
        if found is None:
            nearest = " or ".join(repr(other) for other in self.nearest(name))
            hint = f"Did you mean {nearest}?" if nearest else f"The first one is {self.names[0]!r}"
            raise InputError(f"the class must be one of {len(self)}, got {name!r}. {hint}")
        return found

    def nearest(self, name: str) -> list[str]:
        """Names most similar to a text, best first.

        Names with a similar spelling come first, then names with a similar meaning if the sentence
        encoder is installed.
        """
        spelling = [_similarity(_key(name), _key(other)) for other in self.names]
        mistyped = self._best(spelling, TYPING_ERROR)
        related = self._best(_meaning(name, self.names), SAME_TOPIC)
        suggested = list(dict.fromkeys([*mistyped, *related]))
        return suggested[:SUGGESTIONS] or self._best(spelling, LEAST_SIMILAR)

    def _best(self, scores: Sequence[float], smallest: float) -> list[str]:
        """Return the names with the highest scores, best first."""
        order = sorted(range(len(scores)), key=lambda i: -scores[i])[:SUGGESTIONS]
        return [self.names[i] for i in order if scores[i] >= smallest]


def check_class_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return class names as a tuple; InputError unless they are unique, printable texts."""
    if isinstance(names, str) or len(names) < 2:
        raise InputError(f"class_names must be at least two names, got {names!r}")
    for name in names:
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise InputError(f"a class name must be a printable text, got {name!r}")
    keys = [_key(name) for name in names]
    counts = Counter(keys)
    repeated = [name for name, key in zip(names, keys) if counts[key] > 1]
    if repeated:
        raise InputError(f"class names must be different, got {repeated[0]!r} twice")
    return tuple(names)


def _meaning(text: str, names: Sequence[str]) -> list[float]:
    """Cosine similarity of a text to each name; empty if the sentence encoder is not installed.

    AudioSet's labels in a template need no network, but the text does.
    """
    if not minilm.is_installed():
        return []
    encoder = _sentence_encoder()
    embeddings = encoder([class_prompt(each) for each in (*names, text)])
    return (embeddings[:-1] @ embeddings[-1]).tolist()


@cache
def _sentence_encoder() -> minilm.MiniLM:
    return minilm.MiniLM()


def _key(name: str) -> str:
    return " ".join(label_to_words(name).casefold().split())


def _similarity(text: str, name: str) -> float:
    """Similarity of a text and a name, or of the text and one of the name's words."""
    parts = [name, *name.replace(",", " ").split()]
    return max(SequenceMatcher(None, text, part).ratio() for part in parts)
