"""Faithfulness at equal mask area with other fills than silence."""

from collections.abc import Sequence

import torch

from speechbrain_lmac.evaluation.benchmark.batches import ItemBatch
from speechbrain_lmac.evaluation.long_format import Scores
from speechbrain_lmac.evaluation.scoring import Attributions, masking_outcome
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.metrics.fills import FILLS
from speechbrain_lmac.metrics.insertion_deletion import valid_power
from speechbrain_lmac.metrics.registry import MASK_METRICS, OTHER_FILLS, TOP_K_METRICS, fill_metric
from speechbrain_lmac.metrics.top_k import top_k_mask


@torch.no_grad()
def measure_other_fills(
    model: InterpreterNetwork,
    explainer: Explainer,
    batch: ItemBatch,
    attributions: Attributions,
    fractions: Sequence[float],
) -> Scores:
    """Measure AD, FF and Fid-In with masked-out bins replaced by each fill but silence.

    An explanation that holds under silence alone describes how the classifier reacts to silence.
    """
    encoded, prompts = batch.batch.encoded, batch.batch.prompts.embeddings
    power, scores = valid_power(model.classifier, encoded), Scores()
    fills = {fill: FILLS[fill](power) for fill in OTHER_FILLS}
    for fraction in fractions:
        mask = top_k_mask(attributions.ranks, fraction)
        for fill, filled in fills.items():
            found = model.classifier.masked_probabilities(encoded, mask, prompts, filled)
            outcome = masking_outcome(*found, mask, batch.batch.target)
            for name in TOP_K_METRICS:
                values = MASK_METRICS[name].function(outcome)
                scores[fill_metric(name, fill), fraction] = values.tolist()
    return scores
