"""Class names as people say them, and the sentences they are put in."""

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
    return template.format(speakable(name))
