"""``speechbrain-lmac compare``: one clip under nine explainers, by name or blind."""

import secrets
from pathlib import Path

from speechbrain_lmac.cli.batch import add_source, json_line, load_interpreter
from speechbrain_lmac.cli.files import expand
from speechbrain_lmac.utils.errors import InputError, printable

HELP = "one clip under nine explainers, on one page; --blind to rate them without names"
EXAMPLES = """\
examples:
  speechbrain-lmac compare street.wav --prompt "the sound of a siren"
  speechbrain-lmac compare street.wav --prompt siren --blind --output test1.html
  speechbrain-lmac ratings ratings*.csv --keys test1.key.json
"""


def add_arguments(parser):
    """What may follow the command's name."""
    add = parser.add_argument
    add("file", metavar="FILE", help="a sound file")
    add("--prompt", required=True, metavar="TEXT")
    add("--methods", nargs="+", metavar="NAME", help="some of those that are compared by default")
    add("--blind", action="store_true", help="shuffle and hide the names, ask for ratings")
    add("--seed", type=int, metavar="NUMBER", help="of the shuffling; at random by default")
    add("--output", default="comparison.html", metavar="FILE", help="default: comparison.html")
    add_source(parser)


def run(options):
    """Do it; the exit status."""
    file, *more = expand([options.file])
    if more:
        raise InputError(f"{options.file} is {1 + len(more)} files: a page is of one")
    from speechbrain_lmac.evaluation.listening_test import (
        METHODS,
        check_new_key,
        takes,
        write_comparison,
    )
    from speechbrain_lmac.reports.page import check_page
    from speechbrain_lmac.utils.device import enough_for

    check_page(options.output, [file])
    if options.blind:
        check_new_key(options.output)
    interpreter = load_interpreter(options)
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.inference.long_audio import needs_windowing

    if not options.prompt.strip():
        raise InputError("the prompt is empty")
    sound = AudioSource(file)
    if needs_windowing(interpreter, sound):
        raise InputError(f"{file} is too long ({sound.seconds:.0f} s) to be compared: cut it")
    with enough_for(file):
        wav = sound.read(interpreter.sample_rate)
        original, found, axis = takes(interpreter, wav, options.prompt, options.methods or METHODS)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    written = write_comparison(
        options.output,
        printable(Path(file).name),
        options.prompt,
        original,
        found,
        axis,
        seed if options.blind else None,
    )
    if options.json:
        said = {"page": str(written[0]), "key": str(written[1]) if options.blind else None}
        if not options.blind:
            said["presence"] = {take.name: take.presence for take in found}
        print(json_line(said))
    else:
        print(*written, sep="\n")
    return 0
