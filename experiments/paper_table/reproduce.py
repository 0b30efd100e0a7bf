"""Reproduction of the table of the LMAC-ZS paper: train, evaluate on ESC-50, compare.

Usage: python -m experiments.paper_table.reproduce --clap CLAP_weights_2022.pth --esc50 ESC50
           --clotho CLOTHO [--audiocaps FOLDER] [--macs FOLDER] [--fsd50k FOLDER]
           [--tokenizer FOLDER] [--output_folder results/paper] [--device cuda]
       python -m experiments.paper_table.reproduce --miniature

LMAC-ZS is trained with the three terms of the paper, on Clotho alone and on all named caption
sets, in both masking domains, and never on ESC-50. It and the baselines of the paper, with default
settings, are evaluated on all clips of ESC-50: with masks on mel power, and on mel decibels as
most likely published. Finished steps are reused: the same command resumes. Use a GPU: ScoreCAM
alone needs 4 million passes of CNN14.

--miniature runs all steps in a few minutes on random weights and 40 synthetic clips, without
ScoreCAM and with few samples of SmoothGrad and integrated gradients. Its figures are meaningless.
"""

import argparse
from collections import Counter
from pathlib import Path

import pandas as pd

from experiments.paper_table import miniature
from experiments.paper_table.published import NOTES, beside_paper
from speechbrain_lmac.data import manifest
from speechbrain_lmac.data.captions import SETS, read_captions
from speechbrain_lmac.data.datasets import read_clips
from speechbrain_lmac.data.prepare import prepare_manifest
from speechbrain_lmac.evaluation.benchmark.results import read_table
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.training.train import main as train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.files import file_sha256
from speechbrain_lmac.utils.run_metadata import lock_output_folder

PAPER = {
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
"""Settings of the objective of the paper."""
BASELINES = ["gradcam", "gradcam++", "smoothgrad", "integrated-gradients"]
DOMAINS = {"mel": ["mel", "mel_db"], "stft": ["stft"]}
"""Masking domain of the training -> domains of the evaluation."""
QUICK = {
    "smoothgrad": {"samples": 2},
    "integrated-gradients": {"steps": 2},
    "gscorecam": {"fraction": 0.002},
}
"""Arguments of explainers in the miniature."""
HOW = {"mel_db": "mel masking on decibels, as most likely published"}
OURS = (
    "Training uses the first 5 s of captioned clips. The epoch is selected on the validation part "
    "of Clotho. The paper does not state its choice.",
    "Training clips are shifted circularly in time. The paper names no augmentation.",
    "The miniature omits ScoreCAM, which needs 2048 encoder passes per clip.",
)
"""Notes on our choices."""
WARNING = "**Random weights and synthetic sounds: this only shows that all steps run.**"


@report_errors
def main(arguments=None):
    options = parser().parse_args(arguments)
    root = Path(options.output_folder or f"results/{'miniature' if options.miniature else 'paper'}")
    if options.miniature:
        for name, value in miniature.make(root / "made_up").items():
            setattr(options, name, value)
    if not (options.clap and options.esc50 and options.clotho):
        raise InputError("--clap, --esc50 and --clotho must be given, or --miniature")
    sets = {name: getattr(options, name) for name in SETS}
    lock_output_folder(
        root, {"clap": file_sha256(Path(options.clap)), "esc50": options.esc50, **sets}
    )
    frames = {}
    for trained_on, path in caption_sets(options, root).items():
        folder = root / trained_on
        for masking in DOMAINS:
            trained(options, masking, path, folder)
        for masking in DOMAINS:
            first = trained_on == "clotho"  # baselines do not depend on the training set
            rows = evaluated(
                options,
                masking,
                folder,
                ["lmac", *(baselines(options, masking) if first else [])],
            )
            frames.setdefault(trained_on, []).append(rows)
    text = table(options, {name: pd.concat(parts) for name, parts in frames.items()})
    (root / "paper.md").write_text(text, encoding="utf-8")
    print(text)
    print(f"written to {root / 'paper.md'}")


def parser():
    this = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    this.add_argument("--clap", metavar="FILE", help="CLAP_weights_2022.pth")
    this.add_argument("--tokenizer", metavar="FOLDER", default="google-bert/bert-base-uncased")
    this.add_argument("--esc50", metavar="FOLDER")
    for name in SETS:
        this.add_argument(f"--{name}", metavar="FOLDER")
    this.add_argument("--output_folder", metavar="FOLDER")
    this.add_argument("--device", default="cpu")
    this.add_argument("--miniature", action="store_true")
    return this


def caption_sets(options, root):
    """Write the training manifests: Clotho, and all caption sets together if others are named."""
    folders = {name: getattr(options, name) for name in SETS if getattr(options, name)}
    wanted = {"clotho": {"clotho": folders["clotho"]}}
    if len(folders) > 1:
        wanted["all"] = folders
    tested = {clip.src_file for clip in read_clips(options.esc50)}
    found = {}
    for name, held in wanted.items():
        found[name] = root / f"{name}.csv"
        if not found[name].is_file():
            root.mkdir(parents=True, exist_ok=True)
            prepare_manifest(select_captions(read_captions(held), tested), found[name])
        print(f"{name}: {dict(Counter(clip.split for clip in manifest.read(found[name])))}")
    return found


def select_captions(clips, tested):
    """Select captions of recordings outside ESC-50, and no recording in both parts of the split.

    Validation clips keep one caption, since their scores do not depend on it.
    """
    clips = [clip for clip in clips if clip.src_file not in tested]
    chosen = {clip.src_file: clip for clip in clips if clip.split == "valid"}
    train = [c for c in clips if c.split == "train" and c.src_file not in chosen]
    return [*train, *chosen.values()]


def trained(options, masking, captions, folder):
    """Train in one masking domain, unless the run is finished."""
    if (folder / masking / "results.md").is_file():
        return
    small = {"number_of_epochs": 1, "batch_size": 3, "clip_seconds": 2.0}
    settings = {
        "masking": masking,
        "clap": clap(options),
        "train_manifest": captions,
        "data_folder": options.esc50,
        "valid_folds": "[]",  # the epoch is selected on captions: ESC-50 is for the end
        "test_folds": folds(options),
        "output_folder": folder / masking,
        "device": options.device,
        **PAPER,
        **(small if options.miniature else {}),
    }
    train(["lmac_zs_microsoft.yaml", *as_arguments(settings)])


def evaluated(options, masking, folder, explainers):
    """Return scores of soft masks on all clips, in each domain of the evaluation."""
    output = folder / f"evaluate_{masking}"
    source = folder / masking
    settings = {
        "clap": clap(options),
        "clip_seconds": 2.0 if options.miniature else 5.0,
        "maskings": DOMAINS[masking],
        "interpreters": {name: str(source) for name in DOMAINS[masking]},
        "data_folder": options.esc50,
        "test_folds": folds(options),
        "valid_folds": "[]",
        "conditions": "[clean]",
        "explainers": explainers,
        "subset_only_explainers": "[]",
        "gallery": False,
        "explainer_kwargs": QUICK if options.miniature else {},
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
    return [*BASELINES, *(score_cams if masking == "stft" else [])]


def clap(options):
    return {
        "weights": options.clap,
        "tokenizer": options.tokenizer,
        "bfloat16": options.device != "cpu",
    }


def folds(options):
    return sorted({clip.fold for clip in read_clips(options.esc50)})


def table(options, frames):
    """Format our figures and those of the paper, for each training set."""
    parts = ["# LMAC-ZS: ours and the paper's", *([WARNING] if options.miniature else [])]
    for trained_on, frame in frames.items():
        # rows of the interpreter have the name of its method, LMAC-ZS
        frame = frame.assign(method=frame.method.str.lower())
        for domain, part in frame.groupby("domain", sort=False):
            same_domain = part.assign(domain=domain.removesuffix("_db"))
            cells = beside_paper(same_domain).drop(columns="domain")
            clips = part["clip"].nunique()
            how = HOW.get(domain, f"{domain} masking")
            parts.append(f"## Trained on {trained_on}, {how}, {clips} clips")
            parts.append(cells.to_markdown(index=False, floatfmt=".3f"))
    return "\n\n".join([*parts, *(f"- {note}" for note in (*NOTES, *OURS))]) + "\n"


if __name__ == "__main__":
    main()
