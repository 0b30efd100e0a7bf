"""``speechbrain-lmac report``: clips and their explanations as one HTML file."""

from pathlib import Path

from speechbrain_lmac.cli.batch import (
    add_prompts,
    add_source,
    add_threshold,
    for_each,
    load_interpreter,
    read_prompts,
)
from speechbrain_lmac.cli.files import expand
from speechbrain_lmac.utils.errors import InputError, printable

HELP = "one HTML file to hear and see explanations in, without a network"
EXAMPLES = """\
examples:
  speechbrain-lmac report street.wav --prompt siren --prompt rain
  speechbrain-lmac report clips/ --prompts-file species.txt --output species.html

Of clips of up to 15 s everything is heard; of longer recordings the places where each prompt is
found. Interrupted, it writes the report of the files that are done.
"""


def add_arguments(parser):
    """What may follow the command's name."""
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="sound files, folders, globs or hf:// files")
    add_prompts(parser)
    add_threshold(parser)
    add("--output", default="report.html", metavar="FILE", help="default: report.html")
    add("--title", default="Listening report", metavar="TEXT")
    add_source(parser)


def run(options):
    """Do it; the exit status."""
    prompts = read_prompts(options)
    files = expand(options.files)
    from speechbrain_lmac.reports.page import check_page, write_report

    check_page(options.output, [*files, options.prompts_file])
    interpreter = load_interpreter(options)
    interpreter.question(prompts, options.against)  # what cannot be asked is no file's fault

    clips: list = []
    names = [Path(file).name for file in files]

    def work(file, place):
        name = names[place] if names.count(names[place]) == 1 else file
        shown = show(interpreter, file, printable(name), prompts, options)
        clips.append(shown)
        record = {"file": file, "report": options.output, "warnings": list(shown.warnings)}
        return record, [f"{file}: {len(prompts)} prompt{'s' * (len(prompts) != 1)}"]

    try:
        status = for_each(files, work, options.json)
        if not clips:
            raise InputError("no clip could be explained: there is no report")
    finally:
        if clips:
            path = write_report(
                options.output, clips, _about(interpreter, options), printable(options.title)
            )
            if not options.json:
                print(path)
    return status


def show(interpreter, file, name, prompts, options):
    """What a page shows of a file, under a name: Heard, or Recording if it is long."""
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.cli.page_parts import explained

    return explained(
        interpreter, AudioSource(file), name, prompts, options.against, options.threshold
    )


def _about(interpreter, options):
    name = Path(options.source).name if Path(options.source).exists() else options.source
    return f"Interpreter {name}, of the CLAP {interpreter.hparams.classifier_name}"
