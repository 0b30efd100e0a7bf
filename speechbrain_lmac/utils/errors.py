"""The one exception that means "what you gave us cannot be used", and how a command ends."""

import functools
import os
import re
import sys


class InputError(ValueError):
    r"""Input that cannot be used; the message names the thing and the remedy.

    Names and texts of others may be in it: it is one line, whatever they hold, and addresses are
    without users, passwords and queries.

    Example
    -------
    >>> print(InputError("no file a\nerror: done"))
    no file a\nerror: done
    """

    def __init__(self, message):
        super().__init__(printable(without_secrets(str(message).strip())))


SECRET = re.compile(
    r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^\s/@]*@)*(?P<rest>[^\s?#'\")]*)(?:[?#][^\s'\")]*)?"
)
"""An address, in any text: the user and password before its host, the query after its path."""


def without_secrets(text):
    """A text whose addresses have no user, password or query.

    Example
    -------
    >>> without_secrets("no answer of https://me:hunter2@hub.example:8443/a/b.pt?token=hf_x")
    'no answer of https://hub.example:8443/a/b.pt'
    """
    return SECRET.sub(lambda found: found["scheme"] + found["rest"], text)


def printable(text):
    r"""A text of others as one line without terminal codes: what does not print is escaped.

    Arguments
    ---------
    text : str
        A name, a prompt, a note of an interpreter.

    Returns
    -------
    str

    Example
    -------
    >>> print(printable("\x1b[2Jdog\nrain"))
    \x1b[2Jdog\nrain
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


def report_errors(command=None, *, resumable=True):
    """Make a command end without a traceback where the user is to act.

    Bad input is one line and exit status 2; an interruption says how to go on and is 130; a reader
    that has seen enough, as ``head``, ends it. Any other exception is a fault of ours and keeps its
    traceback.

    Arguments
    ---------
    command : callable
        What is done.
    resumable : bool
        Whether the same command goes on where it was interrupted.
    """
    if command is None:
        return functools.partial(report_errors, resumable=resumable)

    @functools.wraps(command)
    def wrapped(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            then = "; give the same command again to go on" if resumable else ""
            print(f"\ninterrupted{then}", file=sys.stderr)
            sys.exit(130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)

    return wrapped


def first_line(error):
    """What an error says, for one sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
