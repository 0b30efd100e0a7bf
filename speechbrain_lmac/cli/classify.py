"""``speechbrain-lmac classify``: classification of sound files."""

from typing import Annotated

from typer import Option

from speechbrain_lmac.cli.batch import Result, for_each
from speechbrain_lmac.cli.files import expand, read_lines
from speechbrain_lmac.cli.inputs import load_interpreter
from speechbrain_lmac.cli.options import Classifier, Device, Files, Json, Revision, Source
from speechbrain_lmac.data.prompts import TEMPLATE
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.percent import percent

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac classify street.wav                       among all classes
  speechbrain-lmac classify *.wav --labels dog cat "a door"
  speechbrain-lmac classify *.wav --labels-file species.txt --template "{} singing"
"""


def run(
    files: Files,
    labels: Annotated[
        list[str] | None,
        Option(
            metavar="LABEL...",
            help="Labels to choose from. Default: the classes of the classifier, or those of "
            "ESC-50 for a CLAP.",
        ),
    ] = None,
    labels_file: Annotated[
        str | None,
        Option(metavar="FILE", help="Text file with one label per line ('#' starts a comment)."),
    ] = None,
    template: Annotated[
        str, Option(metavar="TEXT", help="Prompt of a CLAP for a label, which replaces {}.")
    ] = TEMPLATE,
    top: Annotated[int, Option(min=1, metavar="N", help="Labels printed per file.")] = 3,
    source: Source = "mini-stft",
    revision: Revision = None,
    classifier: Classifier = None,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Classify sounds with the audio classifier of an interpreter."""
    choices = [*(labels or []), *(read_lines(labels_file) if labels_file else [])] or None
    if choices and len(choices) == 1:
        raise InputError(f"at least two labels must be given, got {choices[0]!r} only")
    sounds = expand(files)
    interpreter = load_interpreter(source, revision, device, classifier)
    interpreter.label_queries(choices, template)  # invalid labels fail once

    def classify(file: str, _: int) -> Result:
        result = interpreter.classify_file(file, choices, template)
        found = result.top(top)
        best = [{"label": name, "probability": value} for name, value in found]
        listed = ", ".join(f"{name} {percent(value)}" for name, value in found)
        return {"file": str(file), "labels": best}, [f"{file}: {listed}"]

    return for_each(sounds, classify, json)
