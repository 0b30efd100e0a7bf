"""AudioSet's class names."""

from functools import cache
from pathlib import Path

LABELS = Path(__file__).parents[1] / "assets" / "audioset_labels.txt"


@cache
def labels():
    """AudioSet's 527 class names, in the order in which its taggers give logits.

    Example
    -------
    >>> len(labels()), labels()[0]
    (527, 'Speech')
    """
    return tuple(LABELS.read_text(encoding="utf-8").splitlines())
