"""``speechbrain-lmac explain``: hear why sounds fit prompts."""

import warnings
from pathlib import Path

from speechbrain_lmac.commands.batch import (
    add_prompts,
    add_source,
    for_each,
    load_interpreter,
    read_prompts,
)
from speechbrain_lmac.commands.files import expand, folders_for

HELP = "hear why sounds fit prompts: write what each prompt's mask keeps"
EXAMPLES = """\
examples:
  speechbrain-lmac explain street.wav --prompt "the sound of a siren" --prompt "rain"
  speechbrain-lmac explain recordings/ --prompts-file species.txt --output why
  speechbrain-lmac explain pet.wav --prompt dog --against cat

Sounds of up to 15 s get explanation and residual, a figure and scores.json. Longer ones are
explained in windows of 5 s, every 2.5 s, faded into one another: what is kept of them, evidence.csv
(by 0.1 s: probability of the prompt among everyday sounds x share of the energy that is kept),
and regions of evidence as regions.csv and as a selection table for Raven; OUTPUT/regions.csv has
those of all files. Numbers are of the prompt among 50 everyday sounds; with --against, of the two.
"""
SHOWN = (
    "prompt",
    *("probability", "probability_of_explanation", "probability_of_residual"),
    *("presence", "presence_of_explanation", "presence_of_residual"),
)
"""What is said of each prompt; all of it is in scores.json."""
HIGH_RATE = 48000
"""In Hz: a file of a higher rate was made for what people do not hear."""
LONG_SECONDS = 15.0
"""Longer sounds are explained window by window."""


def add_arguments(parser):
    """What may follow the command's name."""
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="sound files, folders, globs or hf:// files")
    add_prompts(parser)
    add("--threshold", type=float, default=0.1, metavar="X", help="evidence of a region, 0.1")
    add("--output", default="explanations", metavar="FOLDER", help="default: explanations")
    add_source(parser)


def run(options):
    """Do it; the exit status."""
    prompts = read_prompts(options)
    files = expand(options.files, options.output)
    folders = folders_for(files, Path(options.output))
    interpreter = load_interpreter(options)

    def work(file, place):
        record, lines = explain(interpreter, file, prompts, options, folders[place])
        found.extend((region, file) for region in record.get("regions", ()))
        return record, lines

    found: list = []
    status = for_each(files, work, options.json)
    if found and len(files) > 1:
        from speechbrain_lmac.regions import Region, write_csv

        regions = [Region(**region) for region, _ in found]
        write_csv(Path(options.output) / "regions.csv", regions, [file for _, file in found])
    return status


def explain(interpreter, file, prompts, options, folder):
    """Explain one file; its record, and lines to print."""
    from speechbrain_lmac.sound import Sound

    sound, against = Sound(file), options.against
    if sound.seconds > LONG_SECONDS:
        return _long(interpreter, file, prompts, options, folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        why = interpreter.interpret_file(file, prompts, against)
    said = [str(warning.message) for warning in caught if warning.category is UserWarning]
    written = why.save(folder)
    rows = [
        {**{name: row[name] for name in SHOWN}, "explanation": str(path)}
        for row, path in zip(why.rows(), written)
    ]
    record = {"file": str(file), "folder": str(folder), "against": against, "prompts": rows}
    record["warnings"] = [*said, *_beyond(sound, interpreter), *why.warnings]
    return record, _lines(record)


def _beyond(sound, interpreter):
    """A note where a recording holds much that no CLAP of this rate hears."""
    if sound.rate > HIGH_RATE > interpreter.sample_rate:
        yield (
            f"the CLAP hears up to {interpreter.sample_rate / 2000:g} kHz; this file goes up to "
            f"{sound.rate / 2000:g} kHz"
        )


def _lines(record):
    two_way = record["against"] is not None
    yield record["file"] + ("" if two_way else " (among everyday sounds)")
    name = "probability" if two_way else "presence"
    for row in record["prompts"]:
        rather = f" rather than “{record['against']}”" if two_way else ""
        shares = [row[name], row[f"{name}_of_explanation"], row[f"{name}_of_residual"]]
        yield (
            "  “{}”{}: {:.0%} in the clip, {:.0%} in what is kept, {:.0%} in what is removed"
        ).format(row["prompt"], rather, *shares)
        yield f"    {row['explanation']}"
    for warning in record["warnings"]:
        yield f"  note: {warning}"


def _long(interpreter, file, prompts, options, folder):
    against, threshold = options.against, options.threshold
    timeline = interpreter.interpret_file(
        file, prompts, against, save_to=folder, threshold=threshold
    )
    regions = timeline.regions(threshold)
    rows = [
        {
            "prompt": prompt,
            "evidence": timeline.evidence[i].max().item(),
            "explanation": str(path),
        }
        for i, (prompt, path) in enumerate(zip(prompts, timeline.files))
    ]
    record = {"file": str(file), "folder": str(folder), "against": against, "prompts": rows}
    record["regions"] = [region._asdict() for region in regions]
    record["warnings"] = timeline.warnings
    lines = [str(file)]
    for row in rows:
        mine = [region for region in regions if region.prompt == row["prompt"]]
        count = len(mine)
        where = ", ".join(f"{r.start:.1f}-{r.stop:.1f} s" for r in mine[:4])
        more = ", ..." if count > 4 else ""
        found = f"{count} region{'s' * (count != 1)}: {where}{more}" if count else "nowhere"
        lines += [f"  “{row['prompt']}”: {found}", f"    {row['explanation']}"]
    lines += [f"  note: {warning}" for warning in record["warnings"]]
    lines.append(f"  tables: {folder / 'regions.csv'}, {folder / 'regions.selections.txt'}")
    return record, lines
