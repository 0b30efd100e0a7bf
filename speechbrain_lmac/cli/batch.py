"""One thing done to many files: a bar, a line or a JSON object each, and a status for all."""

import argparse
import contextlib
import json
import sys
import warnings

from speechbrain_lmac.cli.files import read_lines
from speechbrain_lmac.utils.errors import InputError, printable

SOME_FAILED = 1
"""Exit status if some files could not be used, and the others could."""


def for_each(files, work, as_json):
    """Do it to every file; a file that cannot be used, or that memory does not suffice for, is
    reported and passed over.

    Arguments
    ---------
    files : list of str
        In order.
    work : callable
        File, and its place in the list -> a dict for JSON, and lines to print.
    as_json : bool
        Print one JSON object a line instead.

    Returns
    -------
    int
        Exit status: 0 if all is done.
    """
    from tqdm import tqdm

    from speechbrain_lmac.utils.device import enough_for

    failed = 0
    # shown on a terminal alone: in a log its lines would hide the errors
    bar = tqdm(files, unit="file", disable=None if len(files) > 1 else True, file=sys.stderr)
    for place, file in enumerate(bar):
        try:
            with enough_for(file), noted() as notes:
                found, lines = work(file, place)
            found, lines = _with_notes(found, lines, notes)
        except InputError as error:
            failed += 1
            found, lines = {"file": file, "error": str(error)}, []
            bar.write(f"error: {error}", file=sys.stderr)
        if as_json:
            lines = [json_line(found)]
        for line in lines:
            bar.write(printable(line), file=sys.stdout)
        sys.stdout.flush()
    if failed:
        print(f"{failed} of {len(files)} files could not be used", file=sys.stderr)
    return SOME_FAILED if failed else 0


@contextlib.contextmanager
def noted():
    """Gather the warnings of what is done, each once: a list of their texts."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", category=UserWarning)
        yield notes
    notes.extend(dict.fromkeys(str(each.message) for each in caught))


def _with_notes(found, lines, notes):
    """A record and lines that say, too, what was warned of."""
    if not notes:
        return found, lines
    said = [*found.get("warnings", ()), *notes]
    return {**found, "warnings": said}, [*lines, *(f"  note: {note}" for note in notes)]


def json_line(value):
    r"""A value as one line of JSON that holds no terminal code.

    Example
    -------
    >>> print(json_line({"prompt": "dög \x9b2J"}))
    {"prompt": "dög \u009b2J"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def quietly():
    """Keep other libraries' remarks off the terminal."""
    import logging

    from transformers.utils import logging as remarks

    remarks.disable_progress_bar()
    logging.getLogger("speechbrain").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)


def add_prompts(parser):
    """The arguments of a command that explains prompts."""
    add = parser.add_argument
    add("--prompt", action="append", default=[], metavar="TEXT", help="may be given several times")
    add("--prompts-file", metavar="FILE", help="a prompt a line; lines that begin with # are none")
    add("--against", metavar="TEXT", help="explain why each prompt rather than this one")


def add_threshold(parser):
    """The argument of a command that finds regions."""
    parser.add_argument(
        "--threshold",
        type=share,
        default=0.1,
        metavar="X",
        help="evidence from which on a stretch is a region, 0 to 1; default 0.1",
    )


def share(text):
    """A number from 0 to 1, of a command line."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0 and at most 1")
    return value


def read_prompts(options):
    """The prompts of a command line; what cannot be asked is refused before any file is opened."""
    prompts = [*options.prompt, *(read_lines(options.prompts_file) if options.prompts_file else [])]
    if not prompts:
        raise InputError('give a prompt: --prompt "the sound of a dog", or --prompts-file FILE')
    if not all(prompt.strip() for prompt in prompts):
        raise InputError("a prompt is empty")
    if options.against is not None and not options.against.strip():
        raise InputError("--against is empty")
    if options.against in prompts:
        raise InputError(f"{options.against!r} is a prompt and --against, too: nothing to tell")
    return list(dict.fromkeys(prompts))


def add_source(parser):
    """The arguments of a command that needs an interpreter."""
    add = parser.add_argument
    add(
        "--source",
        default="mini-stft",
        metavar="INTERPRETER",
        help="mini-stft (default), mini-mel, a results folder, or a Hub id user/name",
    )
    add("--revision", metavar="COMMIT", help="of the Hub repository")
    add("--device", default="cpu", metavar="DEVICE", help="cpu (default), cuda, cuda:1 ...")
    add("--json", action="store_true", help="print JSON, an object a line, and nothing else")


def load_interpreter(options):
    """The interpreter that a command line names."""
    from speechbrain_lmac.inference.interpreter import Interpreter
    from speechbrain_lmac.utils.device import check_device

    quietly()
    check_device(options.device)
    return Interpreter.from_hparams(
        source=options.source,
        revision=options.revision,
        run_opts={"device": options.device},
    )
