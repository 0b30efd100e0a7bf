"""What is asked of a sound: prompts, one prompt rather than another, or a choice among names."""

from collections import Counter
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from speechbrain_lmac.data.labels import ESC50_CLASSES
from speechbrain_lmac.data.prompts import speakable
from speechbrain_lmac.utils.errors import InputError

NO_DIFFERENCE = 1e-3
"""Between two texts that say the same."""


class PromptQuery(NamedTuple):
    """Prompts, embedded; and the one that each is to be told from, if there is one."""

    text: torch.Tensor
    """``[prompts, dim]``, unit norm."""
    asked: torch.Tensor
    """What the decoder is asked: the prompts, or how they differ from the rival; of that shape."""
    rival: torch.Tensor | None
    """``[dim]``."""


def as_prompts(prompts: str | list[str]) -> list[str]:
    """A prompt or several as a list; InputError if there is none, an empty one or one twice.

    Example
    -------
    >>> as_prompts("rain")
    ['rain']
    """
    if not isinstance(prompts, str | list | tuple):
        raise InputError(f"prompts must be a text or a list of texts, got {prompts!r}")
    prompts = [prompts] if isinstance(prompts, str) else list(prompts)
    if not prompts or not all(isinstance(text, str) and text.strip() for text in prompts):
        raise InputError("give at least one prompt, none of them empty")
    twice = [text for text, count in Counter(prompts).items() if count > 1]
    if twice:
        raise InputError(f"{twice[0]!r} is given twice")
    return prompts


def question(clap, prompts: str | list[str], against: str | None = None) -> PromptQuery:
    """Embed what is asked by a CLAP.

    Arguments
    ---------
    clap : CLAP
        That embeds.
    prompts : str or list of str
        Free text.
    against : str
        Ask about the difference of each prompt from this one, for that is what decides between
        them: ``e . t - e . t' = e . (t - t')``.

    Returns
    -------
    Question

    Raises
    ------
    InputError
        If it cannot be asked of any sound.
    """
    text = clap.queries(as_prompts(prompts))
    if against is None:
        return PromptQuery(text, text, None)
    if not isinstance(against, str):
        raise InputError(f"against must be one text, got {against!r}")
    (rival,) = clap.queries(as_prompts(against))
    if ((text - rival).norm(dim=1) < NO_DIFFERENCE).any():
        raise InputError(f"{against!r} says the same as a prompt: there is no difference")
    return PromptQuery(text, normalize(text - rival, dim=-1), rival)


def choice(clap, names: list[str] | None, template: str) -> tuple[tuple[str, ...], torch.Tensor]:
    """Names to choose among, by default the 50 of ESC-50, and their embeddings ``[names, dim]``;
    InputError if there is no choice.
    """
    among = [speakable(name) for name in ESC50_CLASSES] if names is None else as_prompts(names)
    if len(among) < 2:
        raise InputError("a choice takes at least two names")
    return tuple(among), clap.class_queries(among, [template])
