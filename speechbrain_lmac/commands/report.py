"""``speechbrain-lmac report``: clips and their explanations as one HTML file."""

from pathlib import Path

from speechbrain_lmac.commands.batch import (
    add_prompts,
    add_source,
    for_each,
    load_interpreter,
    read_prompts,
)
from speechbrain_lmac.commands.explain import LONG_SECONDS
from speechbrain_lmac.commands.files import expand
from speechbrain_lmac.errors import InputError

HELP = "one HTML file to hear and see explanations in, without a network"
EXAMPLES = """\
examples:
  speechbrain-lmac report street.wav --prompt siren --prompt rain
  speechbrain-lmac report clips/ --prompts-file species.txt --output species.html

Clips of up to 15 s; longer sounds are for speechbrain-lmac explain.
"""


def add_arguments(parser):
    """What may follow the command's name."""
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="sound files, folders, globs or hf:// files")
    add_prompts(parser)
    add("--output", default="report.html", metavar="FILE", help="default: report.html")
    add("--title", default="Listening report", metavar="TEXT")
    add_source(parser)


def run(options):
    """Do it; the exit status."""
    prompts = read_prompts(options)
    files = expand(options.files)
    if Path(options.output).is_dir():
        raise InputError(f"{options.output} is a folder: --output is the file to write")
    interpreter = load_interpreter(options)
    from speechbrain_lmac.report.clip import heard
    from speechbrain_lmac.report.page import write_report
    from speechbrain_lmac.sound import Sound

    clips = []

    def work(file, _):
        if Sound(file).seconds > LONG_SECONDS:
            raise InputError(
                f"{file} is longer than {LONG_SECONDS:g} s: cut it, or explain it by "
                "speechbrain-lmac explain"
            )
        why = interpreter.interpret_file(file, prompts, options.against)
        clips.append(heard(Path(file).name, why))
        record = {"file": file, "report": options.output, "warnings": why.warnings}
        return record, [f"{file}: {len(prompts)} prompts"]

    status = for_each(files, work, options.json)
    if not clips:
        raise InputError("no clip could be explained: there is no report")
    clap = interpreter.hparams.clap_name
    name = Path(options.source).name if Path(options.source).exists() else options.source
    about = f"Interpreter {name}, of the CLAP {clap}"
    path = write_report(options.output, clips, about, options.title)
    if not options.json:
        print(path)
    return status
