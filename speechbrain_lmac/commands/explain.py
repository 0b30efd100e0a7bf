"""``speechbrain-lmac explain``: hear why sounds fit prompts."""

import warnings
from pathlib import Path

from speechbrain_lmac.commands.batch import add_source, for_each, load_interpreter
from speechbrain_lmac.commands.files import expand, folders_for, read_lines
from speechbrain_lmac.errors import InputError

HELP = "hear why sounds fit prompts: write what each prompt's mask keeps"
EXAMPLES = """\
examples:
  speechbrain-lmac explain street.wav --prompt "the sound of a siren" --prompt "rain"
  speechbrain-lmac explain recordings/ --prompts-file species.txt --output why
  speechbrain-lmac explain pet.wav --prompt dog --against cat
"""
LONG_SECONDS = 15.0
"""Longer sounds are explained window by window."""


def add_arguments(parser):
    """What may follow the command's name."""
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="sound files, folders, globs or hf:// files")
    add("--prompt", action="append", default=[], metavar="TEXT", help="may be given several times")
    add("--prompts-file", metavar="FILE", help="a prompt a line")
    add("--against", metavar="TEXT", help="explain why each prompt rather than this one")
    add("--output", default="explanations", metavar="FOLDER", help="default: explanations")
    add_source(parser)


def run(options):
    """Do it; the exit status."""
    prompts = [*options.prompt, *(read_lines(options.prompts_file) if options.prompts_file else [])]
    if not prompts:
        raise InputError('give a prompt: --prompt "the sound of a dog", or --prompts-file FILE')
    files = expand(options.files)
    folders = folders_for(files, Path(options.output))
    interpreter = load_interpreter(options)

    def work(file, place):
        return explain(interpreter, file, prompts, options.against, folders[place])

    return for_each(files, work, options.json)


def explain(interpreter, file, prompts, against, folder):
    """Explain one file; its record, and lines to print."""
    from speechbrain_lmac.sound import Sound

    if Sound(file).seconds > LONG_SECONDS:
        return _long(interpreter, file, prompts, against, folder)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        why = interpreter.interpret_file(file, prompts, against)
    said = [str(warning.message) for warning in caught if warning.category is UserWarning]
    written = why.save(folder)
    scores = why.scores
    rows = [
        {
            "prompt": prompt,
            "probability": scores["p"][i].item(),
            "probability_of_explanation": scores["q"][i].item(),
            "probability_of_residual": scores["r"][i].item(),
            "presence": scores["presence"][i].item(),
            "presence_of_explanation": scores["presence_kept"][i].item(),
            "presence_of_residual": scores["presence_removed"][i].item(),
            "explanation": str(path),
        }
        for i, (prompt, path) in enumerate(zip(prompts, written))
    ]
    record = {"file": str(file), "folder": str(folder), "against": against, "prompts": rows}
    record["warnings"] = [*said, *why.warnings]
    return record, _lines(record)


def _lines(record):
    yield record["file"]
    two_way = record["against"] is not None
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


def _long(interpreter, file, prompts, against, folder):
    timeline = interpreter.interpret_file(file, prompts, against, save_to=folder)
    regions = timeline.regions()
    rows = [
        {
            "prompt": prompt,
            "evidence": timeline.evidence[i].max().item(),
            "regions": [region._asdict() for region in regions if region.prompt == prompt],
            "explanation": str(path),
        }
        for i, (prompt, path) in enumerate(zip(prompts, timeline.files))
    ]
    record = {"file": str(file), "folder": str(folder), "against": against, "prompts": rows}
    lines = [str(file)]
    for row in rows:
        count = len(row["regions"])
        where = ", ".join(f"{r['start']:.1f}-{r['stop']:.1f} s" for r in row["regions"][:4])
        more = ", ..." if count > 4 else ""
        found = f"{count} region{'s' * (count != 1)}: {where}{more}" if count else "nowhere"
        lines += [f"  “{row['prompt']}”: {found}", f"    {row['explanation']}"]
    lines.append(f"  tables: {folder / 'regions.csv'}, {folder / 'regions.selections.txt'}")
    return record, lines
