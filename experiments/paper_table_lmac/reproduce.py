"""Reproduce the table of L-MAC (ICML 2024) on mixtures, or run it in miniature.

With the published files, the interpreter and the baselines of the paper are evaluated on ESC-50's
fifth fold and compared with the published values:

    python -m experiments.paper_table_lmac.reproduce --weights embedding_modelft.ckpt
        --head classifier.ckpt --decoder psi_model.ckpt --esc50 ESC50

The first two files are those of ``fpaissan/r``, the third is that of ``fpaissan/r2``. No licence is
stated for them, so download them yourself. Without them, the published loss is trained and
evaluated in its own masking domain for a small classifier with the same front end (three seeds):

    python -m experiments.paper_table_lmac.reproduce --miniature --esc50 ESC10
"""

import argparse
from pathlib import Path

import pandas as pd

from experiments.paper_table_lmac.published import BASELINES, compare
from experiments.paper_table_lmac.small_classifiers import MINIATURE, train_miniature
from experiments.paper_table_lmac.study import RAW, SEEDS, Row, run
from speechbrain_lmac.evaluation.benchmark.results import read_table
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.pretrained.published import export_published
from speechbrain_lmac.utils.config import hparams_path
from speechbrain_lmac.utils.errors import InputError, report_errors

LENGTH = {"number_of_epochs": 24, "valid_interval": 24}
"""Length of the trainings in miniature: 720 steps of 8 clips."""
CONDITIONS = ("clean", "mixture", "white_noise")
CLASSIFIER = "!new:speechbrain_lmac.models.classifiers.speechbrain_cnn14.SpeechBrainCNN14"


@report_errors
def main(arguments=None):
    """Write ``paper.md`` and print it."""
    options = build_parser().parse_args(arguments)
    if options.esc50 is None or not (options.miniature or has_files(options)):
        raise InputError(
            "--weights, --head, --decoder and --esc50 must be given. Use --miniature and --esc50 "
            "for a run without the published files"
        )
    folder = Path(options.output_folder or f"results/lmac_{name_of(options)}")
    text = run_miniature(options, folder) if options.miniature else run_published(options, folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "paper.md").write_text(text + "\n", encoding="utf-8")
    print(text)


def name_of(options):
    """Return the name of the run in the default output folder."""
    return "miniature" if options.miniature else "paper"


def has_files(options):
    """Return whether the three published files are given."""
    return all((options.weights, options.head, options.decoder))


def build_parser():
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", metavar="FILE", help="embedding model of fpaissan/r")
    parser.add_argument("--head", metavar="FILE", help="classifier.ckpt of fpaissan/r")
    parser.add_argument("--decoder", metavar="FILE", help="psi_model.ckpt of fpaissan/r2")
    parser.add_argument("--esc50", metavar="FOLDER", help="folder of ESC-50; ESC-10 in miniature")
    parser.add_argument("--miniature", action="store_true", help="train a small classifier")
    parser.add_argument("--output_folder", metavar="FOLDER", help="default: results/lmac_...")
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    return parser


def run_published(options, folder):
    """Evaluate the published interpreter; return the comparison with the published table."""
    interpreter = export_published(
        options.weights, options.head, options.decoder, folder / "interpreter"
    )
    settings = {
        "audio_classifier": f"{CLASSIFIER} {{weights: {options.weights}, head: {options.head}}}",
        "maskings": "[stft_log1p]",
        "interpreters": f"{{stft_log1p: {interpreter}}}",
        "data_folder": options.esc50,
        "conditions": f"[{', '.join(CONDITIONS)}]",
        "explainers": f"[lmac, {', '.join(BASELINES)}, full-mask]",
        "subset_only_explainers": "[]",
        "valid_folds": "[]",
        "tune_baselines": False,
        "top_k_fractions": "[]",
        "gallery": False,
        "num_clips": "{clips: null, valid_clips: null, subset: 0, randomized: 0}",
        "output_folder": folder / "evaluation",
        "device": options.device,
    }
    arguments = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
    evaluate([str(hparams_path("evaluate_lmac.yaml")), *arguments])
    return compare(read_table(folder / "evaluation"))


def run_miniature(options, folder):
    """Train the miniature and its interpreters; return the means of each seed and method."""
    weights = folder / "classifiers" / MINIATURE
    if not weights.is_file():
        train_miniature(options.esc50, weights)
    tables = []
    for seed in SEEDS:
        row = Row("log1p", "L-MAC", "stft_log1p", "peak", seed)
        # untrained baselines are the same for all seeds
        baselines = [*BASELINES, "random"] if seed == SEEDS[0] else []
        run(row, options.esc50, weights.parent, folder, baselines=baselines, **LENGTH)
        scores = pd.read_csv(folder / row.slug / "metrics.csv")
        raw = scores[scores.fraction.isna() & scores.metric.isin(RAW)]
        means = raw.groupby(["method", "metric"], sort=False).value.mean().unstack()[list(RAW)]
        tables.append(means.reset_index().assign(seed=seed))
    table = pd.concat(tables).round(3)
    return table.to_markdown(index=False)


if __name__ == "__main__":
    main()
