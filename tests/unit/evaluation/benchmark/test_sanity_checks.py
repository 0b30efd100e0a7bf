"""Paraphrased prompts of the sanity checks."""

import torch

from speechbrain_lmac.data.manifest import Clip
from speechbrain_lmac.evaluation.benchmark.items import EvaluationItem
from speechbrain_lmac.evaluation.benchmark.sanity_checks import paraphrase_prompts
from speechbrain_lmac.evaluation.scoring import ClassPrompts
from tests.helpers.small_networks import hooked, small_cnn

LABELS = ("dog", "rain")
ITEMS = [EvaluationItem("a", Clip("a", "a.wav", 1.0, 5, "dog", "a"), "dog")]


def test_only_prompted_classes_are_paraphrased(clap):
    """Each paraphrase replaces the query of the prompted class, and that of no other class."""
    prompts = ClassPrompts(LABELS, clap.class_queries(LABELS, ["{}"]))
    changed = paraphrase_prompts(clap, prompts, ITEMS)
    assert len(changed) == 5
    for paraphrased in changed:
        differs = (paraphrased.embeddings != prompts.embeddings).any(dim=1)
        assert differs.tolist() == [True, False]


def test_classes_of_a_head_have_no_paraphrases():
    """A supervised classifier with the class names of ESC-50 knows no other text."""
    classifier = hooked(small_cnn(classes=2), LABELS)
    queries = torch.stack([classifier.queries([label])[0] for label in LABELS])
    assert paraphrase_prompts(classifier, ClassPrompts(LABELS, queries), ITEMS) == []
