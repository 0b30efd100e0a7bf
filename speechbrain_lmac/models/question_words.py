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
    probability_among: str | None
    """Name of the probability among the questions of a call; None if the presence is it."""

    def quantity(self, number: int) -> str:
        """Return a number of questions as text.

        Example
        -------
        >>> CLASS.quantity(1), CLASS.quantity(2)
        ('1 class', '2 classes')
        """
        return f"{number} {self.one if number == 1 else self.many}"


PROMPT = QuestionWords(
    *("prompt", "prompts", "presence", "presence among everyday sounds"),
    "probability among the prompts",
)
"""Words for a CLAP, whose questions are texts."""
CLASS = QuestionWords("class", "classes", "probability", "probability of the class", None)
"""Words for a supervised classifier, whose questions are names of its classes."""
