"""``speechbrain-lmac app``: the browser demo."""

from speechbrain_lmac.utils.errors import InputError, first_line

HELP = "try it in a browser: upload or record, type texts, hear and see"
EXAMPLES = """\
examples:
  speechbrain-lmac app
  speechbrain-lmac app --port 8000 --host 0.0.0.0 --allow-host studio.local
"""


def add_arguments(parser):
    """What may follow the command's name."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="default: this machine alone")
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="host name or address under which others may open it; '*' for any",
    )
    add("--port", type=int, metavar="NUMBER", help="default: the first that is free from 7860 on")


def run(options):
    """Serve until it is stopped; the exit status."""
    try:
        import gradio  # noqa: F401
    except ImportError as error:
        raise InputError("the app needs gradio: run pip install '.[demo]' in a clone") from error
    from speechbrain_lmac.cli.batch import quietly
    from speechbrain_lmac.cli.web import launch

    quietly()
    try:
        launch(options.allow_host, server_name=options.host, server_port=options.port)
    except OSError as error:
        raise InputError(f"{options.host} cannot be served at: {first_line(error)}") from error
    return 0
