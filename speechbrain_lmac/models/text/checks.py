"""What a text encoder reads of a prompt; prompts of which it reads nothing are refused.

A tokenizer drops what it has no token for, folds case and accents, and cuts long texts. Two prompts
that differ in that alone have one embedding, and a prompt that loses all of it has no meaning.
"""

import contextlib
import unicodedata
import warnings
from typing import NamedTuple

from speechbrain_lmac.utils.errors import InputError, first_line

HIDDEN = ("Cc", "Cf", "Co", "Cs")
"""Unicode categories of letters that do not show: controls, zero-width and direction marks."""
SHOWN = 60
"""Letters of a prompt in a warning."""


class TextCoverage(NamedTuple):
    """What a tokenizer makes of a prompt."""

    key: tuple[str, ...]
    """Tokens that are read; equal for prompts that the encoder cannot tell apart."""
    unread: tuple[str, ...] = ()
    """Pieces of the prompt for which there is no token."""
    seen: bool = True
    """Whether anything that carries meaning is read."""
    last: str | None = None
    """The last letters that are read, if the prompt is longer than that; else None."""


@contextlib.contextmanager
def no_panic(what):
    """Turn what the tokenizers library raises into InputError.

    It is written in Rust: its errors are bare Exceptions, and its panics BaseExceptions, which pass
    every ``except Exception``.

    Arguments
    ---------
    what : str
        What to call the tokenizer in the error.
    """
    try:
        yield
    except BaseException as error:
        if type(error) is not Exception and type(error).__name__ != "PanicException":
            raise
        raise InputError(f"{what} cannot be used: {first_line(error)}") from error


def visible(text):
    """A text without letters that do not show; white space stays.

    Example
    -------
    >>> visible("do\\u200bg bark")
    'dog bark'
    """
    return "".join(c for c in text if c.isspace() or unicodedata.category(c) not in HIDDEN)


def read(tokenizer, text, content, longest):
    """What a tokenizer reads of a prompt.

    Arguments
    ---------
    tokenizer : transformers.PreTrainedTokenizerBase
        The encoder's own.
    text : str
        What the encoder is given.
    content : str
        The prompt's own words, without the sentence around them.
    longest : int
        Tokens that the encoder reads, with those that begin and end a text.

    Returns
    -------
    Reading
    """
    with no_panic("the tokenizer"):
        whole = _tokens(tokenizer, visible(text))
        part = _tokens(tokenizer, content)
    room = longest - tokenizer.num_special_tokens_to_add()
    key = tuple(tokenizer.convert_ids_to_tokens(whole["input_ids"][:room]))
    last = None
    if len(whole["input_ids"]) > room:
        last = key[-1]
        if "offset_mapping" in whole:
            end = whole["offset_mapping"][room - 1][1]
            last = visible(text)[max(0, end - 20) : end]
    ids = part["input_ids"]
    known = [id not in tokenizer.all_special_ids for id in ids]
    if "offset_mapping" not in part:
        return TextCoverage(key, () if all(known) else (content,), any(known), last)
    spans = [span for span, is_known in zip(part["offset_mapping"], known) if is_known]
    unread = _uncovered(content, spans)
    words = any(any(map(str.isalnum, content[start:end])) for start, end in spans)
    return TextCoverage(key, unread, words or bool(ids and not unread), last)


def _tokens(tokenizer, text):
    offsets = {"return_offsets_mapping": True} if tokenizer.is_fast else {}
    return tokenizer(text, add_special_tokens=False, verbose=False, **offsets)


def _uncovered(text, spans):
    """Pieces of a text that no token stands for; white space and accents are no loss."""
    covered = {place for start, end in spans for place in range(start, end)}
    pieces, before = {}, None
    for place, letter in enumerate(text):
        kind = unicodedata.category(letter)
        if letter.isspace() or kind == "Mn" or (place in covered and kind not in HIDDEN):
            continue
        joined = before == place - 1
        begin = next(reversed(pieces)) if joined else place
        pieces[begin] = pieces.get(begin, "") + letter
        before = place
    return tuple(dict.fromkeys(pieces.values()))


def check(prompt, reading):
    """Refuse a prompt of which nothing is read; warn where a part is not.

    Arguments
    ---------
    prompt : str
        As it was given.
    reading : callable
        Prompt -> :class:`TextCoverage`.

    Returns
    -------
    tuple of str
        The key: equal for prompts that the encoder cannot tell apart.

    Raises
    ------
    InputError
        Naming the prompt and why.
    """
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the prompt {prompt!a} must be text, but holds bytes that are not UTF-8. "
            "Type it again in UTF-8"
        ) from error
    found = reading(prompt)
    shown = ascii_if_hidden(prompt[:SHOWN] + (" ..." if len(prompt) > SHOWN else ""))
    lost = ", ".join(ascii_if_hidden(piece[:SHOWN]) for piece in found.unread[:3])
    if not found.seen:
        why = f"has no token for {lost}" if lost else "reads no letter of it"
        raise InputError(f"the text encoder {why} in the prompt {shown}. Say it in other words")
    if found.unread:
        warnings.warn(f"the text encoder has no token for {lost} in {shown}", stacklevel=4)
    if found.last is not None:
        last = ascii_if_hidden(found.last)
        warnings.warn(
            f"only the beginning of {shown} is read, up to {last}: it is too long", stacklevel=4
        )
    return found.key


def ascii_if_hidden(piece):
    """A piece of a prompt in quotes; letters that do not show by their numbers."""
    return repr(piece) if piece.isprintable() else ascii(piece)


def check_apart(keys):
    """Refuse two prompts that the encoder cannot tell apart.

    Arguments
    ---------
    keys : dict
        Prompt -> key of :func:`check`.
    """
    first = {}
    for prompt, key in keys.items():
        other = first.setdefault(key, prompt)
        if other != prompt:
            raise InputError(
                f"the prompts {ascii_if_hidden(other)} and {ascii_if_hidden(prompt)} are the same "
                "to the text encoder. Leave one out or say it in other words"
            )
