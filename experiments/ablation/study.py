"""Ablation: train and evaluate one interpreter for each row of ``sweeps.yaml``.

Usage: python -m experiments.ablation.study --esc50 ESC10 [--tagger mn04_as_mAP_432.pt]
           [--epochs 20] [--output_folder results/study] [--page docs/study.md] [--only TEXT]

Folds 1 and 2 train, fold 3 selects the epoch, fold 4 compares the rows. Finished rows are reused:
the same command resumes. Two processes may share the work with different
``--only``.
"""

import argparse
import json
from pathlib import Path

import pandas as pd
import yaml
from ruamel.yaml import YAML

from speechbrain_lmac.evaluation.benchmark import diagnostics
from speechbrain_lmac.evaluation.benchmark.conditions import CLEAN, TWO_SOURCE
from speechbrain_lmac.evaluation.benchmark.results import read_table
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.evaluation.benchmark.scores import drop_silenced, with_score_names
from speechbrain_lmac.metrics.statistics import paired_difference
from speechbrain_lmac.training.train import main as train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import report_errors

SWEEPS = Path(__file__).parent / "sweeps.yaml"
START = {"decoder_channels": 32, "feature_dropout": 0.0}
"""Settings of all rows before the last two questions. The answers are in
``lmac_zs_efficientat.yaml``."""
FOLDS = {"train_folds": [1, 2], "valid_folds": [3], "test_folds": [4]}
METRICS = ("AD", "FF", "Fid-In")
"""Metrics whose mean over the top-k fractions is shown."""
CONDITIONS = ((CLEAN, ""), (TWO_SOURCE, ", mixed"))
PAIRS, ALL_PAIRS, OURS = "pairs", "all pairs of a batch of 8", "LMAC-ZS-D"
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
    this.add_argument(
        "--only", metavar="TEXT", default="", help="train rows whose name contains this text"
    )
    return this


class Row:
    """One interpreter of the ablation."""

    def __init__(self, question, domain, name, changes):
        self.question, self.domain, self.name, self.changes = question, domain, name, changes

    @property
    def settings(self):
        """Settings of the training that differ from the final training."""
        return {**START, **self.changes}

    @property
    def slug(self):
        words = "".join(c if c.isalnum() else " " for c in f"{self.question} {self.name}").split()
        return f"{'-'.join(words)}-{self.domain}"


def rows():
    sweeps = yaml.safe_load(SWEEPS.read_text(encoding="utf-8"))
    return [
        Row(question, domain, name, changes)
        for question, domains in sweeps.items()
        for domain, variants in domains.items()
        for name, changes in variants.items()
    ]


def result(row, options):
    return Path(options.output_folder) / row.slug / "study.json"


@report_errors
def measure(row, options):
    """Train and evaluate a row, unless its result exists."""
    path = result(row, options)
    if path.is_file():
        return
    train(["lmac_zs_efficientat.yaml", *as_arguments(train_settings(row, options, path.parent))])
    settings = evaluate_settings(row, options, path.parent)
    evaluate(["evaluate_efficientat.yaml", *as_arguments(settings)])
    figures = {**summary(read_table(path.parent / "bench")), "passes": passes_of(path.parent)}
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def train_settings(row, options, folder):
    """Return the settings of the training of a row."""
    return {
        "clap": {"weights": options.tagger},
        "masking": row.domain,
        "data_folder": options.esc50,
        "output_folder": folder,
        "number_of_epochs": options.epochs,
        "precision": "bf16",
        "device": "cpu",
        "baselines": [],
        "calibrate": False,
        **FOLDS,
        **row.settings,
    }


def evaluate_settings(row, options, folder):
    """Return the settings of the evaluation of a row."""
    return {
        "clap": {"weights": options.tagger},
        "maskings": [row.domain],
        "interpreters": {row.domain: str(folder)},
        "data_folder": options.esc50,
        "test_folds": FOLDS["test_folds"],
        "valid_folds": [],
        "conditions": ["clean", "two_source", "absent_prompt"],
        "explainers": ["lmac"],
        "subset_only_explainers": [],
        "tune_baselines": False,
        "gallery": False,
        "num_clips": {"clips": 80, "valid_clips": None, "subset": 0, "randomized": 0},
        "output_folder": folder / "bench",
        "device": "cpu",
    }


def passes_of(folder):
    """Count encoder passes per clip: masked-in and masked-out, forward and backward."""
    settings = YAML().load(folder / "hyperparams.yaml")
    weights, objective = settings["loss_weights"], settings["objective"]
    sides = sum(any(weights[name] for name in objective[side]) for side in ("mask_in", "mask_out"))
    return settings["encoded_prompts_per_clip"] * sides


def summary(frame):
    """Return the figures of a row: means over clips, swap and presence."""
    scores = drop_silenced(with_score_names(frame))
    means = scores.groupby(["condition", "metric", "fraction"]).value.mean()
    figures = {}
    for condition, suffix in CONDITIONS:
        values = means[condition]
        figures.update({f"{name}{suffix}": float(values[name, "mean"]) for name in METRICS})
    figures["SI-SDRi"] = float(means[TWO_SOURCE]["SI-SDRi", "raw"])
    presence = diagnostics.presence(frame).iloc[0]
    figures["swap"] = float(diagnostics.swap(frame, fraction=None).dominant.iloc[0])
    figures["presence"] = float(presence["masked_in_energy"])
    figures["CLAP"] = float(presence["clap_similarity"])
    return figures


def page(done, options):
    """Return the page as Markdown."""
    results = [json.loads(result(row, options).read_text(encoding="utf-8")) for row in done]
    parts = ["# Ablation of the objective and the decoder\n"]
    parts.append(NOTE.format(epochs=options.epochs, clap=results[0]["CLAP"]))
    decimals = {"AD": 1, "AD, mixed": 1, "SI-SDRi": 1, "swap": 2, "presence": 2}
    for question in dict.fromkeys(row.question for row in done):
        lines = []
        for row, figures in zip(done, results):
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
            parts.append(compare_with_all_pairs(done, options))
    return "\n".join(parts)


def compare_with_all_pairs(done, options):
    """Compare rows that encode fewer pairs with the row that encodes all, as Markdown."""
    every = next((row for row in done if row.name == ALL_PAIRS), None)
    fewer = [row for row in done if row.name == OURS and row.domain == "mel"]
    fewer += [row for row in done if row.question == PAIRS and row.name != ALL_PAIRS]
    if every is None:
        return ""
    lines, reference = [], mean_scores_of(every, options)
    for row in fewer:
        line, scores = {"minus all pairs": row.name}, mean_scores_of(row, options)
        for condition, suffix in CONDITIONS:
            for metric in ("AD", "Fid-In"):
                one, other = (table.loc[condition, metric] for table in (scores, reference))
                both = one.join(other, rsuffix=" of all", how="inner")
                pair = both.value, both["value of all"]
                found = paired_difference(*pair, both.recording)
                cell = f"{found.difference:+.2f} [{found.low:.2f}, {found.high:.2f}]"
                line[metric + suffix] = cell
        lines.append(line)
    table = pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True)
    return f"Differences with 95 % intervals (paired bootstrap over recordings):\n\n{table}\n"


def mean_scores_of(row, options):
    """Return the mean scores of each clip over the fractions, by condition, metric and clip."""
    scores = with_score_names(read_table(result(row, options).parent / "bench"))
    means = scores[scores.fraction == "mean"]
    return means.set_index(["condition", "metric", "clip"])[["value", "recording"]]


if __name__ == "__main__":
    main()
