"""Train and measure one interpreter for each row of ``sweeps.yaml``, and make a table of them.

Usage: python -m experiments.ablation.study --esc50 ESC10 [--tagger mn04_as_mAP_432.pt] [--epochs
20]
           [--output_folder results/study] [--page docs/study.md] [--only TEXT]

Folds 1 and 2 train, 3 selects the epoch, 4 is what rows are compared on; fold 5 has no part in it.
Rows that are done are kept: the same command goes on where it was interrupted. Two processes may
share the work, each with another ``--only``.
"""

import argparse
import json
from pathlib import Path

import pandas as pd
import yaml
from ruamel.yaml import YAML

from speechbrain_lmac.evaluation.benchmark import diagnostics
from speechbrain_lmac.evaluation.benchmark.comparison import with_means
from speechbrain_lmac.evaluation.benchmark.conditions import CLEAN, TWO_SOURCE
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.metrics.statistics import paired_difference
from speechbrain_lmac.training.train import main as train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import report_errors

SWEEPS = Path(__file__).parent / "sweeps.yaml"
START = {"decoder_channels": 32, "feature_dropout": 0.0}
"""Settings that all rows had before the last questions were asked: what they answered stands in
``lmac_zs_efficientat.yaml``."""
FOLDS = {"train_folds": [1, 2], "valid_folds": [3], "test_folds": [4]}
MEANS = {"AD@mean": 1, "FF@mean": 3, "Fid-In@mean": 3}
"""Metric at equal budgets -> decimals."""
CONDITIONS = ((CLEAN, ""), (TWO_SOURCE, ", mixed"))
PAIRS, ALL_PAIRS, OURS = "pairs", "all of a batch of 8 heard", "LMAC-ZS-D"
NOTE = """\
Each row is LMAC-ZS-D with 32 channels and no dropout but for what
[sweeps.yaml](../experiments/ablation/sweeps.yaml) changes. Trained for {epochs} epochs on folds 1
and 2 of
ESC-10, the epoch selected on fold 3, measured on the 80 clips of fold 4 and on mixtures of two of
them, among 50 names; fold 5 has no part in it. AD, FF and Fid-In are means over the top 5, 10, 20
and 40 % of cells, on clean clips, then on mixtures at 0 dB (mixed). SI-SDRi is that of the mask as
it is. Swap: share of mixtures whose two explanations are each most like their own source.
Presence: area under the ROC curve of the mask's energy, for prompts of what is there against
prompts of what is not (the CLAP's own similarity: {clap:.2f}). Passes: of the encoder in training,
forward and backward, for each clip and step. One seed each: differences of a point or two are
noise. Masks are as they were learnt, not calibrated, but where a row says so.
"""


def main(arguments=None):
    options = parser().parse_args(arguments)
    for row in rows():
        if options.only in f"{row.question}: {row.domain}, {row.name}":
            measure(row, options)
    done = [row for row in rows() if result(row, options).is_file()]
    if options.page and done:
        Path(options.page).write_text(page(done, options), encoding="utf-8")


def parser():
    this = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    this.add_argument("--esc50", metavar="FOLDER", required=True)
    this.add_argument("--tagger", metavar="FILE")
    this.add_argument("--epochs", type=int, default=20)
    this.add_argument("--output_folder", metavar="FOLDER", default="results/study")
    this.add_argument("--page", metavar="FILE")
    this.add_argument("--only", metavar="TEXT", default="", help="rows whose name holds this")
    return this


class Row:
    """One interpreter of the study."""

    def __init__(self, question, domain, name, changes):
        self.question, self.domain, self.name, self.changes = question, domain, name, changes

    @property
    def settings(self):
        """What it is trained with, beside what all rows share with the final training."""
        return {**START, **self.changes}

    @property
    def slug(self):
        words = "".join(c if c.isalnum() else " " for c in f"{self.question} {self.name}").split()
        return f"{'-'.join(words)}-{self.domain}"


def rows():
    sweeps = yaml.safe_load(SWEEPS.read_text(encoding="utf-8"))
    return [
        Row(question, domain, name, changes)
        for question, planes in sweeps.items()
        for domain, held in planes.items()
        for name, changes in held.items()
    ]


def result(row, options):
    return Path(options.output_folder) / row.slug / "study.json"


@report_errors
def measure(row, options):
    """Train and evaluate, unless that is done."""
    path = result(row, options)
    if path.is_file():
        return
    clap = {"weights": options.tagger}
    settings = {
        "clap": clap,
        "masking": row.domain,
        "data_folder": options.esc50,
        "output_folder": path.parent,
        "number_of_epochs": options.epochs,
        "precision": "bf16",
        "device": "cpu",
        "baselines": [],
        "calibrate": False,
        **FOLDS,
        **row.settings,
    }
    train(["lmac_zs_efficientat.yaml", *as_arguments(settings)])
    asked = {
        "clap": clap,
        "maskings": [row.domain],
        "interpreters": {row.domain: str(path.parent)},
        "data_folder": options.esc50,
        "test_folds": FOLDS["test_folds"],
        "valid_folds": [],
        "conditions": ["clean", "two_source", "absent"],
        "explainers": ["lmac"],
        "subset_only_explainers": [],
        "tune_baselines": False,
        "gallery": False,
        "num_clips": {"clips": 80, "valid_clips": None, "subset": 0, "randomized": 0},
        "output_folder": path.parent / "bench",
        "device": "cpu",
    }
    evaluate(["evaluate_efficientat.yaml", *as_arguments(asked)])
    found = summary(pd.read_csv(path.parent / "bench" / "rows.csv"))
    path.write_text(
        json.dumps({**found, "passes": passes_of(path.parent)}, indent=2) + "\n", encoding="utf-8"
    )


def passes_of(folder):
    """Encoder passes per clip, forward and backward: of what masks keep and what they remove."""
    settings = YAML().load(folder / "hyperparams.yaml")
    weights, objective = settings["loss_weights"], settings["objective"]
    sides = sum(any(weights[name] for name in objective[side]) for side in ("mask_in", "mask_out"))
    return settings["encoded_prompts_per_clip"] * sides


def summary(frame):
    """A row's figures."""
    frame = with_means(frame)
    found = {}
    for condition, suffix in CONDITIONS:
        part = frame[frame.condition == condition]
        found.update({f"{m.split('@')[0]}{suffix}": float(part[m].mean()) for m in MEANS})
        if condition == TWO_SOURCE:
            found["SI-SDRi"] = float(part["SI-SDRi"].replace(-float("inf"), None).mean())
    there = diagnostics.presence(frame).iloc[0]
    found["swap"] = float(diagnostics.swap(frame, suffix="").dominant.iloc[0])
    found["presence"], found["CLAP"] = float(there["kept energy"]), float(there["CLAP"])
    return found


def page(done, options):
    """The table, as Markdown."""
    held = [json.loads(result(row, options).read_text(encoding="utf-8")) for row in done]
    parts = ["# The study: what fixes the objective and the decoder\n"]
    parts.append(NOTE.format(epochs=options.epochs, clap=held[0]["CLAP"]))
    decimals = {"AD": 1, "AD, mixed": 1, "SI-SDRi": 1, "swap": 2, "presence": 2}
    for question in dict.fromkeys(row.question for row in done):
        lines = []
        for row, figures in zip(done, held):
            if row.question == question:
                cells = {
                    key: f"{value:.{decimals.get(key, 3)}f}"
                    for key, value in figures.items()
                    if key not in ("CLAP", "passes")
                }
                name = f"{row.name}, {row.domain}"
                lines.append({"": name, **cells, "passes": figures["passes"]})
        parts.append(f"## {question[0].upper()}{question[1:]}\n")
        parts.append(pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True) + "\n")
        if question == PAIRS:
            parts.append(beside_all_pairs(done, options))
    return "\n".join(parts)


def beside_all_pairs(done, options):
    """What rows that hear fewer pairs lose beside the one that hears all, as Markdown."""
    every = next((row for row in done if row.name == ALL_PAIRS), None)
    fewer = [row for row in done if row.name == OURS and row.domain == "mel"]
    fewer += [row for row in done if row.question == PAIRS and row.name != ALL_PAIRS]
    if every is None:
        return ""
    lines, reference = [], scores_of(every, options)
    for row in fewer:
        line, scores = {"less all pairs": row.name}, scores_of(row, options)
        for condition, suffix in CONDITIONS:
            for metric in ("AD@mean", "Fid-In@mean"):
                one, other = (s.xs(condition)[[metric, "recording"]] for s in (scores, reference))
                both = one.join(other, rsuffix=" of all", how="inner")
                found = paired_difference(both[metric], both[f"{metric} of all"], both["recording"])
                cell = f"{found.difference:+.2f} [{found.low:.2f}, {found.high:.2f}]"
                line[metric.removesuffix("@mean") + suffix] = cell
        lines.append(line)
    table = pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True)
    return f"Differences, with 95 % intervals by paired bootstrap over recordings:\n\n{table}\n"


def scores_of(row, options):
    """A row's scores on each clip, by condition and clip."""
    frame = pd.read_csv(result(row, options).parent / "bench" / "rows.csv", low_memory=False)
    return with_means(frame).set_index(["condition", "clip"])


if __name__ == "__main__":
    main()
