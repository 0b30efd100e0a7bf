"""Ablation: train and evaluate one interpreter for each row of ``sweeps.yaml``.

Usage: python -m experiments.ablation.study --esc50 ESC10 [--tagger mn04_as_mAP_432.pt]
           [--epochs 20] [--output_folder results/study] [--page docs/study.md] [--only TEXT]

Interpreters are trained on folds 1 and 2 of ESC-10, their epoch is selected on fold 3, and rows are
compared on fold 4. The same command resumes an interrupted ablation, because finished rows are
reused. Two processes can work on different rows with different values of ``--only``.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from experiments.ablation.page import make_page, summarize
from experiments.ablation.rows import Row, read_rows, result_file
from experiments.finished_runs import is_finished
from speechbrain_lmac.evaluation.benchmark.results import read_table
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.training.train import main as train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import report_errors

FOLDS = {"train_folds": [1, 2], "valid_folds": [3], "test_folds": [4]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and evaluate the selected rows, then write the page."""
    options = make_parser().parse_args(arguments)
    rows = read_rows()
    for row in rows:
        if options.only in f"{row.question}: {row.domain}, {row.name}":
            run_row(row, options)
    finished = [row for row in rows if result_file(row, options).is_file()]
    if options.page and finished:
        Path(options.page).write_text(make_page(finished, options), encoding="utf-8")


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--esc50", metavar="FOLDER", required=True, help="folder of ESC-10 or ESC-50"
    )
    parser.add_argument(
        "--tagger", metavar="FILE", help="weights of EfficientAT (default: download them once)"
    )
    parser.add_argument(
        "--epochs", type=int, default=20, help="epochs of each training (default: 20)"
    )
    parser.add_argument(
        "--output_folder",
        metavar="FOLDER",
        default="results/study",
        help="folder for all trainings and results (default: results/study)",
    )
    parser.add_argument("--page", metavar="FILE", help="Markdown file for the tables of all rows")
    parser.add_argument(
        "--only", metavar="TEXT", default="", help="train rows whose name contains this text"
    )
    return parser


@report_errors
def run_row(row: Row, options: argparse.Namespace) -> None:
    """Train and evaluate a row, unless its result exists."""
    path = result_file(row, options)
    folder = path.parent
    training = ["lmac_zs_efficientat.yaml", *as_arguments(train_settings(row, options, folder))]
    if is_finished(folder, training, path.name):
        return
    train(training)
    settings = evaluate_settings(row, options, folder)
    evaluate(["evaluate_efficientat.yaml", *as_arguments(settings)])
    figures = {**summarize(read_table(folder / "bench")), "passes": count_passes(folder)}
    path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def train_settings(row: Row, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the settings of the training of a row."""
    return {
        "audio_classifier": {"weights": options.tagger},
        "masking": row.domain,
        "data_folder": options.esc50,
        "output_folder": folder,
        "number_of_epochs": options.epochs,
        "device": "cpu",
        "baselines": [],
        "calibrate": None,
        **FOLDS,
        **row.settings,
    }


def evaluate_settings(row: Row, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return the settings of the evaluation of a row."""
    return {
        "audio_classifier": {"weights": options.tagger},
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


def count_passes(folder: Path) -> int:
    """Count encoder passes per clip and step: masked-in and masked-out, for each encoded prompt."""
    settings = YAML().load(folder / "hyperparams.yaml")
    weights, objective = settings["loss_weights"], settings["objective"]
    sides = sum(any(weights[term] for term in objective[side]) for side in ("mask_in", "mask_out"))
    return settings["encoded_prompts_per_clip"] * sides


if __name__ == "__main__":
    main()
