"""Scores of explainers on one batch of clips."""

import time
import zlib
from collections.abc import Sequence
from typing import NamedTuple, Unpack

import torch

from speechbrain_lmac.evaluation.encoder_passes import EncoderPasses
from speechbrain_lmac.evaluation.long_format import Scores
from speechbrain_lmac.explainers.base import Explainer, ExplainerInputs, OptionalInputs
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.masking.ranking import rank_valid_bins
from speechbrain_lmac.metrics.faithfulness import masking_outcome
from speechbrain_lmac.metrics.registry import MASK_METRICS, TOP_K_METRICS
from speechbrain_lmac.metrics.top_k import (
    TOP_K_FRACTIONS,
    normalize_attributions,
    top_k_mask,
)


class ClassPrompts(NamedTuple):
    """Classes that clips are scored against."""

    names: tuple[str, ...]
    embeddings: torch.Tensor
    """Query vectors, such as text embeddings, ``[classes, dim]``."""


class EvaluationBatch(NamedTuple):
    """Encoded clips and the class that is explained for each."""

    ids: tuple[str, ...]
    encoded: EncodedClips
    target: torch.Tensor
    """Index of the explained class, ``[batch]``."""
    inputs: ExplainerInputs
    prompts: ClassPrompts

    @property
    def target_names(self) -> list[str]:
        """Name of the explained class of each clip."""
        return [self.prompts.names[index] for index in self.target.tolist()]


class Attributions(NamedTuple):
    """Output of an explainer for a batch."""

    maps: torch.Tensor
    """Non-negative maps, ``[batch, frames, bins]``; zeros where the explainer failed."""
    masks: torch.Tensor
    """Masks in [0, 1], ``[batch, frames, bins]``."""
    ranks: torch.Tensor
    """Ranks of the bins, ``[batch, frames, bins]``, 0 for the best."""
    failed: torch.Tensor
    """``[batch]``, bool: the explainer returned NaN or infinite values."""
    constant: torch.Tensor
    """``[batch]``, bool: all bins are equal, so that the ranks are a seeded draw."""
    seconds: float
    """Computation time per clip."""
    passes: float
    """Encoder passes per clip, forward and backward."""


def clip_seed(clip_id: str, seed: object = 0) -> int:
    """Derive a seed from a clip ID, so that random draws do not depend on the batch.

    Example
    -------
    >>> clip_seed("1-100032-A-0")
    3568672833
    """
    return zlib.crc32(f"{seed}/{clip_id}".encode())


def make_batch(
    model: MaskNetwork,
    ids: Sequence[str],
    encoded: EncodedClips,
    prompts: ClassPrompts,
    target: torch.Tensor | None = None,
    **optional_inputs: Unpack[OptionalInputs],
) -> EvaluationBatch:
    """Build the inputs of all explainers for a batch of encoded clips.

    Arguments
    ---------
    model : MaskNetwork
        Model to explain.
    ids : sequence of str
        Clip IDs, ``[batch]``.
    encoded : EncodedClips
        Encoded clips. All explainers share one encoding.
    prompts : ClassPrompts
        Classes that the clips are scored against.
    target : torch.Tensor
        Index of the class to explain, ``[batch]``. Default: the prediction for each clip.
    **optional_inputs
        Optional fields of :class:`~speechbrain_lmac.explainers.base.ExplainerInputs`.

    Returns
    -------
    EvaluationBatch
    """
    embeddings = prompts.embeddings.to(encoded.power.device)
    if target is None:
        target = model.classifier.logits(encoded.encoding.vector, embeddings).argmax(dim=1)
    seeds = tuple(clip_seed(clip_id) for clip_id in ids)
    inputs = ExplainerInputs(embeddings[target], seeds, class_queries=embeddings, **optional_inputs)
    prompts = prompts._replace(embeddings=embeddings)
    return EvaluationBatch(tuple(ids), encoded, target, inputs, prompts)


def explain(model: MaskNetwork, explainer: Explainer, batch: EvaluationBatch) -> Attributions:
    """Run one explainer on a batch.

    Arguments
    ---------
    model : MaskNetwork
        Model to explain.
    explainer : Explainer
        Explainer to run.
    batch : EvaluationBatch
        Clips and the classes to explain.

    Returns
    -------
    Attributions
    """
    device = batch.encoded.power.device
    begin = _now(device)
    with EncoderPasses(model.classifier.audio_classifier.audio_blocks[0]) as passes:
        maps = explainer(model, batch.encoded, batch.inputs).detach().float()
    seconds = (_now(device) - begin) / len(batch.ids)
    failed = ~maps.isfinite().flatten(1).all(dim=1)
    maps = torch.where(failed[:, None, None], 0.0, maps)
    constant = maps.flatten(1).amax(dim=1) == maps.flatten(1).amin(dim=1)
    masks = maps if explainer.is_mask else normalize_attributions(maps)
    ranks = rank_valid_bins(model.classifier, batch.encoded, maps, batch.inputs.seeds)
    passes_per_clip = passes.count / len(batch.ids)
    return Attributions(maps, masks, ranks, failed, constant, seconds, passes_per_clip)


def _now(device: torch.device) -> float:
    """Return the time after all pending work of a device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


@torch.no_grad()
def score_faithfulness(
    model: MaskNetwork,
    batch: EvaluationBatch,
    attributions: Attributions,
    fractions: Sequence[float] = TOP_K_FRACTIONS,
) -> Scores:
    """Compute the faithfulness metrics of an explainer's own masks and of its top-k masks.

    Arguments
    ---------
    model : MaskNetwork
        Model to explain.
    batch : EvaluationBatch
        Clips and the classes to explain.
    attributions : Attributions
        Output of the explainer for the batch.
    fractions : sequence of float
        Mask areas of the top-k masks. Default: ``TOP_K_FRACTIONS``.

    Returns
    -------
    dict
        (metric, fraction) -> one value per clip.
    """
    masks: dict[float | None, torch.Tensor] = {None: attributions.masks}
    masks.update({fraction: top_k_mask(attributions.ranks, fraction) for fraction in fractions})
    scores: Scores = {}
    for fraction, mask in masks.items():
        found = model.classifier.masked_probabilities(batch.encoded, mask, batch.prompts.embeddings)
        outcome = masking_outcome(*found, mask, batch.target)
        if fraction is None:
            scores["p_original", None] = outcome.p_original.tolist()
        scores["p_masked_in", fraction] = outcome.p_masked_in.tolist()
        scores["p_masked_out", fraction] = outcome.p_masked_out.tolist()
        for name in MASK_METRICS if fraction is None else TOP_K_METRICS:
            scores[name, fraction] = MASK_METRICS[name].function(outcome).tolist()
    scores["failed", None] = attributions.failed.float().tolist()
    scores["constant", None] = attributions.constant.float().tolist()
    return scores


def in_out_margin(scores: Scores) -> list[float]:
    """Return ``p_masked_in - p_masked_out`` of each clip at each top-k fraction.

    Its mean selects training epochs and tunes baselines.

    Arguments
    ---------
    scores : dict
        Result of :func:`score_faithfulness`.

    Returns
    -------
    list of float
    """
    return [
        p_in - p_out
        for fraction in TOP_K_FRACTIONS
        for p_in, p_out in zip(scores["p_masked_in", fraction], scores["p_masked_out", fraction])
    ]
