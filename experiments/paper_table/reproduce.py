"""Reproduction of the table of the LMAC-ZS paper: train, evaluate on ESC-50, compare.

Usage: python -m experiments.paper_table.reproduce --clap CLAP_weights_2022.pth --esc50 ESC50
           --clotho CLOTHO [--audiocaps FOLDER] [--macs FOLDER] [--fsd50k FOLDER]
           [--tokenizer FOLDER] [--output_folder results/paper] [--device cuda]
       python -m experiments.paper_table.reproduce --miniature

LMAC-ZS is trained with the three terms of the paper in both masking domains, never on ESC-50. One
training uses Clotho alone, the other one all given caption sets. LMAC-ZS and the baselines of the
paper, with default settings, are evaluated on all clips of ESC-50. Mel masks are applied to power,
and to decibels as most likely published. The same command resumes an interrupted run. Use a GPU:
ScoreCAM alone needs 4 million passes of CNN14.

--miniature runs all steps in a few minutes on random weights and 40 synthetic clips. It omits
ScoreCAM and uses few samples of SmoothGrad and integrated gradients. Its scores are meaningless.
"""

import argparse
from pathlib import Path

import pandas as pd

from experiments.paper_table import miniature
from experiments.paper_table.caption_manifests import write_caption_manifests
from experiments.paper_table.published import NOTES, compare_with_paper
from speechbrain_lmac.data.captions import SETS
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.evaluation.benchmark.results import read_table
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.training.train import main as train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.files import file_sha256
from speechbrain_lmac.utils.run_metadata import lock_output_folder

PAPER_SETTINGS = {
    "loss_weights": "{mask_in_nll: 0, mask_out_nll: 0, source_preservation: 0, mask_area_prior: 0, "
    "irm_regression: 0, similarity_matching: 2, sparsity: 0.05, prompt_diversity: 0.3}",
    "prompts_per_clip": 8,
    "encoded_prompts_per_clip": 8,
    "batch_size": 8,
    "gate_fractions": "[]",
    "mix_probability": 0,
    "feature_dropout": 0,
    "number_of_epochs": 30,
    "valid_interval": 5,
    "baselines": "[]",
}
"""Training settings of the paper."""
GRADIENT_BASELINES = ["gradcam", "gradcam++", "smoothgrad", "integrated-gradients"]
DOMAINS = {"mel": ["mel", "mel_db"], "stft": ["stft"]}
"""Masking domain of the training -> masking domains of the evaluation."""
MINIATURE_EXPLAINER_KWARGS = {
    "smoothgrad": {"samples": 2},
    "integrated-gradients": {"steps": 2},
    "gscorecam": {"fraction": 0.002},
}
"""Arguments of explainers in the miniature."""
DOMAIN_TITLES = {"mel_db": "mel masking on decibels, as most likely published"}
REPRODUCTION_NOTES = (
    "Training uses the first 5 s of captioned clips. The epoch is selected on the validation part "
    "of Clotho. The paper does not state its choice.",
    "Training clips are shifted circularly in time. The paper names no augmentation.",
    "The miniature omits ScoreCAM, which needs 2048 encoder passes per clip.",
)
"""Notes on differences from the paper."""
WARNING = "**Random weights and synthetic sounds: this only shows that all steps run.**"


@report_errors
def main(arguments=None):
    """Train and evaluate in all conditions, and write ``paper.md``."""
    options = build_parser().parse_args(arguments)
    root = Path(options.output_folder or f"results/{'miniature' if options.miniature else 'paper'}")
    if options.miniature:
        for name, value in miniature.write_inputs(root / "made_up").items():
            setattr(options, name, value)
    if not (options.clap and options.esc50 and options.clotho):
        raise InputError(
            "--clap, --esc50 and --clotho must be given. Use --miniature for a run without them."
        )
    sets = {name: getattr(options, name) for name in SETS}
    lock_output_folder(
        root, {"clap": file_sha256(Path(options.clap)), "esc50": options.esc50, **sets}
    )
    scores = {}
    for trained_on, path in write_caption_manifests(options, root).items():
        folder = root / trained_on
        for masking in DOMAINS:
            train_interpreter(options, masking, path, folder)
        for masking in DOMAINS:
            explainers = ["lmac"]
            if trained_on == "clotho":  # baselines do not depend on the training set
                explainers += baselines(options, masking)
            rows = evaluate_explainers(options, masking, folder, explainers)
            scores.setdefault(trained_on, []).append(rows)
    text = format_table(options, {name: pd.concat(parts) for name, parts in scores.items()})
    (root / "paper.md").write_text(text, encoding="utf-8")
    print(text)
    print(f"The table is in {root / 'paper.md'}.")


def build_parser():
    """Build the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clap", metavar="FILE", help="CLAP_weights_2022.pth")
    parser.add_argument(
        "--tokenizer",
        metavar="FOLDER",
        default="google-bert/bert-base-uncased",
        help="folder or Hub name of the tokenizer (default: google-bert/bert-base-uncased)",
    )
    parser.add_argument("--esc50", metavar="FOLDER", help="folder of ESC-50")
    for name in SETS:
        parser.add_argument(f"--{name}", metavar="FOLDER", help=f"folder of the caption set {name}")
    parser.add_argument(
        "--output_folder",
        metavar="FOLDER",
        help="folder of the results (default: results/paper or results/miniature)",
    )
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    parser.add_argument(
        "--miniature",
        action="store_true",
        help="run all steps on random weights and synthetic clips",
    )
    return parser


def train_interpreter(options, masking, captions, folder):
    """Train an interpreter in one masking domain, unless its results exist."""
    if (folder / masking / "results.md").is_file():
        return
    miniature_settings = {"number_of_epochs": 1, "batch_size": 3, "clip_seconds": 2.0}
    settings = {
        "masking": masking,
        "audio_classifier": clap_settings(options),
        "train_manifest": captions,
        "data_folder": options.esc50,
        "valid_folds": "[]",  # the epoch is selected on captions; ESC-50 is the test set
        "test_folds": all_folds(options),
        "output_folder": folder / masking,
        "device": options.device,
        **PAPER_SETTINGS,
        **(miniature_settings if options.miniature else {}),
    }
    train(["lmac_zs_microsoft.yaml", *as_arguments(settings)])


def evaluate_explainers(options, masking, folder, explainers):
    """Return the scores of soft masks on all clips, in each masking domain of the evaluation."""
    output = folder / f"evaluate_{masking}"
    interpreter = folder / masking
    settings = {
        "audio_classifier": clap_settings(options),
        "clip_seconds": 2.0 if options.miniature else 5.0,
        "maskings": DOMAINS[masking],
        "interpreters": {name: str(interpreter) for name in DOMAINS[masking]},
        "data_folder": options.esc50,
        "test_folds": all_folds(options),
        "valid_folds": "[]",
        "conditions": "[clean]",
        "explainers": explainers,
        "subset_only_explainers": "[]",
        "gallery": False,
        "explainer_kwargs": MINIATURE_EXPLAINER_KWARGS if options.miniature else {},
        "tune_baselines": False,
        "top_k_fractions": "[]",
        "num_clips": "{clips: null, valid_clips: null, subset: 0, randomized: 0}",
        "output_folder": output,
        "device": options.device,
    }
    evaluate(
        [
            "evaluate_microsoft.yaml",
            *as_arguments({k: v for k, v in settings.items() if v is not None}),
        ]
    )
    return read_table(output)


def baselines(options, masking):
    """Return the baselines of the paper in a masking domain."""
    score_cams = ["gscorecam"] if options.miniature else ["gscorecam", "scorecam"]
    return [*GRADIENT_BASELINES, *(score_cams if masking == "stft" else [])]


def clap_settings(options):
    """Return the value of the setting ``clap``."""
    return {
        "weights": options.clap,
        "tokenizer": options.tokenizer,
        "bfloat16": options.device != "cpu",
    }


def all_folds(options):
    """Return the folds of ESC-50."""
    return sorted({clip.fold for clip in read_clips(options.esc50)})


def format_table(options, scores):
    """Format our scores and those of the paper, for each training set."""
    parts = [
        "# LMAC-ZS: our scores and those of the paper",
        *([WARNING] if options.miniature else []),
    ]
    for trained_on, frame in scores.items():
        # the table of the paper has the names of explainers, in lower case
        frame = frame.assign(method=frame.method.str.lower())
        for domain, part in frame.groupby("domain", sort=False):
            same_domain = part.assign(domain=domain.removesuffix("_db"))
            comparison = compare_with_paper(same_domain).drop(columns="domain")
            clips = part["clip"].nunique()
            title = DOMAIN_TITLES.get(domain, f"{domain} masking")
            parts.append(f"## Trained on {trained_on}, {title}, {clips} clips")
            parts.append(comparison.to_markdown(index=False, floatfmt=".3f"))
    return "\n\n".join([*parts, *(f"- {note}" for note in (*NOTES, *REPRODUCTION_NOTES))]) + "\n"


if __name__ == "__main__":
    main()
