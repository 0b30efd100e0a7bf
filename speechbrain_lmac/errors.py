"""The one exception that means "what you gave us cannot be used", and how a command ends."""

import functools
import sys


class InputError(ValueError):
    """Input that cannot be used; the message names the thing and the remedy."""


def report_errors(command):
    """Make a command end without a traceback where the user is to act.

    Bad input is one line and exit status 2; an interruption says how to go on and is 130. Any
    other exception is a fault of ours and keeps its traceback.
    """

    @functools.wraps(command)
    def wrapped(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            print("\ninterrupted; give the same command again to go on", file=sys.stderr)
            sys.exit(130)

    return wrapped


def first_line(error):
    """What an error says, for one sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
