"""Summary of a report: the presence of each prompt in each sound, and notes on prompts."""

from collections.abc import Sequence
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """Presence of a prompt in a sound, or its probability against another text."""

    prompt: str
    value: float
    absent: bool
    card: int | None
    """Place of the prompt's card in its section, from 1; None if it has no card."""


class Summary(NamedTuple):
    """Table of the presence of prompts in sounds."""

    prompts: tuple[str, ...]
    """Prompts of all sounds, in order; empty if the sounds have different prompts."""
    rows: tuple[tuple[Any, ...], ...]
    """Name of each sound and its findings."""
    quantity: str
    """Name of the values."""

    @property
    def size(self) -> int:
        """Number of values."""
        return sum(len(findings) for _, findings in self.rows)


def summarize(sections: Sequence[Any]) -> Summary:
    """Return the summary of the sections of a report.

    Arguments
    ---------
    sections : sequence of ClipSection or RecordingSection
        Sections, at least one.

    Returns
    -------
    Summary
    """
    prompts = {tuple(finding.prompt for finding in section.findings) for section in sections}
    words, against = sections[0].words, sections[0].against
    quantity = words.presence if against is None else f"probability rather than “{against}”"
    rows = tuple((section.name, section.findings) for section in sections)
    return Summary(prompts.pop() if len(prompts) == 1 else (), rows, quantity)


def note_of(warning: str, prompt: str) -> str | None:
    """Return a warning about a prompt without the prompt; None if it is about something else.

    Example
    -------
    >>> note_of("“rain”: nearly silent", "rain")
    'Nearly silent'
    """
    start = f"“{prompt}”: "
    if not warning.startswith(start):
        return None
    text = warning.removeprefix(start)
    return f"{text[0].upper()}{text[1:]}"


def notes_of(warnings: Sequence[str], prompt: str) -> tuple[str, ...]:
    """Return the notes of :func:`note_of` on a prompt."""
    notes = (note_of(warning, prompt) for warning in warnings)
    return tuple(note for note in notes if note is not None)


def other_notes(warnings: Sequence[str], prompts: Sequence[str]) -> tuple[str, ...]:
    """Return the warnings that are about none of the prompts.

    Example
    -------
    >>> other_notes(["“rain”: nearly silent", "the sound is very quiet"], ["rain"])
    ('the sound is very quiet',)
    """
    starts = tuple(f"“{prompt}”: " for prompt in prompts)
    return tuple(warning for warning in warnings if not warning.startswith(starts))
