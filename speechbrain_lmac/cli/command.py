"""The kinds of commands of the command line: how they parse words, and how they end."""

import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

from typer import Exit
from typer.core import TyperCommand, TyperOption

from speechbrain_lmac.utils.config import print_settings
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.settings_help import is_help_request

WORDS = "speechbrain_lmac.words"
"""Key of the words of a settings command, as they were given, in the context's ``meta``."""
LIST = "..."
"""End of the metavar of an option that takes several values, as in ``--labels dog cat``."""
CONTEXT = {"help_option_names": ["--help", "-h"], "max_content_width": 100}
"""Context settings of the program and of each command."""


class Command(TyperCommand):
    """A command whose options are given once and are not empty.

    Errors that the user can correct end it with one line on standard error and status 2. An
    interruption ends it with status 130, a termination with 128 plus the number of the signal.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the arguments, without their Python types, and of the options."""
        records = [(param, param.get_help_record(ctx)) for param in self.get_params(ctx)]
        options = [record for param, record in records if isinstance(param, TyperOption)]
        arguments = [
            (str(param.metavar), record[1])
            for param, record in records
            if record and not isinstance(param, TyperOption)
        ]
        for title, rows in (("Arguments", arguments), ("Options", options)):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse ``args`` after checking that each option is given once and is not empty."""
        options = [param for param in self.get_params(ctx) if isinstance(param, TyperOption)]
        lists = {option.opts[0] for option in options if (option.metavar or "").endswith(LIST)}
        args = one_value_each(args, lists)
        values, _, order = self.make_parser(ctx).parse_args(list(args))
        for param in dict.fromkeys(order):
            name = param.opts[0] if param in options else param.metavar
            value = values.get(param.name)
            if "" in (value if isinstance(value, list | tuple) else [value]):
                raise InputError(f"{name} must not be empty")
            repeatable = param not in options or param.is_flag or param.multiple
            if order.count(param) > 1 and not repeatable:
                raise InputError(f"{name} must be given once")
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        unwind_on_signals()
        return report_errors(super().invoke, resumable=False)(ctx)


class SettingsCommand(TyperCommand):
    """A command whose words are parsed elsewhere: ``HPARAMS [--KEY VALUE ...]``."""

    def __init__(self, *args: Any, **kwargs: Any):
        settings = {**kwargs.pop("context_settings"), "ignore_unknown_options": True}
        super().__init__(
            *args,
            context_settings={**settings, "allow_extra_args": True},
            **{**kwargs, "options_metavar": "HPARAMS [--KEY VALUE ...]"},
        )

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Leave ``args`` in the context as they are, except for the help option."""
        ctx.meta[WORDS] = list(args)
        if is_help_request(args):
            print_settings(args[0])
            raise Exit
        super().parse_args(ctx, args)
        if not ctx.args and not ctx.params.get("on"):
            raise InputError(f"HPARAMS must be given. Run '{ctx.command_path} --help'")
        return ctx.args


def one_value_each(words: Sequence[str], lists: set[str]) -> list[str]:
    """Repeat the name of an option before each of its values.

    Arguments
    ---------
    words : sequence of str
        Words of a command line.
    lists : set of str
        Names of the options that take all values up to the next option.

    Returns
    -------
    list of str

    Example
    -------
    >>> one_value_each(["a.wav", "--labels", "dog", "cat", "--top", "1"], {"--labels"})
    ['a.wav', '--labels', 'dog', '--labels', 'cat', '--top', '1']
    """
    option = ""
    repeated: list[str] = []
    for word in words:
        if word.startswith("-"):
            option = word if word in lists else ""
        elif option and repeated[-1] != option:
            repeated.append(option)
        repeated.append(word)
    return repeated


def unwind_on_signals() -> None:
    """Turn a termination and the end of the terminal into :class:`SystemExit`.

    Partial files are then removed as after an interruption. A signal that is ignored, for example
    under ``nohup``, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: sys.exit(128 + number))
