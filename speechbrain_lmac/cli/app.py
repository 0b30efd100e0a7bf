"""``speechbrain-lmac app``: the web app."""

from typing import Annotated

from typer import Option

from speechbrain_lmac.utils.errors import InputError, first_line

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac app
  speechbrain-lmac app --source results/lmac/stft/1986
  speechbrain-lmac app --any-source --max-minutes 60
  speechbrain-lmac app --port 8000 --host 0.0.0.0 --allow-host studio.local
"""


def run(
    host: Annotated[
        str, Option(metavar="ADDRESS", help="Address to listen on. The default is local only.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        Option(
            metavar="NAME",
            help="Host name or address that browsers may use, '*' for any. Can be repeated.",
        ),
    ] = None,
    port: Annotated[
        int | None, Option(metavar="N", help="Port. Default: the first free one from 7860.")
    ] = None,
    source: Annotated[
        list[str] | None,
        Option(
            metavar="INTERPRETER",
            help="Interpreter to choose from: a results folder, or a Hub repository USER/NAME. Can "
            "be repeated. Default: mini-stft and mini-mel.",
        ),
    ] = None,
    any_source: Annotated[
        bool,
        Option(
            "--any-source",
            help="Show a field for any other interpreter. Whoever uses the app can then load "
            "folders of this machine and repositories of the Hub.",
        ),
    ] = False,
    max_minutes: Annotated[
        int,
        Option(
            metavar="N",
            min=1,
            help="Longest sound, in minutes. The limits of size (6 MB per minute) and time (12 s "
            "per minute) grow with it.",
        ),
    ] = 10,
) -> int:
    """Explain sounds in a web browser.

    Upload or record a sound, type prompts or choose classes, and listen to the explanations."""
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise InputError("gradio must be installed. Run pip install '.[demo]'") from error
    from speechbrain_lmac.cli.inputs import silence_libraries
    from speechbrain_lmac.cli.web import SOURCES, interpreter, launch

    silence_libraries()
    for name in source or ():
        interpreter(name)  # an invalid source ends the command
    try:
        where = {"server_name": host, "server_port": port}
        launch(allow_host or (), source or SOURCES, max_minutes, any_source, **where)
    except OSError as error:
        raise InputError(
            f"--host {host} and --port must be free to use: {first_line(error)}"
        ) from error
    return 0
