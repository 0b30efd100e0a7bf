"""Study of L-MAC: loss x masking domain x level x front end, three seeds each.

The published loss and ours are trained on two classifiers with opposite front ends. ``peak``
divides each clip by its maximum before it is encoded, as SpeechBrain's recipe does; ``recorded``
does not. Finished trainings are kept, so that the same command resumes an interrupted study.

Usage: python -m experiments.paper_table_lmac.study ESC10 CLASSIFIERS FOLDER [TAGGER_WEIGHTS]
"""

import sys
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from experiments.paper_table_lmac.small_classifiers import (
    HEAD,
    MINIATURE,
    MiniatureCNN14,
    TaggerHead,
)
from speechbrain_lmac.training.api import train_interpreter

SEEDS = (1, 2, 3)
LOSSES = {
    "L-MAC": {
        "loss_weights": "{mask_in_nll: 4.0, mask_out_log: 0.2, sparsity: 3.2, "
        "mask_out_nll: 0.0, source_preservation: 0.0, mask_area_prior: 0.0, irm_regression: 0.0}",
        "gate_fractions": "[]",
        "mix_probability": 0.0,
        "other_class_probability": 0.0,
        "prompts_per_clip": 1,
        "calibrate": None,
    },
    "L-MAC-D": {"other_class_probability": 0.0},
}
"""Published loss, and ours. SpeechBrain's recipe weights sparsity by 0.4 times the batch size."""
DOMAINS = ("stft", "stft_log1p")
BASELINES = ("gradcam++", "energy", "random", "full-mask")
SETTINGS = {
    "number_of_epochs": 6,
    "valid_interval": 6,
    "batch_size": 8,
    "device": "cpu",
}
"""180 steps of 8 clips."""
RAW = ("AI", "AD", "FF", "Fid-In", "MM")
EQUAL = ("p_masked_in", "p_masked_out")


class Row(NamedTuple):
    """One training of the study."""

    front_end: str
    loss: str
    domain: str
    level: str
    seed: int

    @property
    def slug(self):
        return "-".join(map(str, self))


def rows():
    """List the trainings: log-mel features hardly encode the level, which is varied for log1p."""
    front_ends = [("log1p", "peak"), ("log1p", "recorded"), ("log-mel", "recorded")]
    return [
        Row(front_end, loss, domain, level, seed)
        for seed, (front_end, level), loss, domain in product(SEEDS, front_ends, LOSSES, DOMAINS)
    ]


def load_classifier(row, folder, tagger_weights=None):
    """Return the classifier of a row."""
    if row.front_end == "log1p":
        return MiniatureCNN14(folder / MINIATURE, peak_normalized=row.level == "peak")
    return TaggerHead(folder / HEAD, tagger_weights)


def run(row, esc10, classifiers, folder, tagger_weights=None, baselines=BASELINES, **settings):
    """Train one row and evaluate it and baselines on fold 5, unless its result exists."""
    output = folder / row.slug
    if not (output / "results.md").is_file():
        train_interpreter(
            load_classifier(row, classifiers, tagger_weights),
            esc10,
            masking=row.domain,
            output_folder=output,
            seed=row.seed,
            baselines=f"[{', '.join(baselines)}]",
            **{**SETTINGS, **LOSSES[row.loss], **settings},
        )


def read_scores(folder):
    """Return the means of each training and method: raw masks, and the margin at equal areas."""
    tables = []
    for row in rows():
        path = folder / row.slug / "metrics.csv"
        if not path.is_file():
            continue
        scores = pd.read_csv(path)
        raw = scores[scores.fraction.isna() & scores.metric.isin(RAW)]
        table = raw.groupby(["method", "metric"]).value.mean().unstack()
        equal = scores[scores.fraction.isin([0.05, 0.1, 0.2, 0.4]) & scores.metric.isin(EQUAL)]
        margins = equal.groupby(["method", "metric"]).value.mean().unstack()
        table["q - r"] = margins.p_masked_in - margins.p_masked_out
        tables.append(table.reset_index().assign(**row._asdict()))
    return pd.concat(tables, ignore_index=True)


def summary(scores):
    """Return a Markdown table: the mean over seeds, and the range of ``q - r``."""
    keys = ["front_end", "level", "domain", "loss", "method"]
    controls = ~scores.method.str.startswith("L-MAC")
    scores = scores.assign(loss=scores.loss.where(~controls, "none"))
    grouped = scores.groupby(keys, sort=False)
    means = grouped[[*RAW, "q - r"]].mean().round(3)
    means["range"] = [
        f"{low:.3f} to {high:.3f}"
        for low, high in zip(grouped["q - r"].min(), grouped["q - r"].max())
    ]
    return means.reset_index().sort_values(keys[:4], kind="stable").to_markdown(index=False)


def main(esc10, classifiers, folder, tagger_weights=None):
    """Run the study and write ``study.csv`` and ``study.md``."""
    folder = Path(folder)
    for row in rows():
        # untrained baselines are the same for all seeds and losses
        baselines = BASELINES if (row.seed, row.loss) == (1, "L-MAC") else ()
        run(row, esc10, Path(classifiers), folder, tagger_weights, baselines)
    scores = read_scores(folder)
    scores.to_csv(folder / "study.csv", index=False)
    (folder / "study.md").write_text(summary(scores) + "\n", encoding="utf-8")
    print(summary(scores))


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
