"""Class names as people say them, and the sentences they are put in."""

import csv
from functools import cache
from pathlib import Path

PARAPHRASES = Path(__file__).parent / "assets" / "paraphrases.csv"

TEMPLATE = "this is the sound of {}"
"""The paper's prompt."""

TEMPLATES = (
    TEMPLATE,
    "the sound of {}",
    "a recording of {}",
    "{}",
)
"""Sentences that training draws from."""


def speakable(name):
    """A class name as words.

    Example
    -------
    >>> speakable("crying_baby")
    'crying baby'
    """
    return name.replace("_", " ")


def class_prompt(name, template=TEMPLATE):
    """The prompt for a class.

    Example
    -------
    >>> class_prompt("crying_baby")
    'this is the sound of crying baby'
    """
    return template.replace("{}", speakable(name))


def in_template(prompt):
    """A prompt in the paper's template, whichever template it came in.

    Example
    -------
    >>> in_template("a recording of rain"), in_template("rain")
    ('this is the sound of rain', 'this is the sound of rain')
    """
    return class_prompt(bare(prompt))


def bare(prompt):
    """The words of a prompt that stand in a template, or all of it.

    Example
    -------
    >>> bare("a recording of rain"), bare("rain")
    ('rain', 'rain')
    """
    openings = [template.removesuffix("{}") for template in TEMPLATES if template != "{}"]
    for opening in openings:
        if prompt.lower().startswith(opening):
            return prompt[len(opening) :]
    return prompt


@cache
def paraphrases():
    """Other ways to say the class names of ESC-50 and UrbanSound8K, for evaluation only.

    They were written before anything was trained on prompts, and nothing may be trained on
    them or chosen by them: they measure what a change of wording costs.

    Returns
    -------
    dict
        Class name -> tuple of five prompts.

    Example
    -------
    >>> paraphrases()["rain"][0]
    'raindrops falling on a roof'
    """
    found = {}
    with open(PARAPHRASES, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["category"], []).append(row["prompt"])
    return {category: tuple(prompts) for category, prompts in found.items()}
