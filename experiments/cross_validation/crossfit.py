"""Cross-validation: LMAC-ZS-D for EfficientAT CLAP over the five folds of ESC-10.

Usage: python -m experiments.cross_validation.crossfit --esc50 ESC10 --others others.csv
           [--tagger mn04_as_mAP_432.pt] [--judge yamnet.tflite] [--folds 1 2 3 4 5]
           [--output_folder results/crossfit]

For each fold and masking domain, an interpreter is trained on three of the other folds and
selected on the fourth. STFT interpreters continue to train on other sounds, which
``experiments/pretrained_interpreters/others.py`` prepares. The benchmark compares them with every
baseline on the fold, on clean clips and on two-source mixtures. The results of all folds make one
set of tables (400 clips). Two more seeds are trained for fold 5. Finished steps are reused: the
same command resumes, and several processes may work on different folds.
"""

import argparse
import json
from pathlib import Path

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
SEED, OTHER_SEEDS, OF_SEEDS = 1986, (1, 2), 5
"""Seed of every fold, additional seeds of one fold, and that fold."""
MORE_TRAINING = {"stft": {"number_of_epochs": 24, "valid_interval": 6}}
"""Masking domain -> additional training on other sounds. On fold 4, which selects for fold 5, it
raised the in-out margin in the STFT domain and lowered it in the mel domain."""
CONDITIONS = ["clean", "two_source", "absent_prompt"]
SCORES = (("AD", "mean"), ("FF", "mean"), ("Fid-In", "mean"), ("SI-SDRi", "raw"))
"""Scores of the table of seeds."""
SEEDS_NOTE = """\
# Three trainings that differ in their seed alone

Interpreters of EfficientAT CLAP for fold {} (`experiments/cross_validation`): 80 clips, and
two-source mixtures of them at 0 dB (mixed). AD, FF and Fid-In are means over the top 5, 10, 20
and 40 % of T-F bins. SI-SDRi is that of the soft mask, in dB.

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
    merge_folds(root, done)
    write_seeds(root)


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
    """Return the folds for training, selection and test.

    Example
    -------
    >>> split(1)
    {'train_folds': [2, 3, 4], 'valid_folds': [5], 'test_folds': [1]}
    """
    valid = FOLDS[(fold - 2) % len(FOLDS)]
    training = [other for other in FOLDS if other not in (fold, valid)]
    return {"train_folds": training, "valid_folds": [valid], "test_folds": [fold]}


def trained(root, fold, seed, masking):
    """Return the folder of an interpreter."""
    return root / f"fold{fold}-seed{seed}" / masking


def bench(root, fold, seed):
    """Return the results folder of a fold."""
    return root / f"fold{fold}-seed{seed}" / "bench"


def measure(options, fold, seed, tune_baselines):
    """Train in both masking domains and evaluate, unless that is done."""
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
        **({} if tune_baselines else alone),
    }
    settings.pop("train_folds")
    evaluate(["evaluate_efficientat.yaml", *as_arguments(settings)])


def learn(folder, settings, others):
    """Train on the folds, and on other sounds where this helps."""
    further = MORE_TRAINING.get(settings["masking"])
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
    """Train, unless the run is finished."""
    if not (folder / "results.md").is_file():
        train(
            ["lmac_zs_efficientat.yaml", *as_arguments({**settings, "output_folder": str(folder)})]
        )


def merge_folds(root, done):
    """Write tables and figures of the results of all folds together."""
    frames, tuning = [], []
    for fold in done:
        folder = bench(root, fold, SEED)
        frames.append(read_table(folder).assign(snr_db=0.0))
        for domain in DOMAINS:
            rows = json.loads((folder / f"tuning_{domain}.json").read_text())
            tuning += [{"domain": f"{domain}, fold {fold}", **row} for row in rows]
    if not frames:
        return
    frame = pd.concat(frames, ignore_index=True)
    clips = frame[frame.condition == "clean"]["clip"].nunique()
    description = f"EfficientAT CLAP, cross-validated: {clips} clips of folds {done}, 50 classes"
    method = next(name for name in frame.method.unique() if name.startswith("LMAC-ZS"))
    report = write_summary(root, frame, tuning, description, method)
    draw_all(root / "figures", frame, report)
    print(f"results, tables and figures of folds {done}: {root}")


def write_seeds(root):
    """Write a table of three trainings of one fold that differ in their seed alone."""
    folders = {seed: bench(root, OF_SEEDS, seed) for seed in (SEED, *OTHER_SEEDS)}
    if not all((folder / TABLE_FILE).is_file() for folder in folders.values()):
        return
    lines = []
    for seed, folder in folders.items():
        frame = read_table(folder)
        scores = drop_silenced(with_score_names(frame[frame.method.str.startswith("LMAC-ZS")]))
        means = scores.groupby(["domain", "condition", "metric", "fraction"]).value.mean()
        for domain in DOMAINS:
            line = {"domain": domain, "seed": seed}
            for condition, suffix in (("clean", ""), ("two_source", ", mixed")):
                values = means[domain, condition]
                for metric, fraction in SCORES:
                    if (metric, fraction) in values.index:
                        decimals = METRICS[metric].decimals
                        line[metric + suffix] = f"{values[metric, fraction]:.{decimals}f}"
            lines.append(line)
    table = pd.DataFrame(lines).sort_values("domain", kind="stable")
    text = table.to_markdown(index=False, disable_numparse=True)
    (root / "seeds.md").write_text(SEEDS_NOTE.format(OF_SEEDS, text), encoding="utf-8")


if __name__ == "__main__":
    main()
