"""Make a readable page of the documentation from the results of a benchmark run.

Usage: python -m experiments.result_pages.pages RESULTS docs/bench/NAME.md

The page has one figure, one table of at most ten rows and one-line verdicts for each masking domain
and condition. Complete tables are CSV files in ``docs/bench/NAME``, with the figures.
"""

import argparse
import json
import shutil
from pathlib import Path

import pandas as pd

from speechbrain_lmac.evaluation.benchmark.scores import (
    COMPARED,
    CONTROLS,
    HEADLINE,
    LOCALIZATION,
    MEAN,
    ORACLE,
)
from speechbrain_lmac.evaluation.benchmark.systems import DEFAULT
from speechbrain_lmac.evaluation.benchmark.tables import MARKS, heading, make_table
from speechbrain_lmac.utils.errors import InputError, report_errors

MAX_BASELINES, MAX_CONTROLS = 4, 4
MAX_NAMES = 3
"""Methods that a verdict line names; more are counted."""
SCORES = {
    "clean": HEADLINE,
    "two_source": (*HEADLINE[:3], *LOCALIZATION[:2], *LOCALIZATION[3:]),
}
"""Condition -> scores of its table. Other conditions have those of clean clips."""
DOMAINS = {"mel": "Mel", "stft": "STFT"}
CONDITIONS = {"clean": "clean clips", "two_source": "two-source mixtures"}
"""Condition -> its name in headings. Other conditions keep theirs."""
FURTHER_FIGURES = {
    "curves": "insertion and deletion curves",
    "presence": "mask mean and similarity of clip and prompt",
    "randomized": "similarity of maps after model randomization",
    "gallery": "one mixture under every method",
}
OPENING = """\
# {title}

{notes} Masked bins are silence. [How to read this page](README.md).
Complete tables: {files}.
"""


@report_errors
def main(arguments=None):
    """Write the page that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("page", type=Path)
    options = parser.parse_args(arguments)
    results, page = options.results, options.page
    if not (results / "summary.csv").is_file():
        raise InputError(f"{results} must hold summary.csv. Run evaluate.py to its end")
    if page.suffix != ".md":
        raise InputError(f"page must end in .md, got {page}")
    folder = page.with_suffix("")
    replace_files(folder, [*results.glob("figures/*.png"), *results.glob("*.csv")])
    title, caveat, *_ = (results / "summary.md").read_text(encoding="utf-8").split("\n\n")
    notes = provenance(results) + ("" if caveat.startswith(MARKS["better"]) else " " + caveat)
    text = make_page(folder, title.removeprefix("# "), notes)
    page.write_text(text, encoding="utf-8")
    print(f"{page}, {len(list(folder.iterdir()))} files in {folder}")


def replace_files(folder, sources):
    """Copy figures and tables into the folder of a page, in place of old ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.png"), *folder.glob("*.csv")]:
        old.unlink()
    for source in sources:
        shutil.copy(source, folder / source.name)


def provenance(results):
    """Describe the weights and the version of torch of a run, in one line."""
    records = [
        json.loads(line)
        for path in sorted(results.glob("results_*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    decoders = ", ".join(sorted({r["decoder"] for r in records} - {""})) or "none"
    metadata = json.loads((results / "run_metadata.json").read_text(encoding="utf-8"))
    torch = metadata[-1]["packages"]["torch"]
    return (
        f"Measured by `evaluate.py` with torch {torch}; SHA-256 of the weights begins with "
        f"{records[0]['clap']} (CLAP) and {decoders} (decoders)."
    )


def make_page(folder, title, notes):
    """Return the text of a page from the summary and the figures in its folder."""
    summary = pd.read_csv(folder / "summary.csv", dtype={"fraction": str})
    files = [f"[{path.name}]({folder.name}/{path.name})" for path in sorted(folder.glob("*.csv"))]
    parts = [OPENING.format(title=title, notes=notes, files=", ".join(files)).strip()]
    for (domain, condition), part in summary.groupby(["domain", "condition"], sort=False):
        parts.append(section(folder, domain, condition, part))
    links = [
        f"- [{caption}, {path.name.partition('_')[0]}]({folder.name}/{path.name})"
        for name, caption in FURTHER_FIGURES.items()
        for path in sorted(folder.glob(f"*_{name}.png"))
    ]
    if links:
        parts.append("## Further figures\n\n" + "\n".join(links))
    return "\n\n".join(parts) + "\n"


def section(folder, domain, condition, summary):
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
    lines = [verdict_line(summary, score, reference) for score in scores if score in COMPARED]
    parts.append("\n".join(f"- {line}" for line in lines if line))
    return "\n\n".join(part for part in parts if part)


def choose_methods(summary, reference):
    """Choose at most ten methods: the reference, the best baselines and controls, the oracle."""
    rows = summary[(summary.metric == "AD") & (summary.fraction == MEAN)]
    ordered = list(rows.sort_values("mean", kind="stable").method)
    tuned = [name for name in ordered if name != reference and not name.endswith(DEFAULT)]
    baselines = [name for name in tuned if name not in (*CONTROLS, ORACLE)]
    controls = [name for name in tuned if name in CONTROLS]
    return [reference, *baselines[:MAX_BASELINES], *controls[:MAX_CONTROLS], ORACLE]


def verdict_line(summary, score, reference):
    """Count the verdicts on one score, in one line; empty if it is not compared."""
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
