"""Faithfulness at equal mask area with other fills than silence."""

from collections.abc import Sequence

import torch

from speechbrain_lmac.evaluation.long_format import Scores
from speechbrain_lmac.evaluation.scoring import Attributions, EvaluationBatch, masking_outcome
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.metrics.fills import FILLS
from speechbrain_lmac.metrics.insertion_deletion import valid_power
from speechbrain_lmac.metrics.registry import MASK_METRICS, OTHER_FILLS, TOP_K_METRICS, fill_metric
from speechbrain_lmac.metrics.top_k import top_k_mask


def score_other_fills(
    model: MaskNetwork,
    batch: EvaluationBatch,
    attributions: Attributions,
    fractions: Sequence[float],
) -> Scores:
    """Measure AD, FF and Fid-In with masked-out bins replaced by each fill but silence.

    An explanation that holds under silence alone describes how the classifier reacts to silence.
    The arguments are those of :func:`score_fills`.
    """
    found = score_fills(model, batch, attributions, fractions, OTHER_FILLS)
    return {
        (fill_metric(name, fill), fraction): values
        for (name, fill, fraction), values in found.items()
    }


@torch.no_grad()
def score_fills(
    model: MaskNetwork,
    batch: EvaluationBatch,
    attributions: Attributions,
    fractions: Sequence[float],
    fills: Sequence[str] = tuple(FILLS),
) -> dict[tuple[str, str, float], list[float]]:
    """Score top-k masks with masked-out bins replaced by fills.

    Arguments
    ---------
    model : MaskNetwork
        Model to explain.
    batch : EvaluationBatch
        Clips and the classes to explain.
    attributions : Attributions
        Output of an explainer for the batch.
    fractions : sequence of float
        Mask areas of the top-k masks.
    fills : sequence of str
        Keys of ``FILLS``. Default: all.

    Returns
    -------
    dict
        (metric of ``TOP_K_METRICS``, fill, fraction) -> one value per clip.
    """
    encoded, prompts = batch.encoded, batch.prompts.embeddings
    power = valid_power(model.classifier, encoded)
    filled = {fill: FILLS[fill](power) for fill in fills}
    scores: dict[tuple[str, str, float], list[float]] = {}
    for fraction in fractions:
        mask = top_k_mask(attributions.ranks, fraction)
        for fill in fills:
            found = model.classifier.masked_probabilities(encoded, mask, prompts, filled[fill])
            outcome = masking_outcome(*found, mask, batch.target)
            for name in TOP_K_METRICS:
                scores[name, fill, fraction] = MASK_METRICS[name].function(outcome).tolist()
    return scores
