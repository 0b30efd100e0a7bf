"""Diagnostics over several conditions: tuning, presence, prompt swap, sanity checks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from speechbrain_lmac.evaluation.benchmark.conditions import ABSENT, TWO_SOURCE
from speechbrain_lmac.evaluation.benchmark.sanity_checks import PARAPHRASE, RANDOMIZED
from speechbrain_lmac.metrics.localization import presence_auc, prompt_swap

NOTES = {
    "Tuning": "score: mean of p_masked_in - p_masked_out over top-k fractions, validation clips. "
    "If another variant than the default was chosen, the default has rows of its own.",
    "Presence": "Area under the ROC curve of detecting prompts that a mixture contains, by the "
    "mean of the map, by the masked-in energy, and by the similarity of the CLAP.",
    "Prompt swap": "Top 20 % of T-F bins. dominant: fraction of mixtures whose two explanations "
    "are both more similar to their own source; difference_dB: by how much.",
    "Randomized models": "Similarity to the map of the original model. text: random prompt "
    "embeddings; decoder: permuted weights; audio-k: the k encoder blocks nearest the output.",
    "Paraphrased prompts": "Similarity of the maps of a prompt and its five paraphrases, and its "
    "correlation with the cosine similarity of the prompts.",
}
"""Title -> explanation of each diagnostic table."""
GROUP = ["domain", "method"]


def all_tables(
    frame: pd.DataFrame, tuning_rows: Sequence[Mapping[str, Any]]
) -> dict[str, pd.DataFrame]:
    """Compute all diagnostics: title -> table, empty if nothing was measured."""
    return {
        "Tuning": tuning(tuning_rows),
        "Presence": presence(frame),
        "Prompt swap": swap(frame),
        "Randomized models": randomized(frame),
        "Paraphrased prompts": paraphrased(frame),
    }


def scored_conditions(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the conditions that are scored clip by clip.

    In a two-source mixture at an SNR, each source counts under its own SNR: the second source of
    ``two_source@5`` under ``two_source@-5``.
    """
    scored = frame[~frame.condition.str.startswith((ABSENT, RANDOMIZED, PARAPHRASE))]
    snr_db = pd.to_numeric(scored.snr_db)
    at_snr = scored.condition.str.startswith(f"{TWO_SOURCE}@")
    names = (snr_db + 0.0).map(f"{TWO_SOURCE}@{{:g}}".format)  # 0.0 avoids -0
    return scored.assign(condition=scored.condition.mask(at_snr, names))


def tuning(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Tabulate the chosen and the default variant of each baseline, with their scores."""
    if not rows:
        return pd.DataFrame()
    frame = pd.DataFrame(rows)
    chosen = frame[frame.chosen].set_index(GROUP)
    default = frame[frame.default].set_index(GROUP)
    columns = {
        **{"chosen": chosen.variant, "score": chosen.score},
        **{"default": default.variant, "default_score": default.score},
    }
    return pd.DataFrame(columns).reset_index()


def presence(frame: pd.DataFrame) -> pd.DataFrame:
    """Compute how well the amount of a map separates present from absent prompts.

    Arguments
    ---------
    frame : pandas.DataFrame
        Long-format results with the conditions ``two_source`` and ``absent_prompt``.

    Returns
    -------
    pandas.DataFrame
        ``domain``, ``method``, areas under the ROC curve by ``map_mean``, ``masked_in_energy`` and
        ``clap_similarity``, and the number of ``prompts``.
    """
    metrics = ["map_mean", "masked_in_energy", "clap_similarity"]
    wide = _wide(frame, [TWO_SOURCE, ABSENT], metrics)
    wide["mixture"] = wide["clip"].str.removesuffix(f"-{ABSENT}")
    lines = []
    for group, part in wide.groupby(GROUP, sort=False):
        part = part[part.groupby("mixture").condition.transform("nunique") == 2]
        present = part.condition == TWO_SOURCE
        if present.any() and not present.all():
            areas = {name: presence_auc(part[name], present) for name in metrics}
            lines.append({**dict(zip(GROUP, group)), **areas, "prompts": len(part)})
    return pd.DataFrame(lines)


def swap(frame: pd.DataFrame, fraction: float | None = 0.2) -> pd.DataFrame:
    """Compare the explanations of the same mixture under the prompts of its two sources.

    Arguments
    ---------
    frame : pandas.DataFrame
        Long-format results with the condition ``two_source``.
    fraction : float or None
        Mask area; None for the explainers' own masks. Default: 0.2.

    Returns
    -------
    pandas.DataFrame
        ``domain``, ``method``, ``dominant``, ``difference_dB`` and the number of ``mixtures``.
    """
    at = frame.fraction.isna() if fraction is None else frame.fraction == fraction
    names = ["SI-SDRi", "SI-SDRi_residual"]
    wide = _wide(frame[at], [TWO_SOURCE], names)
    lines = []
    for group, part in wide.groupby(GROUP, sort=False):
        part = part.assign(mixture=part["clip"].str[:-2]).set_index("mixture")
        first, second = (part[part["clip"].str.endswith(side)] for side in ("-a", "-b"))
        both = first.index.intersection(second.index)
        if not len(both):
            continue
        rows = first.loc[both, names], second.loc[both, names[::-1]]
        result = prompt_swap(torch.tensor(np.stack(rows, axis=1)))
        finite = result.difference[result.difference.isfinite()]
        values = {"dominant": result.dominant.mean().item(), "difference_dB": finite.mean().item()}
        lines.append({**dict(zip(GROUP, group)), **values, "mixtures": len(both)})
    return pd.DataFrame(lines)


def randomized(frame: pd.DataFrame) -> pd.DataFrame:
    """Average the similarity to the original maps over clips, for each randomization stage.

    Returns
    -------
    pandas.DataFrame
        ``domain``, ``method``, ``stage`` in order, ``spearman``, ``ssim`` and ``clips``.
    """
    rows = frame[frame.condition.str.startswith(RANDOMIZED)]
    if not len(rows):
        return pd.DataFrame()
    rows = rows.assign(stage=rows.condition.str.removeprefix(f"{RANDOMIZED} "))
    keys = [*GROUP, "stage"]
    groups = rows[rows.metric.isin(["spearman", "ssim"])].groupby([*keys, "metric"], sort=False)
    table = groups.value.mean().unstack("metric")
    table["clips"] = rows.groupby(keys, sort=False)["clip"].nunique()
    order = rows.drop_duplicates(keys)[keys]
    return order.merge(table.reset_index(), on=keys)


def paraphrased(frame: pd.DataFrame) -> pd.DataFrame:
    """Average the similarity of maps of paraphrased prompts.

    Returns
    -------
    pandas.DataFrame
        ``domain``, ``method``, means of ``spearman``, ``ssim`` and ``prompt_cosine``, the
        ``correlation`` of ``spearman`` and ``prompt_cosine``, and the number of ``pairs``.
    """
    metrics = ["spearman", "ssim", "prompt_cosine"]
    conditions = [c for c in frame.condition.unique() if c.startswith(PARAPHRASE)]
    wide = _wide(frame, conditions, metrics)
    lines = []
    for group, part in wide.groupby(GROUP, sort=False):
        varied = min(part.spearman.nunique(), part.prompt_cosine.nunique()) > 1
        correlation = part.spearman.corr(part.prompt_cosine) if varied else np.nan
        values = {**part[metrics].mean(), "correlation": correlation, "pairs": len(part)}
        lines.append({**dict(zip(GROUP, group)), **values})
    return pd.DataFrame(lines)


def _wide(frame: pd.DataFrame, conditions: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row per domain, method, condition and clip, with the metrics as columns."""
    keys = [*GROUP, "condition", "clip"]
    rows = frame[frame.condition.isin(conditions) & frame.metric.isin(metrics)]
    wide = rows.set_index([*keys, "metric"]).value.unstack("metric").reset_index()
    order = rows.drop_duplicates(keys)[keys]
    wide = order.merge(wide, on=keys).reindex(columns=[*keys, *metrics])
    return wide.dropna(subset=metrics)
