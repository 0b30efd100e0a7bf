"""``speechbrain-lmac explain``: write what the mask of each prompt or class lets through."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from speechbrain_lmac.cli.batch import Result, for_each
from speechbrain_lmac.cli.files import expand, folders_for, take_folder
from speechbrain_lmac.cli.inputs import (
    check_prompts,
    chosen_prompts,
    load_interpreter,
    read_prompts,
)
from speechbrain_lmac.cli.options import (
    Against,
    AllClasses,
    Device,
    Files,
    Json,
    Prompts,
    PromptsFile,
    Revision,
    Source,
    Threshold,
)

if TYPE_CHECKING:
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.inference.interpretation import Interpretation
    from speechbrain_lmac.inference.interpreter import Interpreter
    from speechbrain_lmac.inference.timeline import Timeline
    from speechbrain_lmac.models.question_words import QuestionWords
    from speechbrain_lmac.reports.annotations import Region

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac explain street.wav --prompt "the sound of a siren" --prompt rain
  speechbrain-lmac explain recordings/ --prompts-file species.txt --output why
  speechbrain-lmac explain pet.wav --prompt dog --against cat
  speechbrain-lmac explain street.wav --all                  all recognized classes
"""
Record = dict[str, Any]
"""JSON object."""
REPORTED = (
    "prompt",
    *("probability", "probability_masked_in", "probability_masked_out"),
    *("presence", "presence_masked_in", "presence_masked_out"),
    *("absent", "activity", "regions"),
)
"""Fields of a prompt's JSON object, null if not measured. All fields are in scores.json."""
FULL_BAND_RATE = 48000
"""Highest sample rate, in Hz, of recordings that cover only what people can hear."""
MAX_LISTED_REGIONS = 4
"""Regions of a prompt that are printed."""


def run(
    files: Files,
    prompt: Prompts = None,
    prompts_file: PromptsFile = None,
    every: AllClasses = False,
    against: Against = None,
    threshold: Threshold = 0.1,
    output: Annotated[str, Option(metavar="FOLDER", help="Output folder.")] = "explanations",
    source: Source = "mini-stft",
    revision: Revision = None,
    device: Device = "cpu",
    json: Json = False,
) -> int:
    """Explain which part of a sound matches each prompt or class.

    A supervised classifier explains its classes, in any case; a CLAP explains any text. Without
    prompts, the most probable class is explained. A CLAP predicts one of the classes of ESC-50.

    Each file gets a folder in OUTPUT with the masked-in sound of each prompt, figure.png,
    scores.json and tables. activity.csv holds, for each 0.1 s, the probability of the prompt times
    the fraction of energy that its mask lets through. The probability is that of the class, or
    that of a CLAP's prompt among 50 everyday sounds. With --against, it is between the two texts.
    Regions of activity are in regions.csv and in a selection table for Raven. OUTPUT/regions.csv
    collects the regions of all files.

    Sounds up to 15 s also get the masked-out sounds and their scores. Longer recordings are
    processed in overlapping 5 s windows. Windows in which a prompt is absent are silenced.

    Existing files are replaced only if this program wrote them and they have not changed since.
    The hidden file .speechbrain-lmac.json lists what was written. A folder with the explanation of
    another file is not used.
    """
    prompts = read_prompts(prompt, prompts_file, against, every)
    sounds = expand(files, output)
    root = Path(output)
    existing = check_outputs(sounds, prompts or [], prompts_file, root)
    interpreter = load_interpreter(source, revision, device)
    check_prompts(interpreter, prompts, against)  # an invalid prompt fails once
    from speechbrain_lmac.audio.source import canonical_path
    from speechbrain_lmac.inference.outputs import REGIONS, release
    from speechbrain_lmac.reports.annotations import update_csv

    taken: set[str] = set()

    def explain_one(file: str, _: int) -> Result:
        folder = take_folder(file, root, taken)
        try:
            record, lines = explain(interpreter, file, prompts, against, threshold, folder, every)
            update_csv(root / REGIONS, {canonical_path(file): regions_of(record)})
        finally:
            release(folder, made=folder not in existing)
        return record, lines

    return for_each(sounds, explain_one, json)


def check_outputs(
    files: list[str], prompts: list[str], prompts_file: str | None, root: Path
) -> set[Path]:
    """Return the output folders that exist.

    Raises
    ------
    InputError
        If a file would be replaced that is an input or was not written by this program.
    """
    from speechbrain_lmac.audio.source import canonical_path
    from speechbrain_lmac.inference.outputs import REGIONS, check_output, output_names

    inputs = [*files, prompts_file]
    check_output(root, [REGIONS], inputs)
    folders = folders_for(files, root)
    for file, folder in zip(files, folders):
        check_output(folder, output_names(prompts, canonical_path(file)), inputs)
    return {folder for folder in folders if folder.exists()}


def regions_of(record: Record) -> "list[Region]":
    """Return the regions in a record of :func:`explain`."""
    from speechbrain_lmac.reports.annotations import Region

    return [
        Region(row["prompt"], **region) for row in record["prompts"] for region in row["regions"]
    ]


def explain(
    interpreter: "Interpreter",
    file: str,
    prompts: list[str] | None,
    against: str | None,
    threshold: float,
    folder: Path,
    every: bool = False,
) -> Result:
    """Explain one file and write the explanation to a folder.

    Without prompts, the prediction is explained, or every probable class.

    Returns
    -------
    dict, iterable of str
        JSON record and lines to print.
    """
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.inference.recording import needs_windowing

    sound = AudioSource(file)
    windowed = needs_windowing(interpreter, sound)
    prompts = chosen_prompts(interpreter, sound, prompts, every)
    result: Interpretation | Timeline
    if windowed:
        result = timeline = interpreter.interpret_recording(
            sound, prompts, folder, against, threshold=threshold
        )
        paths = list(timeline.files)
    else:
        result = interpretation = interpreter.interpret_file(sound, prompts, against)
        paths = interpretation.save(folder, threshold)
    rows = [
        {**{name: row.get(name) for name in REPORTED}, "explanation": str(path)}
        for row, path in zip(result.rows(threshold), paths)
    ]
    record = {
        **{"file": str(file), "folder": str(folder), "seconds": sound.seconds},
        **{"against": against, "prompts": rows},
        "warnings": [*_bandwidth_warning(sound, interpreter), *result.warnings],
    }
    describe = _describe_regions if windowed else _describe_scores
    return record, _lines(record, describe, interpreter.audio_classifier.question_words)


def _bandwidth_warning(sound: "AudioSource", interpreter: "Interpreter") -> Iterator[str]:
    """Yield a warning if the recording has content above the classifier's bandwidth."""
    if sound.rate > FULL_BAND_RATE > interpreter.sample_rate:
        yield (
            f"the classifier uses frequencies up to {interpreter.sample_rate / 2000:g} kHz; "
            f"this file has frequencies up to {sound.rate / 2000:g} kHz"
        )


def _lines(
    record: Record,
    describe: Callable[[Record, Record, "QuestionWords"], str],
    words: "QuestionWords",
) -> Iterator[str]:
    """Yield the lines about a file."""
    yield record["file"]
    for row in record["prompts"]:
        rather = f" rather than “{record['against']}”" if record["against"] else ""
        yield f"  “{row['prompt']}”{rather}: {describe(row, record, words)}"
        yield f"    {row['explanation']}"
    for warning in record["warnings"]:
        yield f"  warning: {warning}"


def _describe_scores(row: Record, record: Record, words: "QuestionWords") -> str:
    """Return the scores of a prompt in a short sound as text."""
    name = "presence" if record["against"] is None else "probability"
    word = words.presence if record["against"] is None else name
    if row["absent"]:
        return f"absent ({word} {row[name]:.0%}), explanation faded out"
    scores = [row[name], row[f"{name}_masked_in"], row[f"{name}_masked_out"]]
    return f"{word} {{:.0%}} in the clip, {{:.0%}} masked-in, {{:.0%}} masked-out".format(*scores)


def _describe_regions(row: Record, *_: Any) -> str:
    """Return the regions of a prompt in a long recording as text."""
    count = len(row["regions"])
    if not count:
        return "absent" if row["absent"] else "no region"
    listed = row["regions"][:MAX_LISTED_REGIONS]
    spans = ", ".join(f"{region['start']:.1f}-{region['stop']:.1f} s" for region in listed)
    more = ", ..." if count > len(listed) else ""
    return f"{count} region{'s' * (count != 1)}: {spans}{more}"
