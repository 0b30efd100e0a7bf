"""``speechbrain-lmac explain``: hear why sounds fit prompts."""

from pathlib import Path

from speechbrain_lmac.cli.batch import (
    add_prompts,
    add_source,
    add_threshold,
    for_each,
    load_interpreter,
    read_prompts,
)
from speechbrain_lmac.cli.files import expand, folders_for, take_folder
from speechbrain_lmac.inference.outputs import REGIONS, check_output, names_of, release

HELP = "hear why sounds fit prompts: write what each prompt's mask keeps"
EXAMPLES = """\
examples:
  speechbrain-lmac explain street.wav --prompt "the sound of a siren" --prompt "rain"
  speechbrain-lmac explain recordings/ --prompts-file species.txt --output why
  speechbrain-lmac explain pet.wav --prompt dog --against cat

For each file a folder in OUTPUT: what each prompt's mask keeps, figure.png, scores.json, and
tables: evidence.csv (by 0.1 s: probability of the prompt among 50 everyday sounds, or with
--against of the two, x share of the energy that is kept), and regions of evidence as regions.csv
and as a selection table for Raven. OUTPUT/regions.csv has the regions of all files that
were explained into OUTPUT, each by its absolute path (links followed) or its hf:// name, as
scores.json has it. A folder that holds another file's explanation is not written to.

Files that this program did not write, or that have changed since, are not written over: nothing
is done then. Hidden files, .speechbrain-lmac.json, list what was written.

Sounds of up to 15 s also get what is removed, and the CLAP's scores of both. Longer ones are
explained in windows of 5 s, every 2.5 s, faded into one another; where the CLAP hardly hears a
prompt, nothing is kept for it.
"""
SHOWN = (
    "prompt",
    *("probability", "probability_of_explanation", "probability_of_residual"),
    *("presence", "presence_of_explanation", "presence_of_residual"),
    *("absent", "evidence", "regions"),
)
"""What is said of each prompt, null where it is not measured; all of it is in scores.json."""
HIGH_RATE = 48000
"""In Hz: a file of a higher rate was made for what people do not hear."""


def add_arguments(parser):
    """What may follow the command's name."""
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="sound files, folders, globs or hf:// files")
    add_prompts(parser)
    add_threshold(parser)
    add("--output", default="explanations", metavar="FOLDER", help="default: explanations")
    add_source(parser)


def run(options):
    """Do it; the exit status."""
    prompts = read_prompts(options)
    files = expand(options.files, options.output)
    root = Path(options.output)
    there = check(files, prompts, options.prompts_file, root)
    interpreter = load_interpreter(options)
    interpreter.question(prompts, options.against)  # what cannot be asked is no file's fault
    taken: set[str] = set()

    def work(file, _):
        folder = take_folder(file, root, taken)
        try:
            record, lines = explain(interpreter, file, prompts, options, folder)
            update_csv(root / REGIONS, {path_of(file): regions_of(record)})
        finally:
            release(folder, made=folder not in there)
        return record, lines

    from speechbrain_lmac.audio.source import path_of
    from speechbrain_lmac.reports.annotations import update_csv

    return for_each(files, work, options.json)


def check(files, prompts, prompts_file, root):
    """Raise InputError, before any work, if what is not ours or is an input would be replaced; of
    the folders to write to those that are there.
    """
    inputs = [*files, prompts_file]
    check_output(root, [REGIONS], inputs)
    folders = folders_for(files, root)
    for folder in folders:
        check_output(folder, names_of(prompts), inputs)
    return {folder for folder in folders if folder.exists()}


def regions_of(record):
    """Regions that a record of :func:`explain` holds, of all its prompts."""
    from speechbrain_lmac.reports.annotations import Region

    return [
        Region(row["prompt"], **region) for row in record["prompts"] for region in row["regions"]
    ]


def explain(interpreter, file, prompts, options, folder):
    """Explain one file; its record, and lines to print."""
    from speechbrain_lmac.audio.source import AudioSource
    from speechbrain_lmac.inference.long_audio import needs_windowing

    sound, against, threshold = AudioSource(file), options.against, options.threshold
    long = needs_windowing(interpreter, sound)
    if long:
        found = interpreter.interpret_file(
            file, prompts, against, save_to=folder, threshold=threshold
        )
        written = found.files
    else:
        found = interpreter.interpret_file(file, prompts, against)
        written = found.save(folder, threshold)
    rows = [
        {**{name: row.get(name) for name in SHOWN}, "explanation": str(path)}
        for row, path in zip(found.rows(threshold), written)
    ]
    record = {
        **{"file": str(file), "folder": str(folder), "seconds": sound.seconds},
        **{"against": against, "prompts": rows},
        "warnings": [*_beyond(sound, interpreter), *found.warnings],
    }
    return record, _lines(record, _places if long else _shares)


def _beyond(sound, interpreter):
    """A note where a recording holds much that no CLAP of this rate hears."""
    if sound.rate > HIGH_RATE > interpreter.sample_rate:
        yield (
            f"the CLAP hears up to {interpreter.sample_rate / 2000:g} kHz; this file goes up to "
            f"{sound.rate / 2000:g} kHz"
        )


def _lines(record, said_of):
    yield record["file"] + ("" if record["against"] else " (among everyday sounds)")
    for row in record["prompts"]:
        rather = f" rather than “{record['against']}”" if record["against"] else ""
        yield f"  “{row['prompt']}”{rather}: {said_of(row, record['against'])}"
        yield f"    {row['explanation']}"
    for warning in record["warnings"]:
        yield f"  note: {warning}"


def _shares(row, against):
    """What is said of a prompt in a short sound."""
    name = "presence" if against is None else "probability"
    if row["absent"]:
        return f"absent ({row[name]:.0%}); its explanation is faded out"
    shares = [row[name], row[f"{name}_of_explanation"], row[f"{name}_of_residual"]]
    return "{:.0%} in the clip, {:.0%} in what is kept, {:.0%} in what is removed".format(*shares)


def _places(row, _):
    """What is said of a prompt in a long one."""
    count = len(row["regions"])
    if not count:
        return "absent" if row["absent"] else "nowhere"
    where = ", ".join(f"{r['start']:.1f}-{r['stop']:.1f} s" for r in row["regions"][:4])
    return f"{count} region{'s' * (count != 1)}: {where}{', ...' * (count > 4)}"
