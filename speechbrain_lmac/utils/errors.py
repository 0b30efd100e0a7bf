"""InputError, which means that the user must act, and how a command ends with it."""

import functools
import os
import re
import sys
from collections.abc import Callable
from typing import Any


class InputError(ValueError):
    r"""Invalid input; the message names the input and the remedy in one line.

    Messages may contain untrusted names and texts. Characters that do not print are escaped, and
    user names, passwords and queries are removed from addresses.

    Arguments
    ---------
    message : str
        Description of the problem and its remedy.

    Example
    -------
    >>> print(InputError("no file a\nerror: done"))
    no file a\nerror: done
    """

    def __init__(self, message: object):
        super().__init__(printable(without_secrets(str(message).strip())))


SECRET = re.compile(
    r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^\s/@]*@)*(?P<rest>[^\s?#'\")]*)(?:[?#][^\s'\")]*)?"
)
"""Pattern of an address: user and password precede its host, a query follows its path."""


def without_secrets(text: str) -> str:
    """Remove users, passwords and queries from the addresses in a text.

    Example
    -------
    >>> without_secrets("no answer of https://me:hunter2@hub.example:8443/a/b.pt?token=hf_x")
    'no answer of https://hub.example:8443/a/b.pt'
    """
    return SECRET.sub(lambda match: match["scheme"] + match["rest"], text)


def printable(text: object) -> str:
    r"""Escape all characters of an untrusted text that do not print, such as terminal codes.

    Arguments
    ---------
    text : object
        Text, such as a file name, a prompt or a note in an interpreter.

    Returns
    -------
    str
        One line.

    Example
    -------
    >>> print(printable("\x1b[2Jdog\nrain"))
    \x1b[2Jdog\nrain
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def report_errors(
    command: Callable[..., Any] | None = None, *, resumable: bool = True
) -> Callable[..., Any]:
    """Decorate a command to end without a traceback where the user must act.

    An InputError becomes one line on standard error and exit status 2. An interruption becomes
    status 130. A closed pipe, as with ``head``, becomes status 141. Any other exception is a bug
    and keeps its traceback.

    Arguments
    ---------
    command : callable
        Function to decorate.
    resumable : bool
        Tell the user, after an interruption, that the same command resumes. Default: True.
    """
    if command is None:
        return functools.partial(report_errors, resumable=resumable)

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            remedy = "; give the same command again to resume" if resumable else ""
            print(f"\ninterrupted{remedy}", file=sys.stderr)
            sys.exit(130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)

    return wrapped


def first_line(error: BaseException) -> str:
    """First line of an exception's message, or its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
