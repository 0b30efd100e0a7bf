import csv
import re

import pytest

from speechbrain_lmac.data.labels import ESC50_CLASSES, URBANSOUND8K_CLASSES, audioset_labels
from speechbrain_lmac.data.prompts import TEMPLATES, label_to_words, paraphrases, to_paper_template
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("classes", [ESC50_CLASSES, URBANSOUND8K_CLASSES], ids=["esc50", "us8k"])
def test_every_class_is_paraphrased_five_times_and_no_paraphrase_serves_two(classes):
    prompts = [prompt for name in classes for prompt in paraphrases()[name]]
    assert len(prompts) == len(set(prompts)) == 5 * len(classes)


def test_a_paraphrase_is_not_the_name_again():
    for name, prompts in paraphrases().items():
        assert not any(prompt.lower() == label_to_words(name) for prompt in prompts)


def test_nothing_is_paraphrased_that_is_no_class():
    assert set(paraphrases()) == set(ESC50_CLASSES) | set(URBANSOUND8K_CLASSES)


EMPTY = re.compile(
    r"\b(an?|the|of|on|in|at|to|is|are|its|his|their|and|by|from|with|for|some(one|body)?)\b"
)


def words(phrase):
    """Its words without order, inflection and those that say nothing."""
    found = re.findall(r"[a-z]+", EMPTY.sub("", phrase.lower()))
    return frozenset(re.sub(r"(?<=..)(ings?|ed|es|s|e)$", "", word) for word in found)


def test_words_are_compared_without_order_and_inflection():
    assert words("a buzzing fly") == words("the buzzed fly") != words("a buzzing bee")


def test_nothing_taught_is_a_paraphrase_of_the_evaluation_or_a_class_name():
    with open(REPOSITORY / "experiments" / "mini_clap" / "phrases.csv", newline="") as file:
        taught = list(csv.DictReader(file))
    assert {row["label"] for row in taught} <= set(audioset_labels())
    classes = {words(label_to_words(name)) for name in ESC50_CLASSES + URBANSOUND8K_CLASSES}
    evaluation = {words(prompt) for prompts in paraphrases().values() for prompt in prompts}
    beyond = [row["phrase"] for row in taught if words(row["phrase"]) != words(row["label"])]
    assert not [phrase for phrase in beyond if words(phrase) in classes | evaluation]


def test_the_template_does_not_matter():
    assert len({to_paper_template(template.format("sea waves")) for template in TEMPLATES}) == 1
