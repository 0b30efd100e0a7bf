"""Words for the questions of a classifier, in texts for people."""

from typing import NamedTuple


class QuestionWords(NamedTuple):
    """Words for a question of a classifier, and for its presence in a sound."""

    one: str
    many: str
    presence: str
    """Short name of the presence."""
    presence_among: str
    """Name of the presence with its competing classes."""


PROMPT = QuestionWords("prompt", "prompts", "presence", "presence among everyday sounds")
"""Words for a CLAP, whose questions are texts."""
CLASS = QuestionWords("class", "classes", "probability", "probability")
"""Words for a supervised classifier, whose questions are names of its classes."""
