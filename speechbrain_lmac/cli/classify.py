"""``speechbrain-lmac classify``: what the CLAP takes sounds for."""

from speechbrain_lmac.cli.batch import add_source, for_each, load_interpreter
from speechbrain_lmac.cli.files import expand, read_lines
from speechbrain_lmac.utils.errors import InputError

HELP = "what the CLAP takes sounds for"
EXAMPLES = """\
examples:
  speechbrain-lmac classify street.wav                       among ESC-50's 50 names
  speechbrain-lmac classify *.wav --names dog cat "a door"
  speechbrain-lmac classify *.wav --names-file species.txt --template "{} singing"
"""


def add_arguments(parser):
    """What may follow the command's name."""
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="sound files, folders, globs or hf:// files")
    add("--names", nargs="+", default=[], metavar="NAME", help="to choose from")
    add("--names-file", metavar="FILE", help="a name a line")
    add(
        "--template",
        metavar="TEXT",
        help='that names are put into; default "this is the sound of {}"',
    )
    add("--top", type=int, default=3, metavar="N", help="names shown for each file; default 3")
    add_source(parser)


def run(options):
    """Do it; the exit status."""
    names = [*options.names, *(read_lines(options.names_file) if options.names_file else [])]
    files = expand(options.files)
    if len(names) == 1 or options.top < 1:
        raise InputError("a choice takes at least two names, and --top is at least 1")
    interpreter = load_interpreter(options)
    template = {} if options.template is None else {"template": options.template}
    interpreter.choice(names or None, **template)  # what cannot be asked is no file's fault

    def work(file, _):
        heard = interpreter.classify_file(file, names or None, **template)
        top = [{"name": name, "probability": share} for name, share in heard.top(options.top)]
        shares = ", ".join(f"{row['name']} {row['probability']:.0%}" for row in top)
        return {"file": str(file), "names": top}, [f"{file}: {shares}"]

    return for_each(files, work, options.json)
