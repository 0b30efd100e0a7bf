"""Cross-validation of interpreters over the five folds of ESC-10.

Usage: python -m experiments.cross_validation.crossfit --clap mini --esc50 ESC10 --others others.csv
           [--tagger mn04_as_mAP_432.pt] [--judge yamnet.tflite] [--folds 1 2 3 4 5]
           [--seeds 1986 1 2] [--output_folder results/crossfit]

For each fold and masking domain, an interpreter is trained on three of the other folds. Its epoch
is selected on the fourth. :mod:`experiments.cross_validation.recipes` states the stages of the
training; ``experiments/pretrained_interpreters/others.py`` prepares the other sounds. The benchmark
compares the interpreters with baselines on clean clips and two-source mixtures of the fold. The
results of all folds are merged into one set of tables (400 clips).

The same command resumes an interrupted run, because finished steps are reused. Several processes
can work on different folds.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.cross_validation.recipes import RECIPES, Recipe
from experiments.cross_validation.seeds_page import write_seeds_page
from experiments.finished_runs import is_finished
from experiments.result_pages.merge import merge_runs
from speechbrain_lmac.evaluation.benchmark.results import read_table
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.pretrained.export import DECODER_FILE
from speechbrain_lmac.training.train import main as train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import report_errors
from speechbrain_lmac.utils.temporary_files import exclusive_lock

FOLDS = (1, 2, 3, 4, 5)
SEEDS = (1986, 1, 2)
"""Seeds of each fold; baselines are measured with the first."""
LMAC_ONLY = {
    "explainers": ["lmac"],
    "subset_only_explainers": [],
    "tune_baselines": False,
    "gallery": False,
}
"""Settings of a benchmark without baselines."""
CONDITIONS = ["clean", "two_source", "absent_prompt"]


@report_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Run the selected folds, then merge the results of all finished folds."""
    options = make_parser().parse_args(arguments)
    root, first = Path(options.output_folder), options.seeds[0]
    for fold in options.folds:
        for seed in options.seeds:
            run_fold(options, fold, seed, with_baselines=seed == first)
    finished = [fold for fold in FOLDS if is_evaluated(benchmark_folder(root, fold, first))]
    merge_folds(root, finished, first, RECIPES[options.clap].name)
    folders = {
        seed: [benchmark_folder(root, fold, seed) for fold in finished] for seed in options.seeds
    }
    write_seeds_page(root / "seeds.md", folders, RECIPES[options.clap].name)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--esc50", metavar="FOLDER", required=True, help="folder of ESC-10")
    parser.add_argument(
        "--others", metavar="FILE", required=True, help="manifest of other sounds for training"
    )
    parser.add_argument(
        "--clap",
        choices=sorted(RECIPES),
        default="efficientat",
        help="classifier (default: efficientat)",
    )
    parser.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=list(SEEDS),
        help="seeds of the trainings; baselines are measured with the first (default: 1986 1 2)",
    )
    parser.add_argument(
        "--synthetic", metavar="FOLDER", help="folder of synthetic clips (default: write one)"
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
    root, recipe = Path(options.output_folder), RECIPES[options.clap]
    common: dict[str, Any] = {"device": options.device}
    if recipe.has_tagger and options.tagger:
        common["audio_classifier"] = {"weights": options.tagger}
    folds = split_folds(fold)
    precision = "bf16" if options.device.startswith("cuda") else "fp32"
    for masking in DOMAINS:
        settings = {**common, "masking": masking, "seed": seed, "precision": precision}
        settings |= recipe.settings
        train_interpreter(options, recipe, fold, settings)
    if is_evaluated(benchmark_folder(root, fold, seed)):
        return
    settings = {
        **common,
        "data_folder": options.esc50,
        "valid_folds": folds["valid_folds"],
        "test_folds": folds["test_folds"],
        "interpreters": {m: str(interpreter_folder(root, fold, seed, m)) for m in DOMAINS},
        "conditions": CONDITIONS,
        "yamnet_weights": options.judge,
        "output_folder": str(benchmark_folder(root, fold, seed)),
        **recipe.benchmark,
        **({} if with_baselines else LMAC_ONLY),
    }
    evaluate([recipe.evaluation_file, *as_arguments(settings)])


def train_interpreter(
    options: argparse.Namespace, recipe: Recipe, fold: int, settings: dict[str, Any]
) -> None:
    """Run the stages of a training. Each continues from the decoder of the one before."""
    root, masking, seed = Path(options.output_folder), settings["masking"], settings["seed"]
    start: dict[str, Any] = {}
    for stage in recipe.stages[masking]:
        folder = interpreter_folder(root, fold, seed, masking)
        data = {"data_folder": options.esc50, **split_folds(fold)}
        if stage.is_shared:  # no clip of ESC-50: one training serves all folds
            folder = root / f"{stage.name}-seed{seed}" / masking
            data = {"data_folder": options.synthetic}
        elif stage.name:
            folder = folder.with_name(f"{masking}-{stage.name}")
        extra = {"extra_train_manifest": options.others} if stage.has_others else {}
        train_once(recipe, folder, {**settings, **data, **start, **extra, **stage.settings})
        start = {"pretrained_decoder": str(folder / "interpreter" / DECODER_FILE)}


def train_once(recipe: Recipe, folder: Path, settings: dict[str, Any]) -> None:
    """Train, unless the run is finished; wait if another process trains it."""
    words = as_arguments({**settings, "output_folder": str(folder)})
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(folder.with_name(f".{folder.name}.lock")):
        if not is_finished(folder, [recipe.training_file, *words]):
            train([recipe.training_file, *words])


def merge_folds(root: Path, finished: Sequence[int], seed: int, clap: str) -> None:
    """Write tables and figures of the results of all finished folds together."""
    runs = {f"fold {fold}": benchmark_folder(root, fold, seed) for fold in finished}
    if not runs:
        return
    tables = pd.concat([read_table(run) for run in runs.values()])
    clips = tables[tables.condition == "clean"]["clip"].nunique()
    description = f"{clap}, cross-validated: {clips} clips of folds {finished}, 50 classes"
    merge_runs(root, runs, description)
    print(f"results, tables and figures of folds {finished}: {root}")


if __name__ == "__main__":
    main()
