"""Explainers measured on clips: one row per clip and method."""

import time
import zlib
from typing import NamedTuple

import pandas as pd
import torch
from tqdm import tqdm

from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.masking.masked_classifier import EncodedClips
from speechbrain_lmac.metrics.faithfulness import METRICS, outcome
from speechbrain_lmac.metrics.top_k import BUDGETS, as_masks, rank_bins, top_k_mask
from speechbrain_lmac.utils.files import whole

EQUAL = ("AD", "FF", "Fid-In", "AI", "AG")
"""Metrics that are taken at equal budgets; those of the mask itself say nothing there."""


class ClassPrompts(NamedTuple):
    """The names a clip is scored against, and their embeddings."""

    names: tuple
    text: torch.Tensor
    """``[prompts, dim]``."""


class EvaluationBatch(NamedTuple):
    """A batch of clips, heard once, and what is to be explained of each."""

    ids: tuple
    encoded: EncodedClips
    target: torch.Tensor
    """``[batch]``: index of the name that is explained."""
    inputs: ExplainerInputs
    prompts: ClassPrompts


class Attributions(NamedTuple):
    """What an explainer makes of a batch."""

    maps: torch.Tensor
    """``[batch, frames, bins]``, at least 0; of zeros where it failed."""
    masks: torch.Tensor
    """In [0, 1]: what is heard through."""
    ranks: torch.Tensor
    """Of the cells, 0 for the best."""
    failed: torch.Tensor
    """``[batch]`` of bool: it gave something that is no number."""
    constant: torch.Tensor
    """``[batch]`` of bool: all cells are alike, and ranks are a seeded draw."""
    seconds: float
    """That it took, per clip."""


def clip_seed(clip_id, seed=0):
    """An int that depends on the clip alone: ties and random masks fall alike in any batch.

    Example
    -------
    >>> clip_seed("1-100032-A-0")
    3568672833
    """
    return zlib.crc32(f"{seed}/{clip_id}".encode())


def column(metric, budget=None):
    """Name of a metric in a row: of the explainer's own mask, or of an equal budget.

    Example
    -------
    >>> column("AD"), column("AD", 0.05)
    ('AD', 'AD@5')
    """
    return metric if budget is None else f"{metric}@{100 * budget:g}"


def ask(model, ids, encoded, prompts, target=None, **more):
    """Put the question to a batch.

    Arguments
    ---------
    model : InterpreterNetwork
        What is explained.
    ids : sequence of str
        One per clip.
    encoded : EncodedClips
        Of the clips; one serves every explainer.
    prompts : ClassPrompts
        What the clips are scored against.
    target : torch.Tensor
        ``[batch]``: name that is explained; each clip's best by default.
    **more
        Further fields of :class:`~speechbrain_lmac.explainers.base.ExplainerInputs`.

    Returns
    -------
    Asked
    """
    text = prompts.text.to(encoded.power.device)
    if target is None:
        target = model.classifier.logits(encoded.encoding.vector, text).argmax(dim=1)
    seeds = tuple(clip_seed(clip_id) for clip_id in ids)
    inputs = ExplainerInputs(text[target], seeds, class_queries=text, **more)
    return EvaluationBatch(tuple(ids), encoded, target, inputs, prompts)


def explain(model, explainer, asked):
    """One explainer's maps, as masks and as ranks.

    Arguments
    ---------
    model : InterpreterNetwork
        What is explained.
    explainer : Explainer
        Whom to ask.
    asked : EvaluationBatch
        About what.

    Returns
    -------
    Explained
    """
    device = asked.encoded.power.device
    begin = _now(device)
    maps = explainer(model, asked.encoded, asked.inputs).detach().float()
    seconds = (_now(device) - begin) / len(asked.ids)
    failed = ~maps.isfinite().flatten(1).all(dim=1)
    maps = torch.where(failed[:, None, None], 0.0, maps)
    constant = maps.flatten(1).amax(dim=1) == maps.flatten(1).amin(dim=1)
    masks = maps if explainer.is_mask else as_masks(maps)
    ranks = rank_valid_bins(model.classifier, asked.encoded, maps, asked.inputs.seeds)
    return Attributions(maps, masks, ranks, failed, constant, seconds)


def rank_valid_bins(classifier, encoded, maps, seeds):
    """Rank the cells of maps; those that the CLAP never hears, as high STFT bins, come last.

    Whatever an explainer says of them: none is to spend its budget there, nor to gain by knowing
    them.

    Arguments
    ---------
    classifier : MaskedClassifier
        Whose hearing it is.
    encoded : EncodedClips
        Of the clips.
    maps : torch.Tensor
        ``[batch, frames, bins]``, finite.
    seeds : sequence of int
        Of ties, as for :func:`~speechbrain_lmac.metrics.top_k.rank_bins`.

    Returns
    -------
    torch.Tensor
        ``[batch, frames, bins]`` of int.
    """
    unheard = classifier.grid(encoded).valid == 0
    return rank_bins(maps.masked_fill(unheard, -torch.inf), seeds)


def _now(device):
    """Seconds on a clock, when all that was asked of a device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@torch.no_grad()
def faithfulness(model, asked, explained, budgets=BUDGETS):
    """What the metrics of :mod:`~speechbrain_lmac.metrics.faithfulness` say of maps.

    Arguments
    ---------
    model : InterpreterNetwork
        What is explained.
    asked : EvaluationBatch
        The clips.
    explained : Attributions
        Maps of them.
    budgets : sequence of float
        Shares of cells to keep, beside the raw mask.

    Returns
    -------
    dict
        Column -> a number for each clip.
    """
    masks = {None: explained.masks}
    masks.update({budget: top_k_mask(explained.ranks, budget) for budget in budgets})
    columns = {}
    for budget, mask in masks.items():
        text = asked.inputs.class_queries
        scores = model.classifier.masked_similarity(asked.encoded, mask, text)
        seen = outcome(scores, mask, asked.target)
        shown = METRICS if budget is None else {name: METRICS[name] for name in EQUAL}
        for name in ("p", "q", "r") if budget is None else ("q", "r"):
            columns[column(name, budget)] = getattr(seen, name).tolist()
        for name, metric in shown.items():
            columns[column(name, budget)] = metric(seen).tolist()
    columns["failed"] = explained.failed.float().tolist()
    columns["constant"] = explained.constant.float().tolist()
    return columns


def in_out_margin(columns):
    """``q - r`` of each clip at each equal budget: what selects epochs and tunes baselines.

    Arguments
    ---------
    columns : dict
        Of :func:`faithfulness`.

    Returns
    -------
    list of float
    """
    sides = ((columns[column("q", share)], columns[column("r", share)]) for share in BUDGETS)
    return [q - r for kept, left in sides for q, r in zip(kept, left)]


def rows_of(asked, columns):
    """Columns as rows: a dict for each clip, with its id and what is explained of it."""
    named = [asked.prompts.names[index] for index in asked.target.tolist()]
    columns = {"clip": asked.ids, "target": named, **columns}
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def evaluate(model, explainers, batches, prompts, budgets=BUDGETS):
    """Measure explainers on the same clips and prompts.

    Arguments
    ---------
    model : InterpreterNetwork
        What is explained.
    explainers : dict
        Name in the table -> explainer.
    batches : sized iterable
        Of ``(ids, wavs)``.
    prompts : ClassPrompts
        What the clips are scored against.
    budgets : sequence of float
        Shares of cells to keep, beside the raw mask.

    Returns
    -------
    list of dict
        A row per clip and method.
    """
    rows = []
    for ids, wavs in tqdm(batches, desc="evaluating", unit="batch", dynamic_ncols=True):
        asked = ask(model, ids, model.classifier.encode_clips(wavs), prompts)
        for name, explainer in explainers.items():
            columns = faithfulness(model, asked, explain(model, explainer, asked), budgets)
            rows.extend({"method": name, **row} for row in rows_of(asked, columns))
    return rows


def write_rows(path, rows):
    """Write rows as CSV, whole or not at all."""
    with whole(path) as partial:
        pd.DataFrame(rows).to_csv(partial, index=False)
