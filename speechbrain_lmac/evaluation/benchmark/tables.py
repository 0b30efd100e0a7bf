"""Tables of the benchmark, one for each theme, masking domain and condition."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from speechbrain_lmac.evaluation.benchmark import diagnostics
from speechbrain_lmac.evaluation.benchmark.comparison import assess
from speechbrain_lmac.evaluation.benchmark.formatting import (
    NO_VALUE,
    Table,
    escape_latex,
    fixed,
)
from speechbrain_lmac.evaluation.benchmark.scores import (
    AREAS,
    CHECKS,
    COMPARED,
    CONTROLS,
    FILLED,
    HEADLINE,
    LOCALIZATION,
    MAX_SILENT,
    MEAN,
    ORACLE,
    RAW,
    SI_SDRI,
    Score,
)
from speechbrain_lmac.metrics.registry import (
    MASK_METRICS,
    METRICS,
    OTHER_FILLS,
    TOP_K_METRICS,
    fill_metric,
)
from speechbrain_lmac.utils.errors import InputError
from speechbrain_lmac.utils.files import atomic_write

MARKS = {"better": "▲", "tie": "=", "worse": "▼"}
COST: tuple[Score, ...] = (("passes", RAW), ("seconds", RAW))
TABLES: dict[str, tuple[Score, ...]] = {
    "Equal mask area (mean over the top 5, 10, 20 and 40 % of T-F bins)": (*HEADLINE, *COST),
    "Equal mask area, masked-out bins filled with the noise floor or the mean": FILLED,
    "Smallest areas (fraction of the encoded T-F bins; clips in which the class leads)": AREAS,
    "Localization of known sources": (
        *LOCALIZATION,
        *(("fraction_of_oracle", RAW), ("silenced", RAW)),
    ),
    "Checks on a subset": CHECKS,
    "Soft masks (not comparable: their means differ)": (
        *((name, RAW) for name in MASK_METRICS),
        *(("failed", RAW), ("constant", RAW)),
    ),
}
"""Title -> scores of each table."""


class Report(NamedTuple):
    """Summary (from ``assess``) and diagnostics of a run, and the compared method."""

    summary: pd.DataFrame
    diagnostics: dict[str, pd.DataFrame]
    reference: str


def write_summary(
    folder: str | Path,
    frame: pd.DataFrame,
    tuning_rows: Sequence[Mapping[str, Any]],
    description: str,
    method: str | None,
    caveat: str = "",
) -> Report:
    """Write ``summary.md``, ``summary.tex`` and one CSV file per table, all or none.

    Raises InputError if no condition was scored, or the folder cannot be written.

    Arguments
    ---------
    folder : str or Path
        Results folder.
    frame : pandas.DataFrame
        Long-format results with all facts.
    tuning_rows : list of dict
        Rows of :func:`~speechbrain_lmac.evaluation.benchmark.tuning.tune` with their ``domain``.
    description : str
        CLAP, clips and classes of the run.
    method : str or None
        Method that is compared with all others. None or without rows: the first explainer.
    caveat : str
        Paragraph below the title. Default: none.
    """
    scored = diagnostics.scored_conditions(frame)
    if not len(scored):
        raise InputError("conditions must include one other than absent_prompt")
    methods = [str(name) for name in scored.method.unique()]
    first = next((name for name in methods if name not in CONTROLS), methods[0])
    reference = method if method in methods else first
    summary = assess(scored, reference)
    found = diagnostics.all_tables(frame, tuning_rows)
    sections = [*summary_tables(summary, reference), *diagnostic_tables(found)]
    parts = [f"# {description}\n", *([caveat + "\n"] if caveat else []), legend(reference) + "\n"]
    latex = [rf"\section*{{{escape_latex(description)}}}", escape_latex(caveat)]
    for heading, tables in sections:
        parts += [f"## {heading}\n", *(table.to_markdown() for table in tables)]
        latex.append(rf"\subsection*{{{escape_latex(heading)}}}")
        latex += [table.to_latex() for table in tables]
    texts = {"summary.md": "\n".join(parts), "summary.tex": "\n".join(latex)}
    for name, table in {"summary": summary, **found}.items():
        if len(table):
            texts[name.lower().replace(" ", "_") + ".csv"] = table.to_csv(index=False)
    with ExitStack() as stack:
        for name, text in texts.items():
            stack.enter_context(atomic_write(Path(folder) / name)).write_text(
                text, encoding="utf-8"
            )
    return Report(summary, found, reference)


def summary_tables(summary: pd.DataFrame, reference: str) -> list[tuple[str, list[Table]]]:
    """Return the tables of each masking domain and condition, with their heading."""
    sections = []
    for (domain, condition), part in summary.groupby(["domain", "condition"], sort=False):
        tables = [make_table(part, title, scores, reference) for title, scores in TABLES.items()]
        sections.append((f"{domain}, {condition}", [table for table in tables if table]))
    return sections


def diagnostic_tables(found: dict[str, pd.DataFrame]) -> list[tuple[str, list[Table]]]:
    """Return the tables of :func:`~.diagnostics.all_tables`, one for each masking domain."""
    sections = []
    for heading, frame in found.items():
        if not len(frame):
            continue
        note = (diagnostics.NOTES[heading],)
        tables = []
        for domain, part in frame.groupby("domain", sort=False):
            part = part.drop(columns="domain").reset_index(drop=True)
            cells = part.map(lambda v: fixed(v, 3) if isinstance(v, float) else str(v))
            tables.append(Table(str(domain), cells, None, note))
        sections.append((heading, tables))
    return sections


def make_table(
    part: pd.DataFrame, title: str, scores: Sequence[Score], reference: str
) -> Table | None:
    """Format scores of one masking domain and condition, methods by scores."""
    rows = {(r.method, (r.metric, r.fraction)): r for r in part.itertuples()}
    present = {score for _, score in rows}
    compared = [score for score in scores if score in present]
    if not any(score not in COST for score in compared):
        return None
    main = next(score for score in compared if score not in COST)
    methods = [m for m in part.method.unique() if any((m, score) in rows for score in compared)]
    best = {score: _best(part, score) for score in compared}
    cells = {"method": methods}
    bold = {"method": [False] * len(methods)}
    for score in compared:
        cells[heading(score)] = [_cell(rows.get((m, score)), score, reference) for m in methods]
        bold[heading(score)] = [m in best[score] for m in methods]
    clips = [rows.get((m, main)) for m in methods]
    cells["clips"] = [f"{row.clips:.0f}" if row else NO_VALUE for row in clips]
    bold["clips"] = [False] * len(methods)
    notes = [verdict_sentence(part, score, reference) for score in compared if score in COMPARED]
    if FILLED[0] in compared:
        notes += [all_fills_sentence(part, name, reference) for name in TOP_K_METRICS]
    return Table(title, pd.DataFrame(cells), pd.DataFrame(bold), tuple(filter(None, notes)))


def heading(score: Score) -> str:
    """Return the column heading of a score."""
    metric, fraction = score
    soft = fraction == RAW and (metric, MEAN) in COMPARED and metric != "AD"
    return METRICS[metric].heading + (" (soft mask)" if soft and score in COMPARED else "")


def all_fills_sentence(part: pd.DataFrame, name: str, reference: str) -> str:
    """Say which methods the reference exceeds in one metric, whatever fills masked-out bins."""
    metrics = [name, *(fill_metric(name, fill) for fill in OTHER_FILLS)]
    rows = part[part.metric.isin(metrics) & (part.fraction == MEAN) & (part.verdict == "better")]
    counts = rows.groupby("method", sort=False).metric.nunique()
    better = [str(method) for method in counts.index[counts == len(metrics)]]
    return f"{reference} in {name}, all fills: better than {', '.join(better) or 'no method'}."


def verdict_sentence(part: pd.DataFrame, score: Score, reference: str) -> str:
    """Describe the verdicts on one score in one line; empty if it is not compared."""
    rows = part[(part.metric == score[0]) & (part.fraction == score[1])]
    rows = rows[(rows.method != reference) & rows.verdict.notna()]
    phrases = {"better": "better than", "tie": "ties with", "worse": "worse than"}
    clauses = []
    for verdict, phrase in phrases.items():
        names = list(rows.method[rows.verdict == verdict])
        everyone = len(names) == len(rows) > 1
        if names:
            clauses.append(f"{phrase} {'all others' if everyone else ', '.join(names)}")
    return f"{heading(score)[:-2]}: {reference} {'; '.join(clauses)}." if clauses else ""


def legend(reference: str) -> str:
    """Explain the marks of the tables."""
    return (
        f"{MARKS['better']} {reference} is better than the row, {MARKS['worse']} worse, "
        f"{MARKS['tie']} tie. Better and worse need a 95 % interval of the paired difference that "
        "excludes 0 (BCa bootstrap over recordings), and p < 0.05 (Wilcoxon, Holm-corrected over "
        "the table). Brackets: 95 % interval of the mean. Bold: best explainer on all clips, "
        f"without controls ({', '.join(CONTROLS)}) and {ORACLE}. Methods on fewer clips are "
        "compared on the shared clips. SI-SDRi excludes clips that an explainer silences."
    )


def _best(part: pd.DataFrame, score: Score) -> tuple[str, ...]:
    """Return the best explainers of those on all clips that rarely silence a clip."""
    if score not in COMPARED:
        return ()
    rows = part[(part.metric == score[0]) & (part.fraction == score[1])]
    silenced = part[(part.metric == "silenced") & (score[0] == SI_SDRI)]
    excluded = (*CONTROLS, ORACLE, *silenced.method[silenced["mean"] > MAX_SILENT])
    rows = rows[(rows.clips == rows.clips.max()) & ~rows.method.isin(excluded)]
    heights = rows["mean"] * (1 if METRICS[score[0]].higher_is_better else -1)
    return tuple(rows.method[heights == heights.max()])


def _cell(row: Any, score: Score, reference: str) -> str:
    """Format mean, interval and verdict."""
    if row is None:
        return NO_VALUE
    decimals = METRICS[score[0]].decimals
    text = fixed(row.mean, decimals)
    if np.isfinite(row.low):
        short = decimals - (row.high - row.low >= 5 * 10.0 ** (1 - decimals))
        text += f" [{fixed(row.low, short)}, {fixed(row.high, short)}]"
    verdict = MARKS.get(row.verdict, "") if row.method != reference else ""
    return f"{text} {verdict}".strip()
