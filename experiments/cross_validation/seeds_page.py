"""Table of trainings that differ only in their seed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from speechbrain_lmac.evaluation.benchmark.results import TABLE_FILE, read_table
from speechbrain_lmac.evaluation.benchmark.scores import drop_silenced, with_score_names
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.metrics.registry import METRICS

SCORES = (("AD", "mean"), ("FF", "mean"), ("Fid-In", "mean"), ("SI-SDRi", "raw"))
"""Metrics and fractions of the table of seeds."""
SEEDS_PAGE = """\
# Trainings that differ only in their seed

Interpreters of {} (`experiments/cross_validation`): clips of all finished folds, and
two-source mixtures of them at 0 dB (mixed). AD, FF and Fid-In are means over the top 5, 10, 20
and 40 % of T-F bins.
SI-SDRi is that of the soft mask, in dB.

{}
"""


def write_seeds_page(path: Path, folders: Mapping[int, Sequence[Path]], clap: str) -> None:
    """Write a table of trainings that differ only in their seed: seed -> results of its folds."""
    lines = []
    for seed, results in folders.items():
        if results and all((folder / TABLE_FILE).is_file() for folder in results):
            scores = seed_scores(results)
            lines += [{"domain": domain, "seed": seed, **scores[domain]} for domain in scores]
    if not lines:
        return
    table = pd.DataFrame(lines).sort_values("domain", kind="stable")
    text = table.to_markdown(index=False, disable_numparse=True)
    path.write_text(SEEDS_PAGE.format(clap, text), encoding="utf-8")


def seed_scores(folders: Sequence[Path]) -> dict[str, dict[str, str]]:
    """Return the rounded mean scores of one seed: masking domain -> column -> score."""
    results = pd.concat([read_table(folder) for folder in folders], ignore_index=True)
    scores = drop_silenced(with_score_names(results[results.method.str.startswith("LMAC-ZS")]))
    means = scores.groupby(["domain", "condition", "metric", "fraction"]).value.mean()
    table: dict[str, dict[str, str]] = {}
    for domain in DOMAINS:
        line = table.setdefault(domain, {})
        for condition, suffix in (("clean", ""), ("two_source", ", mixed")):
            values = means[domain, condition]
            for metric, fraction in SCORES:
                if (metric, fraction) in values.index:
                    decimals = METRICS[metric].decimals
                    line[metric + suffix] = f"{values[metric, fraction]:.{decimals}f}"
    return table
