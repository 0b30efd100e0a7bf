"""``speechbrain-lmac explain``: write what the mask of each prompt or class lets through."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from speechbrain_lmac.cli.batch import Result, for_each
from speechbrain_lmac.cli.explain_file import Settings, explain
from speechbrain_lmac.cli.explain_jobs import explaining, threads_of
from speechbrain_lmac.cli.explain_resume import existing_record, mark_complete, question_of
from speechbrain_lmac.cli.explain_summary import Summary, short_line
from speechbrain_lmac.cli.explain_tables import FileTables
from speechbrain_lmac.cli.files import SoundFile, find_sounds, folders_for
from speechbrain_lmac.cli.inputs import (
    check_prompts,
    load_interpreter,
    print_notice,
    read_prompts,
    region_rule,
)
from speechbrain_lmac.cli.options import (
    Against,
    AllClasses,
    AreasOfFew,
    Classifier,
    Clips,
    Device,
    ExplainAbove,
    Explainer,
    Figures,
    Files,
    Jobs,
    Json,
    Masking,
    MergeGap,
    MinDuration,
    Prompts,
    PromptsFile,
    Revision,
    SkipExisting,
    Source,
    Stems,
    Threshold,
)
from speechbrain_lmac.cli.output_folders import OutputFolders
from speechbrain_lmac.utils.errors import printable

if TYPE_CHECKING:
    from speechbrain_lmac.inference.interpreter import Interpreter

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac explain street.wav --prompt "the sound of a siren" --prompt rain
  speechbrain-lmac explain recordings/ --prompts-file species.txt --output why
  speechbrain-lmac explain pet.wav --prompt dog --against cat
  speechbrain-lmac explain street.wav --all                  all recognized classes
"""
MAX_DETAILED = 20
"""Number of files up to which each has a figure, smallest areas and full text by default."""


def run(
    files: Files,
    prompt: Prompts = None,
    prompts_file: PromptsFile = None,
    every: AllClasses = False,
    against: Against = None,
    threshold: Threshold = 0.1,
    merge_gap: MergeGap = 0.3,
    min_duration: MinDuration = 0.0,
    explain_above: ExplainAbove = None,
    areas: AreasOfFew = None,
    figures: Figures = None,
    stems: Stems = False,
    clips: Clips = False,
    skip_existing: SkipExisting = False,
    jobs: Jobs = None,
    output: Annotated[str, Option(metavar="FOLDER", help="Output folder.")] = "explanations",
    source: Source = "mini-stft",
    revision: Revision = None,
    classifier: Classifier = None,
    explainer: Explainer = None,
    masking: Masking = None,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Explain which part of a sound matches each prompt or class.

    A supervised classifier explains its classes, in any case; a CLAP explains any text. Without
    prompts, the most probable class is explained. A CLAP predicts one of the classes of ESC-50.

    Each file gets a folder in OUTPUT, in the subfolder of its input, with the masked-in sound of
    each prompt, figure.png, scores.json and tables. activity.csv holds, for each 0.1 s, the
    probability of the prompt times the fraction of energy that its mask lets through. The
    probability is that of the class, or that of a CLAP's prompt among 50 everyday sounds. With
    --against, it is between the two texts. Regions of activity are in regions.csv, in a selection
    table for Raven, and in labels for Audacity. OUTPUT/regions.csv collects the regions of all
    files, for Raven in OUTPUT/regions.selections.txt. OUTPUT/areas.csv has the smallest areas of
    their prompts, and OUTPUT/scores.csv the scores of all prompts, also of absent ones.

    Sounds up to 15 s also get the masked-out sounds and their scores. Prompts that are absent from
    them are listed as absent and get no sound; see --explain-above. Longer recordings are
    processed in overlapping 5 s windows. In windows in which a prompt is absent, its masked-in
    sound is faded out. Masked-in sounds have the length of the recording and are silent outside
    the regions. --clips writes each region as a clip of the original recording.

    Existing files are replaced only if this program wrote them and they have not changed since.
    The hidden file .speechbrain-lmac.json lists what was written. A folder with the explanation of
    another file is not used. With --skip-existing, the same command resumes after an interruption.

    More than 20 files get no figures and no smallest areas by default, and one line of text each.
    --jobs 4 explains them in four processes.
    """
    prompts = read_prompts(prompt, prompts_file, against, every)
    sounds = find_sounds(files, output)
    root = Path(output)
    folders = OutputFolders(sounds, root, check_outputs(sounds, prompts or [], prompts_file, root))
    load = partial(load_interpreter, source, revision, device, classifier, explainer, masking)
    interpreter = load_checked(load, prompts, against, jobs)
    num_figures, areas = details(figures, areas, len(sounds))
    rule = region_rule(threshold, merge_gap, min_duration)
    settings = Settings(against, rule, every, areas, explain_above, stems, clips=clips)

    def arguments(index: int) -> tuple[Any, ...]:
        options = settings._replace(figure=index < num_figures)
        return sounds[index].path, prompts, folders.take(index), options, skip_existing

    def explain_one(file: str, index: int) -> Result:
        try:
            record, lines = explain_file(index)
            tables.add(record)
        finally:
            folders.release(index)
        summary.add(record)
        return record, [short_line(record)] if len(sounds) > MAX_DETAILED else lines

    summary = Summary(len(sounds), root)
    processes = explaining(explain_new, arguments, len(sounds), jobs, interpreter, load)
    with FileTables(root) as tables, folders, processes as explain_file:
        status = for_each([sound.path for sound in sounds], explain_one, json)
    if len(sounds) > 1 and not json:
        print(*map(printable, summary.lines()), sep="\n")
    return status


def load_checked(
    load: Callable[[], Any], prompts: list[str] | None, against: str | None, jobs: int | None
) -> Any:
    """Load an interpreter and print what it costs. An invalid prompt fails here, once."""
    with threads_of(jobs):
        interpreter = load()
        print_notice(interpreter)
        check_prompts(interpreter, prompts, against)
    return interpreter


def details(figures: str | None, areas: bool | None, num_files: int) -> tuple[int, bool]:
    """Return the number of files with a figure, and whether smallest areas are found.

    Says on standard error what many files do not get by default.
    """
    names = {"figures": figures, "areas": areas}
    left_out = [name for name, value in names.items() if value is None]
    if num_files > MAX_DETAILED and left_out:
        options = " and ".join(f"--{name}" for name in left_out)
        text = " and ".join(left_out).replace("areas", "smallest areas")
        print(f"no {text} of more than {MAX_DETAILED} files: see {options}", file=sys.stderr)
    with_areas = num_files <= MAX_DETAILED if areas is None else areas
    return count_figures(figures, num_files), with_areas


def explain_new(
    interpreter: "Interpreter",
    file: str,
    prompts: list[str] | None,
    folder: Path,
    settings: Settings,
    skip_existing: bool,
) -> Result:
    """Explain one file, unless its folder has the explanation already; see :func:`explain`."""
    question = question_of(interpreter, file, prompts, settings)
    if skip_existing:
        existing = existing_record(file, folder, question, settings.figure)
        if existing is not None:
            return existing, [f"{file}", f"  skipped: explained before in {folder}"]
    record, lines = explain(interpreter, file, prompts, folder, settings)
    mark_complete(folder, question, record)
    return record, lines


def count_figures(figures: str | None, num_files: int) -> int:
    """Return the number of files that get a figure, the first ones.

    Example
    -------
    >>> count_figures(None, 20), count_figures(None, 21), count_figures("3", 21)
    (20, 0, 3)
    """
    if figures is None:
        return num_files if num_files <= MAX_DETAILED else 0
    return {"all": num_files, "none": 0}[figures] if figures.isalpha() else int(figures)


def check_outputs(
    files: list[SoundFile], prompts: list[str], prompts_file: str | None, root: Path
) -> set[Path]:
    """Return the output folders that exist, and the folders above them.

    Raises
    ------
    InputError
        If a file would be replaced that is an input or was not written by this program.
    """
    from speechbrain_lmac.audio.source import canonical_path
    from speechbrain_lmac.inference.outputs import (
        ALL_SCORES,
        AREAS,
        REGIONS,
        SELECTIONS,
        check_output,
        output_names,
    )
    from speechbrain_lmac.utils.files import InputFiles

    inputs = InputFiles([*(file.path for file in files), prompts_file])
    check_output(root, [REGIONS, SELECTIONS, AREAS, ALL_SCORES], inputs)
    folders = folders_for(files, root)
    for file, folder in zip(files, folders):
        path = canonical_path(file.path)
        names = [*output_names(prompts, path), *output_names(prompts, path, windowed=True)]
        check_output(folder, names, inputs)
    return {path for folder in folders for path in (folder, *folder.parents) if path.exists()}
