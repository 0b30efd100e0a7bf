"""Tables of what rows of several conditions say together: presence, prompt swap, alterations."""

import numpy as np
import pandas as pd
import torch

from speechbrain_lmac.evaluation.benchmark.conditions import ABSENT, TWO_SOURCE
from speechbrain_lmac.evaluation.benchmark.sanity_checks import PARAPHRASE, RANDOMISED
from speechbrain_lmac.metrics.localization import presence_auc, prompt_swap

ALTERED = (RANDOMISED, PARAPHRASE)


def scored(frame):
    """The rows of conditions that are scored clip by clip.

    Of mixtures of two at an SNR, each source is filed under its own: the second of ``two_source@5``
    under ``two_source@-5``, and of ``two_source@-5`` under ``two_source@5``.
    """
    held = frame[~frame.condition.str.startswith((ABSENT, *ALTERED))]
    snr_db = pd.to_numeric(held.snr_db)
    swept = held.condition.str.startswith(f"{TWO_SOURCE}@")
    names = TWO_SOURCE + "@" + (snr_db + 0.0).map("{:g}".format)  # 0.0 and not -0.0
    return held.assign(condition=held.condition.mask(swept, names))


def tuning(rows):
    """What was chosen for each baseline on the validation clips.

    Arguments
    ---------
    rows : list of dict
        Of :func:`~speechbrain_lmac.evaluation.benchmark.tuning.tune`, each with its ``masking``.

    Returns
    -------
    pandas.DataFrame
        ``masking``, ``method``, ``chosen`` and ``as it comes``, with the mean of ``q - r`` of each.
    """
    if not rows:
        return pd.DataFrame()
    frame = pd.DataFrame(rows)
    keys = ["masking", "method"]
    best = frame[frame.chosen].set_index(keys)
    plain = frame[frame.default].set_index(keys)
    table = pd.DataFrame(
        {
            "chosen": best.variant,
            "q - r": best.score,
            "as it comes": plain.variant,
            "its q - r": plain.score,
        }
    )
    return table.reset_index()


def presence(frame):
    """How well the amount of a map tells sounds that are there from those that are not.

    Arguments
    ---------
    frame : pandas.DataFrame
        Of the bench; two-class mixtures asked for what they hold, and for what they do not.

    Returns
    -------
    pandas.DataFrame
        ``masking``, ``method``, and areas under the ROC curve by the mean of the raw map, by the
        energy that the mask keeps, and by the CLAP's own similarity; ``prompts``.
    """
    scores = {"map mean": "map mean", "kept energy": "kept energy", "CLAP": "similarity"}
    held = frame[frame.condition.isin([TWO_SOURCE, ABSENT])]
    lines = []
    held = held.assign(scene=held["clip"].str.removesuffix(f"-{ABSENT}"))
    for (masking, method), part in held.groupby(["masking", "method"], sort=False):
        part = part[part.groupby("scene").condition.transform("nunique") == 2]
        present = part.condition == TWO_SOURCE
        if present.all() or not present.any():
            continue
        areas = {head: presence_auc(part[name], present) for head, name in scores.items()}
        lines.append({"masking": masking, "method": method, **areas, "prompts": len(part)})
    return pd.DataFrame(lines)


def swap(frame, suffix="@20"):
    """Do masks follow the prompt? The same mixtures under the name of each of their sources.

    Arguments
    ---------
    frame : pandas.DataFrame
        Of the bench, two-class mixtures.
    suffix : str
        Of the budget's columns.

    Returns
    -------
    pandas.DataFrame
        ``masking``, ``method``, ``dominant`` (share of mixtures whose two explanations are each
        most like their own source), ``difference dB``, ``mixtures``.
    """
    own, rest = f"SI-SDRi{suffix}", f"SI-SDRi of the rest{suffix}"
    if own not in frame:
        return pd.DataFrame()
    held = frame[(frame.condition == TWO_SOURCE) & frame[own].notna()]
    held = held.assign(mixture=held["clip"].str[:-2], first=held["clip"].str.endswith("-a"))
    lines = []
    for (masking, method), part in held.groupby(["masking", "method"], sort=False):
        sides = [part[part["first"] == side].set_index("mixture") for side in (True, False)]
        both = sides[0].index.intersection(sides[1].index)
        if not len(both):
            continue
        first, second = (side.loc[both] for side in sides)
        matrix = np.stack([first[[own, rest]], second[[rest, own]]], axis=1)
        said = prompt_swap(torch.tensor(matrix))
        apart = said.difference[said.difference.isfinite()]
        lines.append(
            {
                "masking": masking,
                "method": method,
                "dominant": said.dominant.mean().item(),
                "difference dB": apart.mean().item(),
                "mixtures": len(both),
            }
        )
    return pd.DataFrame(lines)


def randomized(frame):
    """Likeness of maps to those of the model as it was: means over clips, stage by stage.

    Returns
    -------
    pandas.DataFrame
        ``masking``, ``method``, ``stage`` in order, ``spearman``, ``ssim``, ``clips``.
    """
    held = frame[frame.condition.str.startswith(RANDOMISED)]
    if not len(held):
        return pd.DataFrame()
    held = held.assign(stage=held.condition.str.removeprefix(f"{RANDOMISED} "))
    groups = held.groupby(["masking", "method", "stage"], sort=False)
    means = groups[["spearman", "ssim"]].mean()
    return means.assign(clips=groups.size()).reset_index()


def reworded(frame):
    """How alike maps stay when the prompt is paraphrased.

    Returns
    -------
    pandas.DataFrame
        ``masking``, ``method``, mean ``spearman`` and ``ssim`` to the map of the prompt as it was,
        mean ``prompt cosine``, the correlation of the first and the last over clips and
        paraphrases, and ``pairs``.
    """
    held = frame[frame.condition.str.startswith(PARAPHRASE)]
    lines = []
    for (masking, method), part in held.groupby(["masking", "method"], sort=False):
        means = part[["spearman", "ssim", "prompt cosine"]].mean()
        varied = min(part.spearman.nunique(), part["prompt cosine"].nunique()) > 1
        correlation = part.spearman.corr(part["prompt cosine"]) if varied else np.nan
        line = {"masking": masking, "method": method, **means}
        lines.append({**line, "correlation": correlation, "pairs": len(part)})
    return pd.DataFrame(lines)
