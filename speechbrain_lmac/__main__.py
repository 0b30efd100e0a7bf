"""Command line: ``speechbrain-lmac COMMAND``."""

import argparse
import signal
import sys
import threading
from importlib import import_module
from typing import NamedTuple

from speechbrain_lmac.cli import app, classify, compare, explain, publish, ratings, report
from speechbrain_lmac.utils.errors import report_errors
from speechbrain_lmac.utils.version import VERSION

COMMANDS = {
    "explain": explain,
    "classify": classify,
    "report": report,
    "compare": compare,
    "ratings": ratings,
    "app": app,
    "publish": publish,
}
"""Commands whose arguments are parsed here."""


class Other(NamedTuple):
    """A command that is a module's own ``main``."""

    module: str
    usage: str
    """Empty if it has a help of its own."""
    help: str
    least: int
    """How many arguments it takes at least."""
    more: str = ""
    """What its help says beside the usage."""

    def run(self, arguments):
        """Do it; the exit status."""
        asked = bool({"-h", "--help"} & set(arguments[:1]))
        if self.usage and (asked or len(arguments) < self.least):
            said = f"usage: speechbrain-lmac {self.usage}\n\n{self.more}"
            print(said, file=sys.stdout if asked else sys.stderr)
            return 0 if asked else 2
        import_module(f"speechbrain_lmac.{self.module}").main(arguments)
        return 0


TRAIN = """\
Train a mask decoder for a CLAP as a YAML file says: one of yours, or one that is shipped:
lmac_zs.yaml (MiniCLAP), lmac_zs_laion.yaml, lmac_zs_microsoft.yaml and others.
Every setting of the file is a --key. An interrupted run goes on by the same command.

examples:
  speechbrain-lmac train lmac_zs.yaml
  speechbrain-lmac train lmac_zs.yaml --masking mel --data_folder ESC-50-master --seed 1
"""
EVALUATE = """\
Compare explainers at equal shares of cells as a YAML file says: one of yours, or one that is
shipped, such as evaluate.yaml. Every setting of the file is a --key. An interrupted run goes on by
the same command.

examples:
  speechbrain-lmac evaluate evaluate.yaml --fast True
  speechbrain-lmac evaluate evaluate.yaml --data_folder ESC-50-master --classes present
"""
DEMO = "Explain, train, compare: everything is written to FOLDER, results/demo by default.\n"
OTHERS = {
    "train": Other(
        "training.train", "train HPARAMS [--key value ...]", "train an interpreter", 1, TRAIN
    ),
    "evaluate": Other(
        "evaluation.benchmark.run",
        "evaluate HPARAMS [--key value ...]",
        "compare explainers",
        1,
        EVALUATE,
    ),
    "zero-shot": Other("evaluation.zero_shot", "", "how well a CLAP classifies a labeled set", 0),
    "demo": Other(
        "cli.demo", "demo [FOLDER]", "the main job on sounds that it makes itself", 0, DEMO
    ),
}
"""Commands that read their own arguments."""


class StoreOnce(argparse.Action):
    """Store an option's value; an option that is given twice is an error, not the last value."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Store ``values``."""
        given = vars(namespace).setdefault("given_once", set())
        if option_string is not None and self.dest in given:
            parser.error(f"{option_string} must be given once")
        if values == "":
            parser.error(f"{option_string or self.dest} must not be empty")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """A parser whose options are given once, unless they say otherwise."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for kind in (None, "store"):
            self.register("action", kind, StoreOnce)


def parser():
    """All commands and their arguments."""
    this = Parser(
        prog="speechbrain-lmac",
        description="Hear why a zero-shot audio classifier decided as it did.",
        epilog="speechbrain-lmac COMMAND --help says more.",
    )
    this.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    commands = this.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP[0].upper() + module.HELP[1:] + ".",
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
    for name, other in OTHERS.items():
        commands.add_parser(name, help=other.help, add_help=False)
    return this


def stop_cleanly():
    """Let a termination, or the end of the terminal, unwind as an interruption does, so that
    nothing half-written stays. What is ignored, as by nohup, stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: sys.exit(128 + number))


@report_errors(goes_on=False)
def main(arguments=None):
    """Run the command that the arguments name; the exit status."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments and arguments[0] in OTHERS:
        return OTHERS[arguments[0]].run(arguments[1:])
    if not arguments:
        parser().print_help()
        return 0
    options = parser().parse_args(arguments)
    stop_cleanly()
    return COMMANDS[options.command].run(options)


if __name__ == "__main__":
    sys.exit(main())
