"""Explainers side by side: one row per clip, method and budget."""

import zlib
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from tqdm import tqdm

from speechbrain_lmac.budgets import BUDGETS, keep_top, rank_cells
from speechbrain_lmac.metrics import METRICS, outcome

RAW = "raw"
"""Name, in the budget column, of the explainer's own soft mask."""


class Prompts(NamedTuple):
    """The names a clip is scored against, and their embeddings."""

    names: tuple
    text: torch.Tensor
    """``[prompts, dim]``."""


def clip_seed(clip_id, seed=0):
    """An int that depends on the clip alone: ties and random masks fall alike in any batch.

    Example
    -------
    >>> clip_seed("1-100032-A-0")
    3568672833
    """
    return zlib.crc32(f"{seed}/{clip_id}".encode())


@torch.no_grad()
def evaluate_batch(model, explainer, ids, analysis, prompts, budgets=BUDGETS):
    """Measure one explainer on a batch of clips.

    Arguments
    ---------
    model : ListenableMap
        What is explained.
    explainer : callable
        One of ``EXPLAINERS``.
    ids : list of str
        One per clip.
    analysis : Analysis
        Of the clips; one serves every explainer.
    prompts : Prompts
        What the clips are scored against; the best one is explained.
    budgets : sequence of float
        Shares of cells to keep, beside the raw mask.

    Returns
    -------
    list of dict
        A row per clip and budget.
    """
    classifier, text = model.classifier, prompts.text.to(analysis.power.device)
    target = classifier.logits(analysis.encoding.embedding, text).argmax(dim=1)
    seeds = [clip_seed(clip_id) for clip_id in ids]
    raw = explainer(model, analysis, text[target], seeds)
    ranks = rank_cells(raw, seeds)
    masks = {RAW: raw, **{share: keep_top(ranks, share) for share in budgets}}
    rows = []
    for budget, mask in masks.items():
        scores = classifier.masked_similarity(analysis, mask, text)
        measured = _measure(outcome(scores, mask))
        for i, clip_id in enumerate(ids):
            row = {"clip": clip_id, "target": prompts.names[target[i]], "budget": budget}
            rows.append({**row, **{name: values[i] for name, values in measured.items()}})
    return rows


def _measure(seen):
    probabilities = {name: getattr(seen, name).tolist() for name in ("p", "q", "r")}
    return {**probabilities, **{name: metric(seen).tolist() for name, metric in METRICS.items()}}


def evaluate(model, explainers, batches, prompts, budgets=BUDGETS):
    """Measure explainers on the same clips and prompts.

    Arguments
    ---------
    model : ListenableMap
        What is explained.
    explainers : dict
        Name in the table -> explainer.
    batches : sized iterable
        Of ``(ids, wavs)``.
    prompts : Prompts
        What the clips are scored against.
    budgets : sequence of float
        Shares of cells to keep, beside the raw mask.

    Returns
    -------
    list of dict
        A row per clip, method and budget.
    """
    rows = []
    for ids, wavs in tqdm(batches, desc="evaluating", unit="batch", dynamic_ncols=True):
        analysis = model.classifier.analyse(wavs)
        for name, explainer in explainers.items():
            measured = evaluate_batch(model, explainer, ids, analysis, prompts, budgets)
            rows.extend({"method": name, **row} for row in measured)
    return rows


def write_rows(path, rows):
    """Write rows as CSV, whole or not at all."""
    partial = Path(path).with_suffix(".partial")
    pd.DataFrame(rows).to_csv(partial, index=False)
    partial.replace(path)
