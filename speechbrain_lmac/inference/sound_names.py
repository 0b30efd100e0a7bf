"""Names of the masked-in and masked-out sounds of prompts, and of clips of their regions."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

EXPLANATION, RESIDUAL = "-explanation.wav", "-residual.wav"
"""Ends of the names of masked-in and masked-out sounds."""
EXPLANATION_OF_REGIONS = "-explanation.flac"
"""End of the name of a masked-in sound that is silent outside the regions of its prompt."""
MAX_NAME_BYTES = 200
"""Maximum size of a prompt or a stem in a file name, which has room for 255 bytes."""
MAX_SLUG = 60
"""Maximum number of characters of a prompt in a file name."""
NAME = re.compile(r"\d+-(?P<slug>.+)-(explanation|residual|clip-[\d.]+-[\d.]+s)\.(wav|flac)")
"""Pattern of the names."""


def explanation_files(folder: Path, prompts: Sequence[str], end: str = EXPLANATION) -> list[Path]:
    """Return the paths of the masked-in sounds in a folder, in the order of the prompts.

    Arguments
    ---------
    folder : Path
        Folder.
    prompts : sequence of str
        Prompts.
    end : str
        End of the names. Default: ``-explanation.wav``.
    """
    return [folder / f"{i}-{_slug(prompt)}{end}" for i, prompt in enumerate(prompts)]


def residual_of(path: Path) -> Path:
    """Return the path of the masked-out sound of an explanation."""
    return path.with_name(path.name.removesuffix(EXPLANATION) + RESIDUAL)


def clip_name(index: int, prompt: str, start: float, stop: float, end: str = ".flac") -> str:
    """Return the name of the clip of a region, by its prompt, start and end in seconds.

    Example
    -------
    >>> clip_name(1, "the rain", 7.5, 1234.06)
    '1-the-rain-clip-00007.5-01234.1s.flac'
    """
    return f"{index}-{_slug(prompt)}-clip-{start:07.1f}-{stop:07.1f}s{end}"


def is_clip(name: str) -> bool:
    """Return whether a file name is that of the clip of a region.

    Example
    -------
    >>> is_clip("1-rain-clip-00007.5-00009.0s.flac"), is_clip("1-rain-explanation.flac")
    (True, False)
    """
    match = NAME.fullmatch(name)
    return match is not None and match[2].startswith("clip-")


def is_of_other_prompt(name: str, prompts: Sequence[str]) -> bool:
    """Return whether a file is a sound of none of the prompts, whatever its number.

    Example
    -------
    >>> is_of_other_prompt("1-rain-explanation.wav", ["wind"])
    True
    >>> is_of_other_prompt("1-rain-explanation.wav", ["Rain!"])
    False
    >>> is_of_other_prompt("1-rain-clip-00007.5-00009.0s.flac", ["wind"])
    True
    >>> is_of_other_prompt("scores.json", ["wind"])
    False
    """
    match = NAME.fullmatch(name)
    return match is not None and match["slug"] not in {_slug(prompt) for prompt in prompts}


def _slug(prompt: str) -> str:
    """Return a prompt as part of a file name. A long one ends with its hash, to differ from others.

    Example
    -------
    >>> _slug("this is the sound of crying baby!")
    'this-is-the-sound-of-crying-baby'
    >>> _slug("a siren that passes by slowly on a wet street at night in the city")
    'a-siren-that-passes-by-slowly-on-a-wet-street-at-ni-081d7623'
    """
    words = "".join(c.lower() if c.isalnum() else " " for c in prompt).split()
    slug = "-".join(words) or "prompt"
    if len(slug) <= MAX_SLUG and len(slug.encode()) <= MAX_NAME_BYTES:
        return slug
    digest = hashlib.sha256(slug.encode()).hexdigest()[:8]
    cut = slug[: MAX_SLUG - 9].encode()[: MAX_NAME_BYTES - 9]
    return f"{cut.decode(errors='ignore')}-{digest}"
