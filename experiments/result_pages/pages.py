"""Write a page of the documentation from the results of a benchmark run.

Usage: python -m experiments.result_pages.pages RESULTS docs/bench/NAME.md

For each masking domain and condition, the page has a figure, a table of at most ten methods and
one-line verdicts. Complete tables (CSV) and all figures are copied to ``docs/bench/NAME``.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from experiments.result_pages.merge import MERGED_RUNS
from speechbrain_lmac.evaluation.benchmark.scores import (
    AREAS,
    COMPARED,
    CONTROLS,
    FILLED,
    HEADLINE,
    LOCALIZATION,
    MEAN,
    ORACLE,
)
from speechbrain_lmac.evaluation.benchmark.systems import DEFAULT
from speechbrain_lmac.evaluation.benchmark.tables import MARKS, heading, make_table
from speechbrain_lmac.utils.errors import InputError, report_errors

MAX_BASELINES, MAX_CONTROLS = 4, 4
"""Maximum numbers of baselines and controls in a table."""
MAX_NAMES = 3
"""Maximum number of methods that a verdict line names. More methods are counted only."""
SCORES = {
    "clean": HEADLINE,
    "two_source": (*HEADLINE[:3], *LOCALIZATION[:2], *LOCALIZATION[3:]),
}
"""Condition -> scores of its table. Other conditions have the scores of clean clips."""
MORE_TABLES = {
    "Masked-out bins filled with the noise floor or the mean": FILLED,
    "Mean smallest areas, as fractions of the encoded bins": AREAS,
}
"""Title -> scores of a further table of each section."""
MAX_DECODERS = 4
"""Maximum number of decoders whose hashes are listed."""
DOMAINS = {"mel": "Mel", "stft": "STFT"}
"""Masking domain -> its name in headings."""
CONDITIONS = {"clean": "clean clips", "two_source": "two-source mixtures"}
"""Condition -> its name in headings. Other conditions have their own name."""
EXTRA_FIGURES = {
    "curves": "insertion and deletion curves",
    "presence": "mask mean and similarity of clip and prompt",
    "randomized": "similarity of maps after model randomization",
    "gallery": "one mixture under every method",
}
"""File name of a figure, without its domain -> caption."""
HOW_TO_READ = "[How to read this page](README.md)"
OPENING = f"""\
# {{title}}

{{notes}} Masked-out bins are silence unless a table
states another fill. {HOW_TO_READ}.
Complete tables: {{files}}.
"""


@report_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page and copy its files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, help="results folder of a finished benchmark run")
    parser.add_argument("page", type=Path, help="Markdown file to write")
    options = parser.parse_args(arguments)
    results, page = options.results, options.page
    if not (results / "summary.csv").is_file():
        raise InputError(
            f"results must be a folder with summary.csv, got {results}. Run evaluate.py to its end"
        )
    if page.suffix != ".md":
        raise InputError(f"page must end in .md, got {page}. Give a Markdown file")
    folder = page.with_suffix("")
    sources = [*results.glob("figures/*.png"), *results.glob("*.csv")]
    replace_files(page, folder, sources)
    title, caveat, *_ = (results / "summary.md").read_text(encoding="utf-8").split("\n\n")
    notes = provenance(results) + ("" if caveat.startswith(MARKS["better"]) else " " + caveat)
    text = make_page(folder, sources, title.removeprefix("# "), notes)
    page.write_text(text, encoding="utf-8")
    print(f"{page}, {len(list(folder.iterdir()))} files in {folder}")


def replace_files(page: Path, folder: Path, sources: Sequence[Path]) -> None:
    """Copy figures and tables into the folder of a page, in place of those that it links to.

    Raises InputError if the page or a file of the same name was not written by this script.
    """
    old_text = page.read_text(encoding="utf-8") if page.is_file() else ""
    if old_text and HOW_TO_READ not in old_text:
        raise InputError(f"page must be new or a page of results, got {page}. Give another file")
    existing = [*folder.glob("*.png"), *folder.glob("*.csv")]
    linked = [path for path in existing if f"({folder.name}/{path.name})" in old_text]
    names = {source.name for source in sources}
    for path in existing:
        if path.name in names and path not in linked:
            raise InputError(f"{path} must be a file of {page}, got another. Move it")
    folder.mkdir(parents=True, exist_ok=True)
    for path in linked:
        path.unlink()
    for source in sources:
        shutil.copy(source, folder / source.name)


def provenance(results: Path) -> str:
    """Return a line with the hashes of the weights and the torch version of a run."""
    listed = results / MERGED_RUNS
    names = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else ["."]
    records = [
        json.loads(line)
        for name in names
        for path in sorted((results / name).glob("results_*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    hashes = sorted({record["decoder"] for record in records} - {""})
    decoders = ", ".join(hashes) or "none"
    if len(hashes) > MAX_DECODERS:
        decoders = f"{hashes[0]} to {hashes[-1]}, {len(hashes)} of them"
    metadata = json.loads((results / names[0] / "run_metadata.json").read_text(encoding="utf-8"))
    torch_version = metadata[-1]["packages"]["torch"]
    return (
        f"Measured by `evaluate.py` with torch {torch_version}; SHA-256 of the weights begins with "
        f"{records[0]['classifier']} (classifier) and {decoders} (decoders)."
    )


def make_page(folder: Path, sources: Sequence[Path], title: str, notes: str) -> str:
    """Return the text of a page from the summary in its folder and the figures and tables."""
    names = sorted(source.name for source in sources)
    summary = pd.read_csv(folder / "summary.csv", dtype={"fraction": str})
    files = [f"[{name}]({folder.name}/{name})" for name in names if name.endswith(".csv")]
    parts = [OPENING.format(title=title, notes=notes, files=", ".join(files)).strip()]
    for (domain, condition), rows in summary.groupby(["domain", "condition"], sort=False):
        parts.append(section(folder, domain, condition, rows))
    links = [
        f"- [{caption}, {name.partition('_')[0]}]({folder.name}/{name})"
        for figure, caption in EXTRA_FIGURES.items()
        for name in names
        if name.endswith(f"_{figure}.png")
    ]
    if links:
        parts.append("## Further figures\n\n" + "\n".join(links))
    return "\n\n".join(parts) + "\n"


def section(folder: Path, domain: str, condition: str, summary: pd.DataFrame) -> str:
    """Return the section of one masking domain and condition."""
    title = f"{DOMAINS[domain]} masking, {CONDITIONS.get(condition, condition)}"
    parts = [f"## {title}"]
    image = f"{domain}_{condition}_metrics.png"
    if (folder / image).is_file():
        parts.append(f"![AD, FF and Fid-In: {title}]({folder.name}/{image})")
    scores = SCORES.get(condition.partition("@")[0], HEADLINE)
    reference = summary.method.iloc[0]
    rows = summary[summary.method.isin(choose_methods(summary, reference))]
    table = make_table(rows, "", scores, reference)
    if table is not None:
        parts.append(table.to_markdown().partition("\n\n")[2].partition("\n\n")[0].strip())
    verdicts = [verdict_line(summary, score, reference) for score in scores if score in COMPARED]
    parts.append("\n".join(f"- {line}" for line in verdicts if line))
    parts += [more_table(summary, rows, *each, reference) for each in MORE_TABLES.items()]
    return "\n\n".join(part for part in parts if part)


def more_table(
    summary: pd.DataFrame,
    rows: pd.DataFrame,
    title: str,
    scores: Sequence[tuple[str, str]],
    reference: str,
) -> str:
    """Return a further table of a section with its verdicts, or no text without these scores."""
    table = make_table(rows, "", scores, reference)
    if table is None:
        return ""
    body = table.to_markdown().partition("\n\n")[2].partition("\n\n")[0].strip()
    lines = [verdict_line(summary, score, reference) for score in scores]
    return "\n\n".join([f"### {title}", body, "\n".join(f"- {line}" for line in lines if line)])


def choose_methods(summary: pd.DataFrame, reference: str) -> list[str]:
    """Return at most ten methods: the reference, the best baselines and controls, the oracle."""
    rows = summary[(summary.metric == "AD") & (summary.fraction == MEAN)]
    ranked = list(rows.sort_values("mean", kind="stable").method)
    tuned = [name for name in ranked if name != reference and not name.endswith(DEFAULT)]
    baselines = [name for name in tuned if name not in (*CONTROLS, ORACLE)]
    controls = [name for name in tuned if name in CONTROLS]
    return [reference, *baselines[:MAX_BASELINES], *controls[:MAX_CONTROLS], ORACLE]


def verdict_line(summary: pd.DataFrame, score: tuple[str, str], reference: str) -> str:
    """Return a line that counts the verdicts on one score, or no text without verdicts."""
    rows = summary[(summary.metric == score[0]) & (summary.fraction == score[1])]
    rows = rows[rows.verdict.isin(["better", "tie", "worse"]) & (rows.method != reference)]
    phrases = {"better": "is better than", "tie": "ties with", "worse": "is worse than"}
    clauses = []
    for verdict, phrase in phrases.items():
        names = list(rows.method[rows.verdict == verdict])
        if names:
            shown = f" ({', '.join(names)})" if len(names) <= MAX_NAMES else ""
            clauses.append(f"{phrase} {len(names)} of {len(rows)}{shown}")
    return f"{heading(score)}: {reference} {', '.join(clauses)}." if clauses else ""


if __name__ == "__main__":
    main()
