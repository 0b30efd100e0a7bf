"""Command line: ``speechbrain-lmac COMMAND``."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from speechbrain_lmac.cli import (
    accuracy,
    classify,
    compare,
    demo,
    evaluate,
    explain,
    explain_many,
    hits,
    publish,
    ratings,
    report,
    train,
    zero_shot,
)
from speechbrain_lmac.cli import (
    app as web_app,
)
from speechbrain_lmac.cli.command import CONTEXT, Command, SettingsCommand
from speechbrain_lmac.utils.device import prepare_environment
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.version import VERSION

COMMANDS = {
    "explain": explain,
    "explain-many": explain_many,
    "hits": hits,
    "classify": classify,
    "report": report,
    "compare": compare,
    "ratings": ratings,
    "app": web_app,
    "publish": publish,
    "train": train,
    "evaluate": evaluate,
    "zero-shot": zero_shot,
    "accuracy": accuracy,
    "demo": demo,
}
"""Name -> module with the command's function ``run`` and its ``EXAMPLES``."""

app = typer.Typer(
    context_settings=CONTEXT,
    epilog="Run 'speechbrain-lmac COMMAND --help' for the options of a command.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for name, module in COMMANDS.items():
    kind = SettingsCommand if module in (train, evaluate) else Command
    app.command(name, cls=kind, context_settings=CONTEXT, epilog=module.EXAMPLES)(module.run)


def print_version(wanted: bool) -> None:
    """Print the version and end, if ``wanted``."""
    if wanted:
        print(f"speechbrain-lmac {VERSION}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def program(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Explain audio classifiers with masks that you can listen to."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@report_errors(resumable=False)
def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Arguments
    ---------
    arguments : sequence of str
        Words after the program's name. Default: the process's own.

    Returns
    -------
    int
    """
    prepare_environment()
    try:
        return app(arguments, prog_name="speechbrain-lmac", standalone_mode=False) or 0
    except typer.TyperException as error:
        raise InputError(_one_line(error)) from error


def _one_line(error: typer.TyperException) -> str:
    """Return an error of the parser as one line that names the help."""
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "speechbrain-lmac"
    return f"{message[0].lower()}{message[1:]}. Run '{path} --help'"


if __name__ == "__main__":
    sys.exit(main())
