"""Tables of the bench: what is claimed at equal budgets, and what stands beside it unclaimed."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from speechbrain_lmac.evaluation.benchmark.assessment import (
    CHECKS,
    COMPARED,
    COUNTS,
    FAMILIES,
    HEADLINE,
    IDEAL,
    MEDIAN_SECONDS,
    OF_IDEAL,
    RAW,
    SILENCED,
    TRUTH,
    UNCLAIMED,
    assess,
    silenced,
)
from speechbrain_lmac.evaluation.benchmark.comparison import CONTROLS, MAX_SILENT, direction
from speechbrain_lmac.evaluation.benchmark.formats import Cell, Table, latex, latex_text, markdown
from speechbrain_lmac.utils.files import whole

CLIPS, PAIRS = "clips", "pairs"
COUNTED = {CLIPS: "AD", PAIRS: "SI-SDRi"}
"""Column that counts clips -> the metric that they have."""
SHARES = ("silent", "failed", SILENCED)
"""Shown in per cent."""
ARROWS = {1: " ↑", -1: " ↓", 0: ""}
TITLES = {
    **{metric: metric.removesuffix("@mean") for metric in (*HEADLINE, *UNCLAIMED)},
    **{"SI-SDRi": "SI-SDRi, dB", "SI-SDRi@mean": "SI-SDRi, dB, equal budgets"},
    **{"energy share@mean": "energy share, equal budgets", MEDIAN_SECONDS: "seconds"},
    **{name: f"{name}, %" for name in SHARES},
}
"""Heads of columns that are not the metric's own name."""
MARKS = {"better": "▲", "tie": "=", "worse": "▼"}
DECIMALS = {
    **{"AD": 1, "AD (as published)": 1, "AI": 1, "AG": 1, "judge AD": 1, "COMP": 2, "SI-SDRi": 2},
    **{OF_IDEAL: 0, "passes": 0, **dict.fromkeys(SHARES, 1)},
}
"""Of a metric's mean, 3 unless it stands here."""
NO_VALUE = "-"


def headline(held, reference):
    """What is claimed: faithfulness at equal budgets; AI and AG last.

    Arguments
    ---------
    held : pandas.DataFrame
        Of :func:`assess`, one masking and condition.
    reference : str
        The method that the marks speak of.

    Returns
    -------
    Table
        Its notes say every verdict in words.
    """
    columns = [*HEADLINE, *UNCLAIMED, CLIPS, "passes", MEDIAN_SECONDS]
    notes = [words(held, metric, reference) for metric in HEADLINE]
    return _table("At equal budgets, mean over the top 5, 10, 20 and 40 %", held, columns, notes)


def ground_truth(held, reference):
    """What the stems of a mixture say of the explanations; as :func:`headline`."""
    columns = ["SI-SDRi", OF_IDEAL, *TRUTH[1:], SILENCED, PAIRS]
    notes = [words(held, metric, reference) for metric in TRUTH[:2]]
    return _table("Against the stems", held, columns, notes)


def checks(held, reference):
    """What is measured on a smaller subset: other fills, a judge, changed and written clips."""
    notes = [words(held, metric, reference) for metric in ("judge AD", "stability")]
    return _table("Further checks", held, CHECKS, notes)


def raw(held):
    """The explainers' own soft masks, which claim nothing."""
    title = "Raw masks; their means differ, so they do not compare"
    return _table(title, held.assign(verdict=""), [*RAW, *COUNTS, CLIPS], bold=False)


def cost(held, reference):
    """Encoder passes and time of each method, beyond hearing the clip.

    Arguments
    ---------
    held : pandas.DataFrame
        Of :func:`assess`, one masking.
    reference : str
        The method whose time is 1.

    Returns
    -------
    Table
    """
    names = ["passes", MEDIAN_SECONDS]
    wide = held[held.metric.isin(names)].pivot_table("mean", "method", "metric", sort=False)
    wide = wide.reindex(columns=names)
    own = wide[MEDIAN_SECONDS].get(reference, np.nan)
    rows = []
    for name, passes, seconds in wide.itertuples():
        cells = (Cell(_number(value, 3)) for value in (passes, 1000 * seconds, seconds / own))
        rows.append((Cell(name), *cells))
    head = ("method", "encoder passes", "ms a clip, median", f"times {reference}")
    return Table("Encoder passes and time, beyond hearing the clip", head, tuple(rows))


def words(held, metric, reference):
    """The verdicts on one metric as a sentence; empty where it is not compared."""
    part = held[(held.metric == metric) & (held.method != reference)]
    groups = {verdict: list(part.method[part.verdict == verdict]) for verdict in MARKS}
    verbs = {"better": "is better than", "tie": "ties with", "worse": "is worse than"}
    said = []
    for verdict, names in groups.items():
        those = "all others" if len(names) == len(part) > 1 else ", ".join(names)
        said += [f"{verbs[verdict]} {those}"] if names else []
    return f"{_title(metric)}: {reference} {'; '.join(said)}." if said else ""


def legend(reference):
    """How the marks, brackets and bold cells are to be read."""
    return (
        f"{MARKS['better']} {reference} is better than the row, {MARKS['worse']} worse, "
        f"{MARKS['tie']} tie. Better: the paired bootstrap 95 % interval, resampled by source "
        "recording, excludes 0, and a sign-flip test, Holm-corrected over the table, says so too. "
        "Brackets: 95 % interval of the mean. Bold: the best explainer of those on all clips; "
        f"controls ({', '.join(CONTROLS)}) and the {IDEAL} mask are none. Rows on fewer clips "
        f"(insertion, deletion and further checks are of the subset) are set against {reference} "
        "on the clips that both have; n recordings that all agree prove p of 2^(1 - n) at best. "
        "SI-SDR is over the pairs that no explainer silences, and who silences more than 5 % is "
        "not called better. AI and AG are not compared."
    )


def _table(title, held, columns, notes=(), bold=True):
    """Methods x those of the columns that have a value anywhere."""
    rows = {(row.method, row.metric): row for row in held.itertuples()}
    columns = [name for name in columns if name in {*COUNTED, *held.metric}]
    best = {name: _best(held, name) if bold else () for name in columns}
    lines = []
    for method in held.method.unique():
        if any((method, name) in rows for name in columns):
            cells = (_cell(rows, method, name, method in best[name]) for name in columns)
            lines.append((Cell(method), *cells))
    head = ("method", *(_title(name) + _arrow(name) for name in columns))
    return Table(title, head, tuple(lines), tuple(note for note in notes if note))


def _best(held, metric):
    """The best explainers of those measured on all clips and not too silent."""
    if metric not in COMPARED:
        return ()
    part = held[held.metric == metric]
    shares = held[(held.metric == silenced(metric)) & (metric in TRUTH[:2])]
    silent = shares.method[shares["mean"] > MAX_SILENT]
    full = part[(part.clips == part.clips.max()) & ~part.method.isin((*CONTROLS, IDEAL, *silent))]
    heights = full["mean"] * direction(metric)
    return tuple(full.method[heights == heights.max()])


def _cell(rows, method, metric, bold):
    row = rows.get((method, COUNTED.get(metric, metric)))
    if row is None:
        return Cell(NO_VALUE)
    if metric in COUNTED:
        return Cell(f"{row.clips:.0f}")
    if metric == MEDIAN_SECONDS:
        return Cell(_number(row.mean, 2))
    scale, decimals = 100 if metric in SHARES else 1, DECIMALS.get(metric.split("@")[0], 3)
    text = _fixed(scale * row.mean, decimals)
    if metric in COMPARED and np.isfinite(row.low):
        # brackets are rounded further where nothing is lost by it
        short = decimals - (row.high - row.low >= 5 * 10.0 ** (1 - decimals))
        text += f" [{_fixed(row.low, short)}, {_fixed(row.high, short)}]"
    return Cell(text, MARKS.get(row.verdict, ""), bold)


def _fixed(value, decimals):
    """Like ``format``, but zero has no sign."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def _number(value, digits):
    """Significant digits, never in powers of ten."""
    if not np.isfinite(value):
        return NO_VALUE
    return np.format_float_positional(value, digits, fractional=False, trim="-")


def _title(metric):
    return TITLES.get(metric, metric)


def _arrow(metric):
    return ARROWS[direction(metric)] if metric in (*COMPARED, *UNCLAIMED, *RAW) else ""


def tables(held, reference):
    """All tables of :func:`assess`: pairs of a heading and a list of :class:`Table`."""
    found, said = [], False
    for (masking, condition), part in held.groupby(["masking", "condition"], sort=False):
        made = [headline(part, reference), ground_truth(part, reference)]
        made += [checks(part, reference), raw(part)]
        families = (*FAMILIES, RAW)
        made = [table for table, f in zip(made, families) if part.metric.isin(f).any()]
        if made and not said:
            made[0] = made[0]._replace(notes=(*made[0].notes, legend(reference)))
            said = True
        if made:
            found.append((f"{masking}, {condition}", made))
    for masking, part in held.groupby("masking", sort=False):
        found.append((f"{masking}, cost", [cost(part, reference)]))
    return found


def plain(title, frame, note):
    """A table of a frame as it is, its first column being the methods'.

    Arguments
    ---------
    title : str
        What it is of.
    frame : pandas.DataFrame
        Numbers are rounded, words are not.
    note : str
        For below.

    Returns
    -------
    Table
    """
    rows = [
        tuple(Cell(_fixed(value, 3) if isinstance(value, float) else str(value)) for value in row)
        for row in frame.itertuples(index=False)
    ]
    return Table(title, tuple(frame.columns), tuple(rows), (note,))


def summary(frame, reference, folder, what, more=()):
    """Write ``summary.md``, ``summary.tex`` and ``summary.csv``, whole or not at all.

    Arguments
    ---------
    frame : pandas.DataFrame
        Of the bench.
    reference : str
        The method that others are set against.
    folder : str or Path
        Made if absent.
    what : str
        Which clips, names and models these are; the heading.
    more : sequence
        Further pairs of a heading and a list of :class:`Table`.

    Returns
    -------
    pandas.DataFrame
        Of :func:`assess`, as in ``summary.csv``.

    Raises
    ------
    InputError
        If the frame is not one of the bench, or the folder cannot be written.
    """
    held = assess(frame, reference)
    parts, sections = [f"# {what}\n"], [rf"\section*{{{latex_text(what)}}}"]
    for heading, made in (*tables(held, reference), *more):
        parts += [f"## {heading}\n", *map(markdown, made)]
        sections += [rf"\subsection*{{{latex_text(heading)}}}", *map(latex, made)]
    texts = {"md": "\n".join(parts), "tex": "\n".join(sections), "csv": held.to_csv(index=False)}
    _write({Path(folder) / f"summary.{ending}": text for ending, text in texts.items()})
    return held


def _write(texts):
    """All files are on the disk before the first takes its name."""
    with ExitStack() as stack:
        for path, text in texts.items():
            stack.enter_context(whole(path)).write_text(text, encoding="utf-8")
