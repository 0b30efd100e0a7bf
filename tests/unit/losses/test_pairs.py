"""Pairs of clips and queries: probabilities, confidence weights and separable mixtures."""

import pytest
import torch

from speechbrain_lmac.losses.pairs import MaskedPairs, PromptPairs
from tests.unit.losses.conftest import FIRST, SECOND, class_set, one_clip


def test_log_odds_of_a_class_are_its_softmax(pairs):
    """A query that is a class is not counted twice."""
    odds = pairs.log_odds[0, :3]
    scale = pairs.classes.classifier.logit_scale
    softmax = (scale * pairs.vectors @ pairs.classes.queries.T).softmax(dim=1)
    torch.testing.assert_close(odds.sigmoid(), softmax[range(3), pairs.targets[0, :3]])


def test_other_query_competes_with_all_classes(pairs):
    """A query that is no class is added to the softmax."""
    scale = pairs.classes.classifier.logit_scale
    queries = torch.cat([pairs.queries[0, 3:], pairs.classes.queries])
    logits = scale * pairs.vectors[3] @ queries.T
    torch.testing.assert_close(pairs.log_odds[0, 3].sigmoid(), logits.softmax(dim=0)[0])


def test_confidence_weight_is_relative_to_chance():
    """With equal logits it is 1 for a class and n / (n + 1) for an additional query."""
    for classes in (2, 4):
        pairs = one_clip(FIRST, SECOND, classes=classes, scale=0.0, targets=[0, -1])
        torch.testing.assert_close(
            pairs.confidence_weight[:, 0], torch.tensor([1.0, classes / (classes + 1)])
        )


def test_batch_steps_through_queries_of_a_clip():
    """The query after the last one is the first one; clips keep their own queries."""
    queries = torch.arange(6.0).view(3, 2, 1)
    targets = torch.arange(6).view(3, 2)
    pairs = PromptPairs(
        torch.tensor([[0.0], [1.0]]), queries, targets, class_set(torch.eye(1), 1.0)
    )
    masked = MaskedPairs(torch.zeros(6, 1), pairs, torch.arange(6))
    for step, rows in [(0, (0, 1, 2)), (1, (1, 2, 0)), (2, (2, 0, 1)), (3, (0, 1, 2))]:
        batch = masked.batch(step)
        expected = [2 * row + clip for row in rows for clip in (0, 1)]
        assert batch.target.tolist() == expected == batch.query.flatten().tolist()
        assert batch.original.flatten().tolist() == [0, 1] * 3


@pytest.fixture
def three_mixtures():
    """Return mixtures whose sources have one class, two queries, and one query."""
    queries = torch.eye(4)[[0, 1, 0, 1, 0, 1]].view(3, 2, 4).transpose(0, 1).clone()
    queries[1, 2] = queries[0, 2]
    targets = torch.tensor([[0, -1, -1], [0, -1, -1]])
    sources = torch.ones(2, 3, 1, 1)
    return PromptPairs(torch.eye(4)[:3], queries, targets, class_set(torch.eye(4), 1.0), sources)


def test_separable_needs_two_sources(three_mixtures):
    """Classes or queries differ; an unmixed clip is not separable."""
    assert three_mixtures.separable.tolist() == [False, True, False]
    unmixed = torch.tensor([1.0, 0.0])[:, None, None, None]
    assert not three_mixtures._replace(sources=three_mixtures.sources * unmixed).separable.any()
    classes = three_mixtures._replace(targets=torch.tensor([[0, 1, 2], [1, 0, 3]]))
    assert classes.separable.tolist() == [True, True, False]
