"""Scores of clips against queries, and probabilities among competing classes."""

from typing import Any, NamedTuple

import torch


class ScaledDotProduct:
    """Logits as scaled dot products of clip vectors and query vectors.

    The logarithm of a probability needs all digits: the products are taken in float32, or in double
    precision if the vectors are, also under autocast.
    """

    logit_scale: Any
    """Factor from dot product to logit."""

    def logits(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Score clips against queries.

        Arguments
        ---------
        vector : torch.Tensor
            Clip vectors, ``[..., dim]``.
        queries : torch.Tensor
            Query vectors, ``[queries, dim]``.

        Returns
        -------
        torch.Tensor
            Logits, ``[..., queries]``.
        """
        with torch.autocast(vector.device.type, enabled=False):
            return self.logit_scale * _at_least_float32(vector) @ queries.T

    def paired_logits(self, vector: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        """Score each clip against its own query.

        Arguments
        ---------
        vector, query : torch.Tensor
            Clip vectors and query vectors, ``[..., dim]`` each.

        Returns
        -------
        torch.Tensor
            Logits, ``[...]``.
        """
        with torch.autocast(vector.device.type, enabled=False):
            return self.logit_scale * (_at_least_float32(vector) * query).sum(dim=-1)

    def probabilities(self, vector: torch.Tensor, queries: torch.Tensor) -> torch.Tensor:
        """Probability of each query among its competing classes.

        Arguments
        ---------
        vector : torch.Tensor
            Clip vectors, ``[..., dim]``.
        queries : torch.Tensor
            Query vectors, ``[queries, dim]``. They compete with each other, unless a classifier
            has classes of its own.

        Returns
        -------
        torch.Tensor
            Probabilities, ``[..., queries]``.
        """
        return self.logits(vector, queries).softmax(dim=-1)

    def competing(self, queries: torch.Tensor) -> "ClassSet":
        """Return the classes that a query competes with.

        Arguments
        ---------
        queries : torch.Tensor
            Query vectors of the classes in use, ``[classes, dim]``.

        Returns
        -------
        ClassSet
        """
        return ClassSet(queries, self)


def _at_least_float32(vector: torch.Tensor) -> torch.Tensor:
    return vector.to(torch.promote_types(vector.dtype, torch.float32))


class ClassSet(NamedTuple):
    """Mutually exclusive classes, among which a query has a probability."""

    queries: torch.Tensor
    """Query vectors, ``[classes, dim]``."""
    classifier: ScaledDotProduct
    """Classifier that scores them."""

    @property
    def inverse_chance(self) -> float:
        """Inverse of the probability of a class by chance."""
        return len(self.queries)

    def log_odds(
        self, vector: torch.Tensor, query: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        """Log-odds of queries against all competing classes.

        Arguments
        ---------
        vector, query : torch.Tensor
            Clip vectors and query vectors, ``[..., dim]`` each.
        target : torch.Tensor
            Index of the class with the same meaning as the query, which does not compete with it,
            ``[...]`` of long; -1 if there is none.

        Returns
        -------
        torch.Tensor
            Log-odds, ``[...]``. Their sigmoid is the probability of the query.

        Example
        -------
        >>> class Unscaled(ScaledDotProduct):
        ...     logit_scale = 1.0
        >>> classes = Unscaled().competing(torch.eye(3))
        >>> clip, query = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([1.0, 0.0, 0.0])
        >>> odds = classes.log_odds(clip, query, torch.tensor(0))
        >>> torch.allclose(odds.sigmoid(), torch.eye(3)[0].softmax(0)[0])
        True
        """
        competing = self.competing_logits(vector, query, target)
        return self.classifier.paired_logits(vector, query) - competing.logsumexp(dim=-1)

    def leads(
        self, vector: torch.Tensor, query: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        """Return whether queries are more probable than each of their competing classes.

        Arguments
        ---------
        vector, query, target : torch.Tensor
            Arguments of :meth:`log_odds`.

        Returns
        -------
        torch.Tensor
            ``[...]`` of bool. A tie does not lead.

        Example
        -------
        >>> class Unscaled(ScaledDotProduct):
        ...     logit_scale = 1.0
        >>> classes = Unscaled().competing(torch.eye(3))
        >>> clip, query = torch.tensor([1.0, 0.5, 0.0]), torch.tensor([1.0, 0.0, 0.0])
        >>> classes.leads(torch.stack([clip, -clip]), query.expand(2, 3), torch.tensor([0, 0]))
        tensor([ True, False])
        """
        competing = self.competing_logits(vector, query, target).amax(dim=-1)
        return self.classifier.paired_logits(vector, query) > competing

    def competing_logits(
        self, vector: torch.Tensor, query: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        """Logits of the classes that compete with queries, for the arguments of :meth:`log_odds`.

        Returns
        -------
        torch.Tensor
            Logits, ``[..., classes]``; minus infinity for a class that does not compete.
        """
        logits = self.classifier.logits(vector, self.queries)
        index = torch.arange(len(self.queries), device=target.device)
        return logits.masked_fill(index == target.unsqueeze(-1), -torch.inf)

    def probabilities(self, vector: torch.Tensor) -> torch.Tensor:
        """Probability of each class, ``[..., classes]``, given clip vectors ``[..., dim]``."""
        return self.classifier.probabilities(vector, self.queries)
