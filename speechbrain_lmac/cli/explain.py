"""``speechbrain-lmac explain``: write what the mask of each prompt or class lets through."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Option

from speechbrain_lmac.cli.batch import Result, for_each
from speechbrain_lmac.cli.explain_text import Record, describe_clip, describe_recording, lines
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
    Areas,
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
    from speechbrain_lmac.inference.interpreter import Interpreter

EXAMPLES = """\
\b
Examples:
  speechbrain-lmac explain street.wav --prompt "the sound of a siren" --prompt rain
  speechbrain-lmac explain recordings/ --prompts-file species.txt --output why
  speechbrain-lmac explain pet.wav --prompt dog --against cat
  speechbrain-lmac explain street.wav --all                  all recognized classes
"""
AREA_FIELDS = ("sufficient_area", "necessary_area")
"""Fields of the smallest areas of a prompt."""
REPORTED = (
    "prompt",
    *("probability", "probability_masked_in", "probability_masked_out"),
    *("presence", "presence_masked_in", "presence_masked_out"),
    *("absent", *AREA_FIELDS, "activity", "regions"),
)
"""Fields of a prompt's JSON object, null if not measured. All fields are in scores.json."""
FULL_BAND_RATE = 48000
"""Highest sample rate, in Hz, of recordings that cover only what people can hear."""


def run(
    files: Files,
    prompt: Prompts = None,
    prompts_file: PromptsFile = None,
    every: AllClasses = False,
    against: Against = None,
    threshold: Threshold = 0.1,
    areas: Areas = True,
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
    collects the regions of all files, and OUTPUT/areas.csv the smallest areas of their prompts.

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
    from speechbrain_lmac.inference.outputs import release

    taken: set[str] = set()

    def explain_one(file: str, _: int) -> Result:
        folder = take_folder(file, root, taken)
        try:
            settings = (against, threshold, folder, every, areas)
            record, lines = explain(interpreter, file, prompts, *settings)
            update_tables(root, record)
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
    from speechbrain_lmac.inference.outputs import AREAS, REGIONS, check_output, output_names

    inputs = [*files, prompts_file]
    check_output(root, [REGIONS, AREAS], inputs)
    folders = folders_for(files, root)
    for file, folder in zip(files, folders):
        check_output(folder, output_names(prompts, canonical_path(file)), inputs)
    return {folder for folder in folders if folder.exists()}


def update_tables(root: Path, record: Record) -> None:
    """Update the tables of all files with a record of :func:`explain`."""
    from speechbrain_lmac.audio.source import canonical_path
    from speechbrain_lmac.inference.outputs import AREAS, REGIONS
    from speechbrain_lmac.reports.annotations import Region, update_csv
    from speechbrain_lmac.utils.shared_tables import update_table

    file, rows = canonical_path(record["file"]), record["prompts"]
    regions = [Region(row["prompt"], **region) for row in rows for region in row["regions"]]
    update_csv(root / REGIONS, {file: regions})
    columns = ("prompt", *AREA_FIELDS)
    areas = [[row[name] for name in columns] for row in rows if row["sufficient_area"] is not None]
    update_table(root / AREAS, columns, {file: areas})


def explain(
    interpreter: "Interpreter",
    file: str,
    prompts: list[str] | None,
    against: str | None,
    threshold: float,
    folder: Path,
    every: bool = False,
    areas: bool = True,
) -> Result:
    """Explain one file and write the explanation to a folder.

    Without prompts, the prediction is explained, or every probable class. Recordings that are
    processed in windows have no smallest areas.

    Returns
    -------
    dict, iterable of str
        JSON record and lines to print.
    """
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.inference.recording import needs_windowing

    sound = AudioSource(file)
    prompts = chosen_prompts(interpreter, sound, prompts, every)
    if windowed := needs_windowing(interpreter, sound):
        timeline = interpreter.interpret_recording(
            sound, prompts, folder, against, threshold=threshold
        )
        paths, rows, warnings = timeline.files, timeline.rows(threshold), timeline.warnings
        against = timeline.against
    else:
        clip = interpreter.interpret_file(sound, prompts, against)
        paths, rows = tuple(clip.save(folder, threshold, areas)), clip.rows(threshold, areas)
        warnings, against = clip.warnings, clip.against
    record = {
        **{"file": str(file), "folder": str(folder), "seconds": sound.seconds},
        "against": against,
        "prompts": [
            {**{name: row.get(name) for name in REPORTED}, "explanation": str(path)}
            for row, path in zip(rows, paths)
        ],
        "warnings": [*_bandwidth_warning(sound, interpreter), *warnings],
    }
    describe = describe_recording if windowed else partial(describe_clip, areas=areas)
    return record, lines(record, describe, interpreter.audio_classifier.question_words)


def _bandwidth_warning(sound: "AudioSource", interpreter: "Interpreter") -> Iterator[str]:
    """Yield a warning if the recording has content above the classifier's bandwidth."""
    if sound.rate > FULL_BAND_RATE > interpreter.sample_rate:
        yield (
            f"the classifier uses frequencies up to {interpreter.sample_rate / 2000:g} kHz; "
            f"this file has frequencies up to {sound.rate / 2000:g} kHz"
        )
