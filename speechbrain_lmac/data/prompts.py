"""Prompts for class labels: templates and paraphrases."""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.tables import read_csv

PARAPHRASES = Path(__file__).parent / "assets" / "paraphrases.csv"
"""Five other prompts for each class of ESC-50 and UrbanSound8K."""
TEMPLATE = "this is the sound of {}"
"""Template of the paper."""
TEMPLATES = (
    TEMPLATE,
    "the sound of {}",
    "a recording of {}",
    "{}",
)
"""Templates from which training draws."""


def as_prompts(prompts: str | Sequence[str]) -> list[str]:
    """Return one or several prompts as a list.

    Arguments
    ---------
    prompts : str or list of str
        Prompts.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If there is no prompt, an empty one, or the same one twice.

    Example
    -------
    >>> as_prompts("rain")
    ['rain']
    """
    if not isinstance(prompts, str | list | tuple):
        raise InputError(f"prompts must be a text or a list of texts, got {prompts!r}")
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not prompts or not all(isinstance(text, str) and text.strip() for text in prompts):
        raise InputError(f"prompts must be at least one prompt and none empty, got {prompts!r}")
    repeated = [text for text, count in Counter(prompts).items() if count > 1]
    if repeated:
        raise InputError(f"prompts must be different, got {repeated[0]!r} twice")
    return prompts


def label_to_words(label: str) -> str:
    """Write a class label as words.

    Example
    -------
    >>> label_to_words("crying_baby")
    'crying baby'
    """
    return label.replace("_", " ")


def class_prompt(label: str, template: str = TEMPLATE) -> str:
    """Put a class label into a template.

    Example
    -------
    >>> class_prompt("crying_baby")
    'this is the sound of crying baby'
    """
    return template.replace("{}", label_to_words(label))


def to_paper_template(prompt: str) -> str:
    """Put a prompt into the paper's template, whatever its own template is.

    Example
    -------
    >>> to_paper_template("a recording of rain"), to_paper_template("rain")
    ('this is the sound of rain', 'this is the sound of rain')
    """
    return class_prompt(strip_template(prompt))


def strip_template(prompt: str) -> str:
    """Remove the template of a prompt, if it has one of ``TEMPLATES``.

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
def paraphrases() -> dict[str, tuple[str, ...]]:
    """Paraphrases of the classes of ESC-50 and UrbanSound8K, for evaluation only.

    They measure the effect of a change of wording. They were written before any training on
    prompts, and nothing may be trained on them or selected by them.

    Returns
    -------
    dict
        Class name -> tuple of five prompts.

    Example
    -------
    >>> paraphrases()["rain"][0]
    'raindrops falling on a roof'
    """
    prompts: dict[str, list[str]] = {}
    for row in read_csv(PARAPHRASES, ["category", "prompt"]):
        prompts.setdefault(row["category"], []).append(row["prompt"])
    return {category: tuple(texts) for category, texts in prompts.items()}
