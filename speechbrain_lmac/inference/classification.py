"""Result of a classification."""

from dataclasses import dataclass

import torch

from speechbrain_lmac.utils.percent import percent


@dataclass(frozen=True, eq=False)
class Classification:
    """Classification of a sound.

    Arguments
    ---------
    labels : tuple of str
        Labels to choose from.
    similarity : torch.Tensor
        Logits, ``[labels]``.
    probabilities : torch.Tensor
        Probabilities, ``[labels]``. Labels of a CLAP compete with each other, and classes of a
        supervised classifier with all its classes.

    Example
    -------
    >>> logits = torch.tensor([0.0, 2.0])
    >>> result = Classification(("dog", "rain"), logits, logits.softmax(dim=0))
    >>> result.best, round(result.probabilities[1].item(), 2)
    ('rain', 0.88)
    >>> result.top(1)
    [('rain', 0.8807970285415649)]
    >>> result
    Classification(rain 88 %, dog 12 %)
    """

    labels: tuple[str, ...]
    similarity: torch.Tensor
    probabilities: torch.Tensor

    def __repr__(self) -> str:
        top = ", ".join(f"{label} {percent(value)}" for label, value in self.top(3))
        more = f" and {len(self.labels) - 3} more" if len(self.labels) > 3 else ""
        return f"Classification({top}{more})"

    @property
    def best(self) -> str:
        """Most probable label."""
        return self.labels[int(self.similarity.argmax())]

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the most probable labels and their probabilities, best first."""
        best = self.similarity.argsort(descending=True)[:count].tolist()
        return [(self.labels[index], self.probabilities[index].item()) for index in best]
