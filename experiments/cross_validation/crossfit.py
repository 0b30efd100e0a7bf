"""LMAC-ZS-D for EfficientAT CLAP over the five folds of ESC-10, none tested by whom it taught.

Usage: python -m experiments.cross_validation.crossfit --esc50 ESC10 --others others.csv
           [--tagger mn04_as_mAP_432.pt] [--judge yamnet.tflite] [--folds 1 2 3 4 5]
           [--output_folder results/crossfit]

For each fold an interpreter a plane is trained on three of the others and selected on the fourth;
on the STFT plane it then goes on learning from other sounds as well, which
``experiments/pretrained_interpreters/others.py`` makes. The bench asks it and every baseline about
the fold, on
clean clips and on mixtures of two classes. Rows of all folds together make the tables: 400 clips.
On fold 5 two more seeds are trained. Every step that is done is kept: the same command goes on
where it was interrupted, and other folds may be done at the same time by another.
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from speechbrain_lmac.evaluation.benchmark import report
from speechbrain_lmac.evaluation.benchmark.comparison import with_means
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.pretrained.export import DECODER_FILE
from speechbrain_lmac.training.train import main as train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import report_errors

FOLDS = (1, 2, 3, 4, 5)
SEED, OTHER_SEEDS, OF_SEEDS = 1986, (1, 2), 5
"""Of every fold; of one fold as well; that fold."""
FURTHER = {"stft": {"number_of_epochs": 24, "valid_interval": 6}}
"""Plane -> how an interpreter that knows its folds goes on with other sounds beside them. On the
clips of fold 4, which select for fold 5, ``q - r`` rose there by it, and fell on the mel plane."""
CONDITIONS = ["clean", "two_source", "absent"]
DECIMALS = {"AD@mean": 1, "FF@mean": 3, "Fid-In@mean": 3, "SI-SDRi": 1}
"""Metric -> decimals of its means over seeds."""
SEEDS_NOTE = """\
# Three trainings that differ in their seed alone

EfficientAT CLAP's interpreters of fold {} (`experiments/cross_validation`), 80 clips, and mixtures
of two of
them at 0 dB (mixed); means over the top 5, 10, 20 and 40 % of cells; SI-SDRi in dB, of the mask
as it is.

{}
"""


@report_errors
def main(arguments=None):
    options = parser().parse_args(arguments)
    root = Path(options.output_folder)
    for fold in options.folds:
        measure(options, fold, SEED, tune_baselines=True)
        if fold == OF_SEEDS:
            for seed in OTHER_SEEDS:
                measure(options, fold, seed, tune_baselines=False)
    done = [fold for fold in FOLDS if (bench(root, fold, SEED) / "summary.md").is_file()]
    together(root, done)
    seeds(root)


def parser():
    this = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    this.add_argument("--esc50", metavar="FOLDER", required=True)
    this.add_argument("--others", metavar="FILE", required=True)
    this.add_argument("--tagger", metavar="FILE")
    this.add_argument("--judge", metavar="FILE")
    this.add_argument("--folds", type=int, nargs="+", default=list(FOLDS), choices=FOLDS)
    this.add_argument("--output_folder", metavar="FOLDER", default="results/crossfit")
    this.add_argument("--device", default="cpu")
    return this


def split(fold):
    """Which folds teach, select and test.

    Example
    -------
    >>> split(1)
    {'train_folds': [2, 3, 4], 'valid_folds': [5], 'test_folds': [1]}
    """
    valid = FOLDS[(fold - 2) % len(FOLDS)]
    taught = [other for other in FOLDS if other not in (fold, valid)]
    return {"train_folds": taught, "valid_folds": [valid], "test_folds": [fold]}


def trained(root, fold, seed, masking):
    """Where an interpreter is."""
    return root / f"fold{fold}-seed{seed}" / masking


def bench(root, fold, seed):
    """Where a fold's rows are."""
    return root / f"fold{fold}-seed{seed}" / "bench"


def measure(options, fold, seed, tune):
    """Train on both planes and ask: everyone, or the interpreters alone; unless that is done."""
    root = Path(options.output_folder)
    common = {
        "clap": {"weights": options.tagger} if options.tagger else {},
        "data_folder": options.esc50,
        "device": options.device,
    }
    for masking in DOMAINS:
        settings = {**common, **split(fold), "masking": masking, "seed": seed}
        settings |= {"precision": "bf16", "baselines": ["energy"]}
        learn(trained(root, fold, seed, masking), settings, options.others)
    if (bench(root, fold, seed) / "summary.md").is_file():
        return
    alone = {
        "explainers": ["lmac"],
        "subset_only_explainers": [],
        "tune_baselines": False,
        "gallery": False,
    }
    settings = {
        **common,
        **split(fold),
        "interpreters": {m: str(trained(root, fold, seed, m)) for m in DOMAINS},
        "conditions": CONDITIONS,
        "yamnet_weights": options.judge,
        "output_folder": str(bench(root, fold, seed)),
        **({} if tune else alone),
    }
    settings.pop("train_folds")
    evaluate(["evaluate_efficientat.yaml", *as_arguments(settings)])


def learn(folder, settings, others):
    """Train, from the folds alone and where it pays from other sounds as well."""
    further = FURTHER.get(settings["masking"])
    if further is None:
        train_once(folder, settings)
        return
    first = folder.with_name(f"{folder.name}-first")
    train_once(first, settings)
    begun = first / "interpreter" / DECODER_FILE
    settings = {
        **settings,
        **further,
        "pretrained_decoder": str(begun),
        "extra_train_manifest": others,
    }
    train_once(folder, settings)


def train_once(folder, settings):
    """Train, unless that is done."""
    if not (folder / "table.md").is_file():
        train(
            ["lmac_zs_efficientat.yaml", *as_arguments({**settings, "output_folder": str(folder)})]
        )


def together(root, done):
    """Tables and figures of the rows of all folds."""
    frames, tuned = [], []
    for fold in done:
        folder = bench(root, fold, SEED)
        frames.append(pd.read_csv(folder / "rows.csv", low_memory=False))
        for masking in DOMAINS:
            rows = json.loads((folder / f"tuning_{masking}.json").read_text())
            tuned += [{"masking": f"{masking}, fold {fold}", **row} for row in rows]
    frame = pd.concat(frames, ignore_index=True)
    clips = frame[frame.condition == "clean"]["clip"].nunique()
    what = f"EfficientAT CLAP, cross-fitted: {clips} clips of folds {done}, 50 names"
    reference = next(name for name in frame.method.unique() if name.startswith("LMAC-ZS"))
    report.write(root, frame, tuned, what, reference)
    print(f"rows, tables and figures of folds {done}: {root}")


def seeds(root):
    """How far three trainings differ on one fold."""
    folders = {seed: bench(root, OF_SEEDS, seed) / "rows.csv" for seed in (SEED, *OTHER_SEEDS)}
    if not all(path.is_file() for path in folders.values()):
        return
    frames = [pd.read_csv(path, low_memory=False).assign(seed=s) for s, path in folders.items()]
    frame = with_means(pd.concat(frames, ignore_index=True))
    frame = frame[frame.method.str.startswith("LMAC-ZS")].replace(-float("inf"), float("nan"))
    lines = []
    for masking in DOMAINS:
        for seed in folders:
            of_seed = frame[(frame.masking == masking) & (frame.seed == seed)]
            line = {"plane": masking, "seed": seed}
            for condition, suffix in (("clean", ""), ("two_source", ", mixed")):
                means = of_seed[of_seed.condition == condition][list(DECIMALS)].mean().dropna()
                line |= {
                    metric.removesuffix("@mean") + suffix: f"{mean:.{DECIMALS[metric]}f}"
                    for metric, mean in means.items()
                }
            lines.append(line)
    table = pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True)
    (root / "seeds.md").write_text(SEEDS_NOTE.format(OF_SEEDS, table), encoding="utf-8")


if __name__ == "__main__":
    main()
