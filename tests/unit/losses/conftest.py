"""Pairs of clips and queries with known vectors."""

import pytest
import torch

from speechbrain_lmac.losses.pairs import MaskedPairs, PromptPairs
from speechbrain_lmac.models.class_set import ClassSet, ScaledDotProduct

FIRST, SECOND, THIRD = torch.eye(4)[:3].tolist()
"""Unit vectors along the axes."""


def class_set(queries, scale):
    """Return competing classes with a logit scale."""
    head = ScaledDotProduct()
    head.logit_scale = scale
    return ClassSet(queries, head)


def unit_vectors(*shape, seed):
    """Return random vectors of unit norm."""
    vectors = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors, dim=-1)


def one_clip(*queries, classes=4, scale=2.0, targets=None):
    """Return pairs of queries with a clip along the first axis; classes lie along the axes."""
    vectors, queries = torch.eye(4)[:1], torch.tensor(queries, dtype=torch.float).unsqueeze(1)
    targets = [-1] * len(queries) if targets is None else targets
    return PromptPairs(
        vectors,
        queries,
        torch.tensor(targets).unsqueeze(1),
        class_set(torch.eye(4)[:classes], scale),
    )


def unmasked(pairs):
    """Return eight pairs under full masks."""
    return MaskedPairs(pairs.vectors.repeat(2, 1), pairs, torch.arange(8))


@pytest.fixture
def pairs():
    """Return four clips with two prompts each and six classes; two of the clips are mixtures."""
    classes, targets = unit_vectors(6, 8, seed=0), torch.tensor([[0, 1, 2, -1], [-1, 0, 1, 2]])
    queries = torch.where(
        targets.unsqueeze(-1) >= 0, classes[targets], unit_vectors(2, 4, 8, seed=1)
    )
    sources = torch.rand(2, 4, 6, 5, generator=torch.Generator().manual_seed(4))
    sources[1, :2] = 0
    return PromptPairs(
        unit_vectors(4, 8, seed=2), queries, targets, class_set(classes, 5.0), sources
    )


@pytest.fixture
def masks():
    """Return a random mask of each pair."""
    return torch.rand(2, 4, 6, 5, generator=torch.Generator().manual_seed(3))
