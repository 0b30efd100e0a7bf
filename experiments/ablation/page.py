"""Figures and tables of the ablation, as a Markdown page."""

import argparse
import json

import pandas as pd

from experiments.ablation.rows import Row, result_file
from speechbrain_lmac.evaluation.benchmark import diagnostics
from speechbrain_lmac.evaluation.benchmark.conditions import CLEAN, TWO_SOURCE
from speechbrain_lmac.evaluation.benchmark.results import read_table
from speechbrain_lmac.evaluation.benchmark.scores import drop_silenced, with_score_names
from speechbrain_lmac.metrics.statistics import paired_difference

METRICS = ("AD", "FF", "Fid-In")
"""Metrics whose mean over the top-k fractions is shown."""
CONDITIONS = ((CLEAN, ""), (TWO_SOURCE, ", mixed"))
"""Each condition, and the suffix of its columns."""
PAIRS_QUESTION = "pairs"
"""Question whose rows are compared with ``ALL_PAIRS_ROW``."""
ALL_PAIRS_ROW = "all pairs of a batch of 8"
UNCHANGED_ROW = "LMAC-ZS-D"
"""Row without changes to ``BASE_SETTINGS``."""
DECIMALS = {"AD": 1, "AD, mixed": 1, "SI-SDRi": 1, "swap": 2, "presence": 2}
"""Decimals of each column of the page. Default: 3."""
NOTE = """\
Each row is LMAC-ZS-D with 32 channels and no dropout, except for the changes in
[sweeps.yaml](../experiments/ablation/sweeps.yaml). All rows were trained for {epochs} epochs on
folds 1 and 2 of ESC-10. The epoch was selected on fold 3. Results are for the 80 clips of fold 4
and for two-source mixtures of them at 0 dB (mixed), among 50 classes. Fold 5 is not used.

- AD, FF and Fid-In: means over the top 5, 10, 20 and 40 % of T-F bins.
- SI-SDRi: of the soft mask on mixtures, in dB.
- Swap: fraction of mixtures whose two explanations are each most similar to their own source.
- Presence: area under the ROC curve of detecting present prompts by the masked-in energy. The
  similarity of the CLAP reaches {clap:.2f}.
- Passes: encoder passes in training per clip and step, forward and backward.

There is one seed per row, so differences of one or two points are noise. Masks are not calibrated
unless the row says so.
"""


def summarize(results: pd.DataFrame) -> dict[str, float]:
    """Return the figures of a row: means over clips, swap and presence."""
    scores = drop_silenced(with_score_names(results))
    means = scores.groupby(["condition", "metric", "fraction"]).value.mean()
    figures = {}
    for condition, suffix in CONDITIONS:
        values = means[condition]
        figures.update({f"{name}{suffix}": float(values[name, "mean"]) for name in METRICS})
    figures["SI-SDRi"] = float(means[TWO_SOURCE]["SI-SDRi", "raw"])
    presence = diagnostics.presence(results).iloc[0]
    figures["swap"] = float(diagnostics.swap(results, fraction=None).dominant.iloc[0])
    figures["presence"] = float(presence["masked_in_energy"])
    figures["CLAP"] = float(presence["clap_similarity"])
    return figures


def make_page(finished: list[Row], options: argparse.Namespace) -> str:
    """Return the page as Markdown, with one table per question."""
    figures = {
        row.slug: json.loads(result_file(row, options).read_text(encoding="utf-8"))
        for row in finished
    }
    clap = figures[finished[0].slug]["CLAP"]
    parts = ["# Ablation of the objective and the decoder\n"]
    parts.append(NOTE.format(epochs=options.epochs, clap=clap))
    for question in dict.fromkeys(row.question for row in finished):
        lines = [table_line(row, figures[row.slug]) for row in finished if row.question == question]
        parts.append(f"## {question[0].upper()}{question[1:]}\n")
        parts.append(pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True) + "\n")
        if question == PAIRS_QUESTION:
            parts.append(compare_with_all_pairs(finished, options))
    return "\n".join(parts)


def table_line(row: Row, figures: dict[str, float]) -> dict[str, str | float]:
    """Return one line of a table: the name of a row and its rounded figures."""
    rounded = {
        column: f"{value:.{DECIMALS.get(column, 3)}f}"
        for column, value in figures.items()
        if column not in ("CLAP", "passes")
    }
    return {"": f"{row.name}, {row.domain}", **rounded, "passes": figures["passes"]}


def compare_with_all_pairs(finished: list[Row], options: argparse.Namespace) -> str:
    """Compare rows that encode fewer pairs with the row that encodes all, as Markdown."""
    all_pairs = next((row for row in finished if row.name == ALL_PAIRS_ROW), None)
    if all_pairs is None:
        return ""
    fewer = [row for row in finished if row.name == UNCHANGED_ROW and row.domain == "mel"]
    fewer += [
        row for row in finished if row.question == PAIRS_QUESTION and row.name != ALL_PAIRS_ROW
    ]
    lines, reference = [], mean_scores(all_pairs, options)
    for row in fewer:
        line, scores = {"minus all pairs": row.name}, mean_scores(row, options)
        for condition, suffix in CONDITIONS:
            for metric in ("AD", "Fid-In"):
                both = scores.loc[condition, metric].join(
                    reference.loc[condition, metric], rsuffix="_all_pairs", how="inner"
                )
                comparison = paired_difference(both.value, both.value_all_pairs, both.recording)
                interval = f"[{comparison.low:.2f}, {comparison.high:.2f}]"
                line[metric + suffix] = f"{comparison.difference:+.2f} {interval}"
        lines.append(line)
    table = pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True)
    return f"Differences with 95 % intervals (paired bootstrap over recordings):\n\n{table}\n"


def mean_scores(row: Row, options: argparse.Namespace) -> pd.DataFrame:
    """Return the mean scores of each clip over the fractions, by condition, metric and clip."""
    scores = with_score_names(read_table(result_file(row, options).parent / "bench"))
    means = scores[scores.fraction == "mean"]
    return means.set_index(["condition", "metric", "clip"])[["value", "recording"]]
