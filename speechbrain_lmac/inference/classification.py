"""Result of a zero-shot classification."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Classification:
    """Zero-shot classification of a sound.

    Arguments
    ---------
    labels : tuple of str
        Labels to choose from.
    similarity : torch.Tensor
        Logits, ``[labels]``.

    Example
    -------
    >>> result = Classification(("dog", "rain"), torch.tensor([0.0, 2.0]))
    >>> result.best, round(result.probabilities[1].item(), 2)
    ('rain', 0.88)
    >>> result.top(1)
    [('rain', 0.8807970285415649)]
    """

    labels: tuple[str, ...]
    similarity: torch.Tensor

    @property
    def probabilities(self) -> torch.Tensor:
        """Softmax of the logits, ``[labels]``."""
        return self.similarity.softmax(dim=0)

    @property
    def best(self) -> str:
        """Most probable label."""
        return self.labels[int(self.similarity.argmax())]

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """Return the most probable labels and their probabilities, best first."""
        ordered = self.probabilities.sort(descending=True)
        best = zip(ordered.indices[:count].tolist(), ordered.values[:count].tolist())
        return [(self.labels[index], probability) for index, probability in best]
