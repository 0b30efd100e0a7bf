"""``speechbrain-lmac report``: clips and their explanations as one HTML file."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from speechbrain_lmac.cli.batch import Result, for_each
from speechbrain_lmac.cli.files import expand
from speechbrain_lmac.cli.inputs import (
    check_prompts,
    chosen_prompts,
    load_interpreter,
    print_notice,
    read_prompts,
    region_rule,
)
from speechbrain_lmac.cli.options import (
    Against,
    AllClasses,
    Areas,
    Classifier,
    Device,
    Explainer,
    Files,
    Json,
    Masking,
    MergeGap,
    MinDuration,
    Prompts,
    PromptsFile,
    Revision,
    Source,
    Threshold,
)
from speechbrain_lmac.utils.errors import InputError, printable

if TYPE_CHECKING:
    from speechbrain_lmac.inference.interpreter import Interpreter
    from speechbrain_lmac.reports.annotations import RegionRule
    from speechbrain_lmac.reports.page import Section

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac report street.wav --prompt siren --prompt rain
  speechbrain-lmac report clips/ --prompts-file species.txt --output species.html
  speechbrain-lmac report clips/                             the prediction of each clip
"""


def run(
    files: Files,
    prompt: Prompts = None,
    prompts_file: PromptsFile = None,
    every: AllClasses = False,
    against: Against = None,
    threshold: Threshold = 0.1,
    merge_gap: MergeGap = 0.3,
    min_duration: MinDuration = 0.0,
    areas: Areas = True,
    output: Annotated[str, Option(metavar="FILE", help="HTML file to write.")] = "report.html",
    title: Annotated[str, Option(metavar="TEXT", help="Title of the page.")] = "Listening report",
    source: Source = "mini-stft",
    revision: Revision = None,
    classifier: Classifier = None,
    explainer: Explainer = None,
    masking: Masking = None,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Write a listening report: one HTML file that needs no network.

    A table of the files and prompts comes first. Clips up to 15 s are shown in full, with the
    sounds of the smallest areas, and of further areas if there are at most 10 files. Longer
    recordings are shown with excerpts of the most active regions. Absent prompts are folded. An
    interrupted command writes the report of the files processed so far.
    """
    prompts = read_prompts(prompt, prompts_file, against, every)
    sounds = expand(files)
    from speechbrain_lmac.reports.areas import shown_areas
    from speechbrain_lmac.reports.page import check_page, write_report

    check_page(output, [*sounds, prompts_file])
    load = partial(load_interpreter, source, revision, device, classifier, explainer, masking)
    print_notice(interpreter := load())
    check_prompts(interpreter, prompts, against)  # an invalid prompt fails once
    sections: list[Section] = []
    headings, shown = _headings(sounds), shown_areas(len(sounds)) if areas else None
    options = (against, region_rule(threshold, merge_gap, min_duration), every, shown)

    def explain(file: str, index: int) -> Result:
        sections.append(section := show(interpreter, file, headings[index], prompts, *options))
        record = {"file": file, "report": output, "warnings": list(section.warnings)}
        return record, [f"{file}: {_content(section, prompts)}"]

    try:
        status = for_each(sounds, explain, json)
        if not sections:
            raise InputError(f"{output} is not written: no file could be explained")
    finally:
        if sections:
            about = _about(interpreter, None if classifier or explainer else source)
            path = write_report(output, sections, about, printable(title))
            if not json:
                print(path)
    return status


def show(
    interpreter: "Interpreter",
    file: str,
    heading: str,
    prompts: list[str] | None,
    against: str | None,
    rule: "RegionRule",
    every: bool = False,
    areas: tuple[float, ...] | None = None,
) -> "Section":
    """Return the section of a file, on the prediction if there are no prompts."""
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.cli.sections import explained_section

    sound = AudioSource(file)
    prompts = chosen_prompts(interpreter, sound, prompts, every)
    return explained_section(interpreter, sound, heading, prompts, against, rule, areas)


def _content(section: "Section", prompts: list[str] | None) -> str:
    """Return the number of prompts, or the predictions if there are none."""
    predictions = ", ".join(f"“{card.prompt}”" for card in section.cards)
    return section.words.quantity(len(prompts)) if prompts else predictions


def _headings(files: list[str]) -> list[str]:
    """Return the name of each file, or its path if several files have that name."""
    names = [Path(file).name for file in files]
    return [printable(name if names.count(name) == 1 else file) for name, file in zip(names, files)]


def _about(interpreter: "Interpreter", source: str | None) -> str:
    """Return what explained what; ``source`` is None without a trained decoder."""
    name = interpreter.explainer_name
    name = name if source is None else f"{name}, interpreter {_name(source)}"
    return f"Explained by {name}. Classifier {interpreter.hparams.classifier_name}"


def _name(source: str) -> str:
    return Path(source).name if Path(source).exists() else source
