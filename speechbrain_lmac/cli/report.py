"""``speechbrain-lmac report``: clips and their explanations as one HTML file."""

from pathlib import Path
from typing import Annotated

from typer import Option

from speechbrain_lmac.cli.batch import for_each
from speechbrain_lmac.cli.files import expand
from speechbrain_lmac.cli.inputs import load_interpreter, read_prompts
from speechbrain_lmac.cli.options import (
    Against,
    Device,
    Files,
    Json,
    Prompts,
    PromptsFile,
    Revision,
    Source,
    Threshold,
)
from speechbrain_lmac.utils.errors import InputError, printable

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac report street.wav --prompt siren --prompt rain
  speechbrain-lmac report clips/ --prompts-file species.txt --output species.html
"""


def run(
    files: Files,
    prompt: Prompts = None,
    prompts_file: PromptsFile = None,
    against: Against = None,
    threshold: Threshold = 0.1,
    output: Annotated[str, Option(metavar="FILE", help="HTML file to write.")] = "report.html",
    title: Annotated[str, Option(metavar="TEXT", help="Title of the page.")] = "Listening report",
    source: Source = "mini-stft",
    revision: Revision = None,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Write a listening report: one HTML file that needs no network.

    Clips up to 15 s are shown in full. Longer recordings are shown with the regions of each
    prompt. An interrupted command writes the report of the files processed so far.
    """
    prompts = read_prompts(prompt, prompts_file, against)
    sounds = expand(files)
    from speechbrain_lmac.reports.page import check_page, write_report

    check_page(output, [*sounds, prompts_file])
    interpreter = load_interpreter(source, revision, device)
    interpreter.question(prompts, against)  # an invalid prompt fails here, not once per file
    clips: list = []
    headings = _headings(sounds)

    def explain(file, index):
        clips.append(show(interpreter, file, headings[index], prompts, against, threshold))
        record = {"file": file, "report": output, "warnings": list(clips[-1].warnings)}
        return record, [f"{file}: {len(prompts)} prompt{'s' * (len(prompts) != 1)}"]

    try:
        status = for_each(sounds, explain, json)
        if not clips:
            raise InputError(f"{output} is not written: no file could be explained")
    finally:
        if clips:
            about = f"Interpreter {_name(source)} of {interpreter.hparams.classifier_name}"
            path = write_report(output, clips, about, printable(title))
            if not json:
                print(path)
    return status


def show(interpreter, file, heading, prompts, against, threshold):
    """Return a file's part of the page: ClipReport, or Recording for a long recording."""
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.cli.page_parts import explained

    return explained(interpreter, AudioSource(file), heading, prompts, against, threshold)


def _headings(files):
    """Return the name of each file, or its path if several files have that name."""
    names = [Path(file).name for file in files]
    return [printable(name if names.count(name) == 1 else file) for name, file in zip(names, files)]


def _name(source):
    return Path(source).name if Path(source).exists() else source
