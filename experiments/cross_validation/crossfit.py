"""Cross-validation of LMAC-ZS-D for EfficientAT CLAP over the five folds of ESC-10.

Usage: python -m experiments.cross_validation.crossfit --esc50 ESC10 --others others.csv
           [--tagger mn04_as_mAP_432.pt] [--judge yamnet.tflite] [--folds 1 2 3 4 5]
           [--output_folder results/crossfit]

For each fold and masking domain, an interpreter is trained on three of the other folds. Its epoch
is selected on the fourth. STFT interpreters continue to train on other sounds, which
``experiments/pretrained_interpreters/others.py`` prepares. The benchmark compares the interpreters
with every baseline on clean clips and two-source mixtures of the fold. The results of all folds are
merged into one set of tables (400 clips). Two extra seeds are trained for fold 5.

The same command resumes an interrupted run, because finished steps are reused. Several processes
can work on different folds.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from speechbrain_lmac.evaluation.benchmark.figures import draw_all
from speechbrain_lmac.evaluation.benchmark.results import TABLE_FILE, read_table
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.evaluation.benchmark.scores import drop_silenced, with_score_names
from speechbrain_lmac.evaluation.benchmark.tables import write_summary
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.metrics.registry import METRICS
from speechbrain_lmac.pretrained.export import DECODER_FILE
from speechbrain_lmac.training.train import main as train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import report_errors

FOLDS = (1, 2, 3, 4, 5)
SEED = 1986
"""Seed of every fold."""
EXTRA_SEEDS, EXTRA_SEEDS_FOLD = (1, 2), 5
"""Extra seeds, and the fold for which they are trained."""
EXTRA_TRAINING = {"stft": {"number_of_epochs": 24, "valid_interval": 6}}
"""Masking domain -> settings of the training on other sounds. On fold 4, which selects for fold 5,
this training raised the in-out margin in the STFT domain and lowered it in the mel domain."""
LMAC_ONLY = {
    "explainers": ["lmac"],
    "subset_only_explainers": [],
    "tune_baselines": False,
    "gallery": False,
}
"""Settings of a benchmark without baselines."""
CONDITIONS = ["clean", "two_source", "absent_prompt"]
SCORES = (("AD", "mean"), ("FF", "mean"), ("Fid-In", "mean"), ("SI-SDRi", "raw"))
"""Metrics and fractions of the table of seeds."""
SEEDS_PAGE = """\
# Three trainings that differ only in their seed

Interpreters of EfficientAT CLAP for fold {} (`experiments/cross_validation`): 80 clips, and
two-source mixtures of them at 0 dB (mixed). AD, FF and Fid-In are means over the top 5, 10, 20
and 40 % of T-F bins. SI-SDRi is that of the soft mask, in dB.

{}
"""


@report_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Run the selected folds, then merge the results of all finished folds."""
    options = make_parser().parse_args(arguments)
    root = Path(options.output_folder)
    for fold in options.folds:
        run_fold(options, fold, SEED)
        if fold == EXTRA_SEEDS_FOLD:
            for seed in EXTRA_SEEDS:
                run_fold(options, fold, seed, with_baselines=False)
    finished = [fold for fold in FOLDS if is_evaluated(benchmark_folder(root, fold, SEED))]
    merge_folds(root, finished)
    write_seeds_page(root)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--esc50", metavar="FOLDER", required=True, help="folder of ESC-10")
    parser.add_argument(
        "--others", metavar="FILE", required=True, help="manifest of other sounds for training"
    )
    parser.add_argument(
        "--tagger", metavar="FILE", help="weights of EfficientAT (default: download them once)"
    )
    parser.add_argument("--judge", metavar="FILE", help="yamnet.tflite, an independent classifier")
    parser.add_argument(
        "--folds",
        type=int,
        nargs="+",
        default=list(FOLDS),
        choices=FOLDS,
        help="test folds to run (default: all)",
    )
    parser.add_argument(
        "--output_folder",
        metavar="FOLDER",
        default="results/crossfit",
        help="folder for all trainings and results (default: results/crossfit)",
    )
    parser.add_argument("--device", default="cpu", help="device of torch (default: cpu)")
    return parser


def split_folds(fold: int) -> dict[str, list[int]]:
    """Return the folds for training, selection and test.

    Example
    -------
    >>> split_folds(1)
    {'train_folds': [2, 3, 4], 'valid_folds': [5], 'test_folds': [1]}
    """
    valid = FOLDS[(fold - 2) % len(FOLDS)]
    training = [other for other in FOLDS if other not in (fold, valid)]
    return {"train_folds": training, "valid_folds": [valid], "test_folds": [fold]}


def interpreter_folder(root: Path, fold: int, seed: int, masking: str) -> Path:
    """Return the folder of an interpreter."""
    return root / f"fold{fold}-seed{seed}" / masking


def benchmark_folder(root: Path, fold: int, seed: int) -> Path:
    """Return the results folder of a fold."""
    return root / f"fold{fold}-seed{seed}" / "bench"


def is_evaluated(folder: Path) -> bool:
    """Return whether a benchmark in this results folder is finished."""
    return (folder / "summary.md").is_file()


def run_fold(
    options: argparse.Namespace, fold: int, seed: int, with_baselines: bool = True
) -> None:
    """Train in both masking domains and evaluate, unless that is done."""
    root = Path(options.output_folder)
    common = {
        "audio_classifier": {"weights": options.tagger} if options.tagger else {},
        "data_folder": options.esc50,
        "device": options.device,
    }
    folds = split_folds(fold)
    for masking in DOMAINS:
        settings = {**common, **folds, "masking": masking, "seed": seed}
        settings |= {"precision": "bf16", "baselines": ["energy"]}
        train_interpreter(interpreter_folder(root, fold, seed, masking), settings, options.others)
    if is_evaluated(benchmark_folder(root, fold, seed)):
        return
    settings = {
        **common,
        "valid_folds": folds["valid_folds"],
        "test_folds": folds["test_folds"],
        "interpreters": {m: str(interpreter_folder(root, fold, seed, m)) for m in DOMAINS},
        "conditions": CONDITIONS,
        "yamnet_weights": options.judge,
        "output_folder": str(benchmark_folder(root, fold, seed)),
        **({} if with_baselines else LMAC_ONLY),
    }
    evaluate(["evaluate_efficientat.yaml", *as_arguments(settings)])


def train_interpreter(folder: Path, settings: dict[str, Any], others: str) -> None:
    """Train on the folds, and on other sounds in the domains of ``EXTRA_TRAINING``."""
    extra = EXTRA_TRAINING.get(settings["masking"])
    if extra is None:
        train_once(folder, settings)
        return
    first_folder = folder.with_name(f"{folder.name}-first")
    train_once(first_folder, settings)
    decoder = first_folder / "interpreter" / DECODER_FILE
    start = {"pretrained_decoder": str(decoder), "extra_train_manifest": others}
    train_once(folder, {**settings, **extra, **start})


def train_once(folder: Path, settings: dict[str, Any]) -> None:
    """Train, unless the run is finished."""
    if not (folder / "results.md").is_file():
        settings = {**settings, "output_folder": str(folder)}
        train(["lmac_zs_efficientat.yaml", *as_arguments(settings)])


def merge_folds(root: Path, finished: list[int]) -> None:
    """Write tables and figures of the results of all finished folds together."""
    frames, tuning = [], []
    for fold in finished:
        folder = benchmark_folder(root, fold, SEED)
        frames.append(read_table(folder).assign(snr_db=0.0))
        for domain in DOMAINS:
            rows = json.loads((folder / f"tuning_{domain}.json").read_text())
            tuning += [{"domain": f"{domain}, fold {fold}", **row} for row in rows]
    if not frames:
        return
    results = pd.concat(frames, ignore_index=True)
    clips = results[results.condition == "clean"]["clip"].nunique()
    description = (
        f"EfficientAT CLAP, cross-validated: {clips} clips of folds {finished}, 50 classes"
    )
    method = next(name for name in results.method.unique() if name.startswith("LMAC-ZS"))
    report = write_summary(root, results, tuning, description, method)
    draw_all(root / "figures", results, report)
    print(f"results, tables and figures of folds {finished}: {root}")


def write_seeds_page(root: Path) -> None:
    """Write a table of three trainings for one fold that differ only in their seed."""
    folders = {
        seed: benchmark_folder(root, EXTRA_SEEDS_FOLD, seed) for seed in (SEED, *EXTRA_SEEDS)
    }
    if not all((folder / TABLE_FILE).is_file() for folder in folders.values()):
        return
    lines = [
        {"domain": domain, "seed": seed, **scores}
        for seed, folder in folders.items()
        for domain, scores in seed_scores(folder).items()
    ]
    table = pd.DataFrame(lines).sort_values("domain", kind="stable")
    text = table.to_markdown(index=False, disable_numparse=True)
    (root / "seeds.md").write_text(SEEDS_PAGE.format(EXTRA_SEEDS_FOLD, text), encoding="utf-8")


def seed_scores(folder: Path) -> dict[str, dict[str, str]]:
    """Return the rounded mean scores of one training: masking domain -> column -> score."""
    results = read_table(folder)
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


if __name__ == "__main__":
    main()
