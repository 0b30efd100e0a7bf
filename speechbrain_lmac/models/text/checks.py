"""Coverage of prompts by a tokenizer: prompts without any token are refused.

A tokenizer drops characters without a token, folds case and accents, and truncates long texts. Two
prompts that differ only in these have the same embedding.
"""

import contextlib
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from speechbrain_lmac.utils.errors import InputError, first_line

HIDDEN = ("Cc", "Cf", "Co", "Cs")
"""Unicode categories of invisible characters: controls, zero-width and direction marks."""
SHOWN = 60
"""Characters of a prompt in a warning."""


class TextCoverage(NamedTuple):
    """Coverage of a prompt by a tokenizer."""

    key: tuple[str, ...]
    """Tokens of the prompt; equal for prompts that the encoder cannot distinguish."""
    unread: tuple[str, ...] = ()
    """Parts of the prompt without a token."""
    seen: bool = True
    """Whether any token carries meaning."""
    last: str | None = None
    """Last encoded characters of a truncated prompt; None for a prompt that fits."""


@contextlib.contextmanager
def no_panic(what: str) -> Iterator[None]:
    """Turn errors of the tokenizers library into InputError.

    The library is written in Rust. Its errors are plain Exceptions, and its panics BaseExceptions,
    which ``except Exception`` does not catch.

    Arguments
    ---------
    what : str
        Name of the tokenizer in the error.
    """
    try:
        yield
    except BaseException as error:
        if type(error) is not Exception and type(error).__name__ != "PanicException":
            raise
        raise InputError(f"{what} cannot be used: {first_line(error)}") from error


def visible(text: str) -> str:
    """Remove invisible characters from a text; white space stays.

    Example
    -------
    >>> visible("do\\u200bg bark")
    'dog bark'
    """
    return "".join(c for c in text if c.isspace() or unicodedata.category(c) not in HIDDEN)


def read(tokenizer: Any, text: str, content: str, longest: int) -> TextCoverage:
    """Tokenize a prompt and measure its coverage.

    Arguments
    ---------
    tokenizer : transformers.PreTrainedTokenizerBase
        Tokenizer of the encoder.
    text : str
        Input of the encoder.
    content : str
        Words of the prompt, without the sentence of a template.
    longest : int
        Largest number of tokens of the encoder, including special tokens.

    Returns
    -------
    TextCoverage
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


def _tokens(tokenizer: Any, text: str) -> Any:
    offsets = {"return_offsets_mapping": True} if tokenizer.is_fast else {}
    return tokenizer(text, add_special_tokens=False, verbose=False, **offsets)


def _uncovered(text: str, spans: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """Parts of a text without a token, except white space and accents."""
    covered = {place for start, end in spans for place in range(start, end)}
    pieces: dict[int, str] = {}
    before: int | None = None
    for place, letter in enumerate(text):
        kind = unicodedata.category(letter)
        if letter.isspace() or kind == "Mn" or (place in covered and kind not in HIDDEN):
            continue
        joined = before == place - 1
        begin = next(reversed(pieces)) if joined else place
        pieces[begin] = pieces.get(begin, "") + letter
        before = place
    return tuple(dict.fromkeys(pieces.values()))


def check(prompt: str, reading: Callable[[str], TextCoverage]) -> tuple[str, ...]:
    """Refuse a prompt without any token; warn about a partly encoded prompt.

    Arguments
    ---------
    prompt : str
        Prompt.
    reading : callable
        Function of the prompt that returns a :class:`TextCoverage`.

    Returns
    -------
    tuple of str
        Key, equal for prompts that the encoder cannot distinguish.

    Raises
    ------
    InputError
        If no part of the prompt is encoded, or it is not valid text.
    """
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"the prompt {prompt!a} must be text, but holds bytes that are not UTF-8. "
            "Type it again in UTF-8"
        ) from error
    coverage = reading(prompt)
    shown = ascii_if_hidden(prompt[:SHOWN] + (" ..." if len(prompt) > SHOWN else ""))
    lost = ", ".join(ascii_if_hidden(piece[:SHOWN]) for piece in coverage.unread[:3])
    if not coverage.seen:
        why = f"has no token for {lost}" if lost else "reads no letter of it"
        raise InputError(f"the text encoder {why} in the prompt {shown}. Say it in other words")
    if coverage.unread:
        warnings.warn(f"the text encoder has no token for {lost} in {shown}", stacklevel=4)
    if coverage.last is not None:
        last = ascii_if_hidden(coverage.last)
        warnings.warn(
            f"only the beginning of {shown} is read, up to {last}: it is too long", stacklevel=4
        )
    return coverage.key


def ascii_if_hidden(piece: str) -> str:
    """Part of a prompt in quotes, with invisible characters escaped."""
    return repr(piece) if piece.isprintable() else ascii(piece)


def check_apart(keys: Mapping[str, tuple[str, ...]]) -> None:
    """Raise InputError for two prompts that the encoder cannot distinguish.

    Arguments
    ---------
    keys : dict
        Key of each prompt, as :func:`check` returns it.
    """
    first: dict[tuple[str, ...], str] = {}
    for prompt, key in keys.items():
        other = first.setdefault(key, prompt)
        if other != prompt:
            raise InputError(
                f"the prompts {ascii_if_hidden(other)} and {ascii_if_hidden(prompt)} are the same "
                "to the text encoder. Leave one out or say it in other words"
            )
