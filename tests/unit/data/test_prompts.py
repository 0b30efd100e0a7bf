"""Prompts of class labels, and their paraphrases."""

import csv
import re

import pytest

from speechbrain_lmac.data.labels import ESC50_CLASSES, URBANSOUND8K_CLASSES, audioset_labels
from speechbrain_lmac.data.prompts import TEMPLATES, label_to_words, paraphrases, to_paper_template
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("classes", [ESC50_CLASSES, URBANSOUND8K_CLASSES], ids=["esc50", "us8k"])
def test_paraphrases_are_five_and_unique(classes):
    """Every class has five, and no prompt belongs to two classes."""
    prompts = [prompt for name in classes for prompt in paraphrases()[name]]
    assert len(prompts) == len(set(prompts)) == 5 * len(classes)


def test_paraphrases_differ_from_labels():
    """No paraphrase is the class name."""
    for name, prompts in paraphrases().items():
        assert not any(prompt.lower() == label_to_words(name) for prompt in prompts)


def test_paraphrases_are_of_known_classes():
    """The table holds the classes of both data sets and no others."""
    assert set(paraphrases()) == set(ESC50_CLASSES) | set(URBANSOUND8K_CLASSES)


STOP_WORDS = re.compile(
    r"\b(an?|the|of|on|in|at|to|is|are|its|his|their|and|by|from|with|for|some(one|body)?)\b"
)


def words(phrase):
    """Words of a phrase without order, inflection and stop words."""
    parts = re.findall(r"[a-z]+", STOP_WORDS.sub("", phrase.lower()))
    return frozenset(re.sub(r"(?<=..)(ings?|ed|es|s|e)$", "", word) for word in parts)


def test_words_ignore_order_and_inflection():
    """The comparison of the next test does what it should."""
    assert words("a buzzing fly") == words("the buzzed fly") != words("a buzzing bee")


def test_training_phrases_avoid_evaluation():
    """No phrase of MiniCLAP's training is a paraphrase or a class name of the evaluation."""
    with open(REPOSITORY / "experiments" / "mini_clap" / "phrases.csv", newline="") as file:
        phrases = list(csv.DictReader(file))
    assert {row["label"] for row in phrases} <= set(audioset_labels())
    classes = {words(label_to_words(name)) for name in ESC50_CLASSES + URBANSOUND8K_CLASSES}
    evaluation = {words(prompt) for prompts in paraphrases().values() for prompt in prompts}
    others = [row["phrase"] for row in phrases if words(row["phrase"]) != words(row["label"])]
    assert not [phrase for phrase in others if words(phrase) in classes | evaluation]


def test_to_paper_template_accepts_all_templates():
    """All templates lead to the same prompt."""
    assert len({to_paper_template(template.format("sea waves")) for template in TEMPLATES}) == 1
