"""The poster's table again: train as it says, evaluate on all of ESC-50, print both side by side.

Usage: python -m experiments.paper_table.reproduce --clap CLAP_weights_2022.pth --esc50 ESC50
--clotho CLOTHO
           [--audiocaps FOLDER] [--macs FOLDER] [--fsd50k FOLDER] [--tokenizer FOLDER]
           [--output_folder results/poster] [--device cuda]
       python -m experiments.paper_table.reproduce --miniature

LMAC-ZS is trained with the poster's three terms, on Clotho alone and on all caption sets that are
named, on both planes, and never on ESC-50. It and the poster's baselines, untuned, are evaluated on
all clips of ESC-50: on mel bands as we mask them and as it was most likely published, on decibels.
Every step that is done is kept: the same command goes on where it was interrupted. It is work for a
GPU: ScoreCAM alone is 4 million passes of CNN14.

--miniature goes the whole way in a few minutes on random weights and 40 made-up clips, without
ScoreCAM, and with a few draws and steps of SmoothGrad and integrated gradients. Its figures are
noise, and it says so.
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
from speechbrain_lmac.data.prepare import prepare
from speechbrain_lmac.evaluation.benchmark.results import read_table
from speechbrain_lmac.evaluation.benchmark.run import main as evaluate
from speechbrain_lmac.training.train import main as train
from speechbrain_lmac.utils.config import as_arguments
from speechbrain_lmac.utils.download import digest
from speechbrain_lmac.utils.errors import InputError, report_errors
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
"""Settings of the poster's own objective."""
BASELINES = ["gradcam", "gradcam++", "smoothgrad", "integrated-gradients"]
DOMAINS = {"mel": ["mel", "mel_db"], "stft": ["stft"]}
"""Plane that is trained on -> planes that its interpreter is evaluated on."""
QUICK = {
    "smoothgrad": {"samples": 2},
    "integrated-gradients": {"steps": 2},
    "gscorecam": {"fraction": 0.002},
}
"""Options of explainers in the miniature."""
HOW = {"mel_db": "mel masking on decibels, as it was most likely published"}
OURS = (
    "Of captions' sounds the first 5 s are heard in training; the epoch is selected on Clotho's "
    "validation sounds. The poster does not say what was done.",
    "In training each clip is turned round in time, to begin anywhere: the poster names no "
    "augmentation.",
    "The miniature leaves out ScoreCAM, 2048 encoder passes a clip.",
)
"""Notes on what we did."""
WARNING = (
    "**Random weights and made-up sounds: this shows that the way can be gone, and nothing else.**"
)


@report_errors
def main(arguments=None):
    options = parser().parse_args(arguments)
    root = Path(
        options.output_folder or f"results/{'miniature' if options.miniature else 'poster'}"
    )
    if options.miniature:
        for name, value in miniature.make(root / "made_up").items():
            setattr(options, name, value)
    if not (options.clap and options.esc50 and options.clotho):
        raise InputError("give --clap, --esc50 and --clotho, or --miniature")
    sets = {name: getattr(options, name) for name in SETS}
    lock_output_folder(root, {"clap": digest(Path(options.clap)), "esc50": options.esc50, **sets})
    frames = {}
    for learnt_from, path in caption_sets(options, root).items():
        folder = root / learnt_from
        for masking in DOMAINS:
            trained(options, masking, path, folder)
        for masking in DOMAINS:
            first = learnt_from == "clotho"  # the baselines learn nothing: they are asked once
            rows = evaluated(
                options,
                masking,
                folder,
                ["lmac", *(baselines(options, masking) if first else [])],
            )
            frames.setdefault(learnt_from, []).append(rows)
    text = table(options, {name: pd.concat(parts) for name, parts in frames.items()})
    (root / "poster.md").write_text(text, encoding="utf-8")
    print(text)
    print(f"written to {root / 'poster.md'}")


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
    """Manifests to learn from: Clotho, and all sets together if others are named."""
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
            prepare(kept(read_captions(held), tested), found[name])
        print(f"{name}: {dict(Counter(clip.split for clip in manifest.read(found[name])))}")
    return found


def kept(clips, tested):
    """Captions of recordings that ESC-50 does not hold, none on both sides of the split.

    Of the clips that select the epoch one caption is enough: their scores do not depend on it.
    """
    clips = [clip for clip in clips if clip.src_file not in tested]
    chosen = {clip.src_file: clip for clip in clips if clip.split == "valid"}
    learnt = [c for c in clips if c.split == "train" and c.src_file not in chosen]
    return [*learnt, *chosen.values()]


def trained(options, masking, captions, folder):
    """Train on one plane; a finished run is not begun again."""
    if (folder / masking / "table.md").is_file():
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
    """Rows of the raw masks of explainers on all clips, on each plane of a masking."""
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
    """Those that the poster has on a plane."""
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
    """Ours beside the poster, cell by cell, for each set that was learnt from."""
    parts = ["# LMAC-ZS, ours beside the poster's", *([WARNING] if options.miniature else [])]
    for learnt_from, frame in frames.items():
        # an interpreter's rows bear its method's name, LMAC-ZS
        frame = frame.assign(method=frame.method.str.lower())
        for domain, part in frame.groupby("domain", sort=False):
            same_domain = part.assign(domain=domain.removesuffix("_db"))
            cells = beside_paper(same_domain).drop(columns="domain")
            clips = part["clip"].nunique()
            how = HOW.get(domain, f"{domain} masking")
            parts.append(f"## Trained on {learnt_from}, {how}, {clips} clips")
            parts.append(cells.to_markdown(index=False, floatfmt=".3f"))
    return "\n\n".join([*parts, *(f"- {note}" for note in (*NOTES, *OURS))]) + "\n"


if __name__ == "__main__":
    main()
