"""Class names as people say them, and the sentences they are put in."""

from functools import cache
from pathlib import Path

from speechbrain_lmac.utils.tables import read_csv

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


def label_to_words(name):
    """A class name as words.

    Example
    -------
    >>> label_to_words("crying_baby")
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
    return template.replace("{}", label_to_words(name))


def to_paper_template(prompt):
    """A prompt in the paper's template, whichever template it came in.

    Example
    -------
    >>> to_paper_template("a recording of rain"), to_paper_template("rain")
    ('this is the sound of rain', 'this is the sound of rain')
    """
    return class_prompt(strip_template(prompt))


def strip_template(prompt):
    """The words of a prompt that stand in a template, or all of it.

    Example
    -------
    >>> strip_template("a recording of rain"), strip_template("rain")
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
    for row in read_csv(PARAPHRASES, ["category", "prompt"]):
        found.setdefault(row["category"], []).append(row["prompt"])
    return {category: tuple(prompts) for category, prompts in found.items()}
