"""What a CLAP takes a sound for."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Classification:
    """How a CLAP shares its belief over names.

    Arguments
    ---------
    names : tuple of str
        That there was to choose from.
    similarity : torch.Tensor
        Logits, ``[names]``.

    Example
    -------
    >>> heard = Classification(("dog", "rain"), torch.tensor([0.0, 2.0]))
    >>> heard.best, round(heard.probabilities[1].item(), 2)
    ('rain', 0.88)
    >>> heard.top(1)
    [('rain', 0.8807970285415649)]
    """

    names: tuple
    similarity: torch.Tensor

    @property
    def probabilities(self) -> torch.Tensor:
        """Softmax of the similarities, ``[names]``."""
        return self.similarity.softmax(dim=0)

    @property
    def best(self) -> str:
        """The most similar name."""
        return self.names[int(self.similarity.argmax())]

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The most similar names and their probabilities, best first."""
        ordered = self.probabilities.sort(descending=True)
        found = zip(ordered.indices[:count].tolist(), ordered.values[:count].tolist())
        return [(self.names[index], share) for index, share in found]
