"""Pairs of clips and queries, and their probabilities among competing classes.

A query competes with classes: a similarity that falls by a tenth is meaningless until the
similarity of the next class is known.
"""

from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch.nn.functional import logsigmoid

SAME_QUERY = 1e-4
"""Largest difference of two vectors of the same query, which may come from different batches."""


class CompetingClasses(Protocol):
    """Classes that a query competes with: :class:`~speechbrain_lmac.models.class_set.ClassSet`."""

    @property
    def queries(self) -> torch.Tensor:
        """Query vectors, ``[classes, dim]``."""

    @property
    def inverse_chance(self) -> float:
        """Inverse of the probability of a class by chance."""

    def log_odds(
        self, vector: torch.Tensor, query: torch.Tensor, target: torch.Tensor
    ) -> torch.Tensor:
        """Log-odds ``[...]`` of queries against all competing classes."""


class PromptPairs(NamedTuple):
    """Clips of a batch with several queries each; the clip's own query comes first."""

    vectors: torch.Tensor
    """Clip vectors, ``[batch, dim]``."""
    queries: torch.Tensor
    """Query vectors, ``[prompts, batch, dim]``."""
    targets: torch.Tensor
    """Index of the class with the same meaning as the query, ``[prompts, batch]`` of long; -1 if
    there is none."""
    classes: CompetingClasses
    sources: torch.Tensor | None = None
    """Power of the clips and of the sources mixed into them, which the second query names,
    ``[2, batch, frames, bins]`` in the masking domain; the second is 0 for an unmixed clip."""
    spectra: torch.Tensor | None = None
    """``log(1 + magnitude)`` of the encoder input, and of the clip without its noise, at the same
    frames, ``[2, batch, frames, bins]``. Only ``guidance`` needs it."""
    fill: torch.Tensor | None = None
    """Power that replaces the masked-out power of each clip, ``[batch, 1, bins]``. Default:
    silence."""
    num_separable: torch.Tensor | None = None
    """Number of separable clips, averaged over processes, ``[]``. Default: the number in
    this process."""

    @property
    def log_odds(self) -> torch.Tensor:
        """Log-odds of every query given the original clip, ``[prompts, batch]``."""
        vectors = self.vectors.expand_as(self.queries)
        return self.classes.log_odds(vectors, self.queries, self.targets)

    @property
    def separable(self) -> torch.Tensor:
        """Whether a clip is a mixture of sources with different names, ``[batch]`` of bool."""
        same_class = (self.targets[0] == self.targets[1]) & (self.targets[0] >= 0)
        same_query = (self.queries[0] - self.queries[1]).abs().amax(dim=1) < SAME_QUERY
        assert self.sources is not None
        return self.sources[1].flatten(1).any(dim=1) & ~same_class & ~same_query

    @property
    def confidence_weight(self) -> torch.Tensor:
        """Probability of a query relative to chance, at most 1, ``[prompts, batch]``."""
        return (self.classes.inverse_chance * self.log_odds.sigmoid()).clamp(max=1)


class PairBatch(NamedTuple):
    """Original clip vectors, query vectors and target classes of some pairs."""

    original: torch.Tensor
    query: torch.Tensor
    target: torch.Tensor


class MaskedPairs(NamedTuple):
    """Encoded masked clips, one for each of some pairs."""

    masked: torch.Tensor
    """Vectors of the masked clips, ``[encoded, dim]``."""
    pairs: PromptPairs
    """All pairs of the batch."""
    pair_index: torch.Tensor
    """Pair of each masked clip, ``prompt * batch + clip``, ``[encoded]`` of long."""

    def batch(self, step: int = 0) -> PairBatch:
        """Clips with the query of each pair, or with the query ``step`` rows after it."""
        prompts, batch = self.pairs.targets.shape
        row, clip = self.pair_index // batch, self.pair_index % batch
        row = (row + step) % prompts
        pairs = self.pairs
        return PairBatch(pairs.vectors[clip], pairs.queries[row, clip], pairs.targets[row, clip])

    def log_probabilities(self, step: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of the query given the original and the masked clip, ``[encoded]``.

        The query is that of :meth:`batch`.
        """
        original, query, target = self.batch(step)
        odds = partial(self.pairs.classes.log_odds, query=query, target=target)
        return logsigmoid(odds(original)), logsigmoid(odds(self.masked))

    def confidence_weight(self) -> torch.Tensor:
        """:attr:`PromptPairs.confidence_weight` of these pairs, ``[encoded]``."""
        return self.pairs.confidence_weight.flatten()[self.pair_index]
