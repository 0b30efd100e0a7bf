"""Smallest areas of explainers on one batch of clips."""

import torch

from speechbrain_lmac.evaluation.long_format import Scores
from speechbrain_lmac.evaluation.scoring import Attributions, EvaluationBatch
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.metrics.smallest_areas import scored_area, smallest_areas


@torch.no_grad()
def score_areas(model: MaskNetwork, batch: EvaluationBatch, attributions: Attributions) -> Scores:
    """Find the smallest areas of an explainer's ranking, decided on masked clips.

    Arguments
    ---------
    model : MaskNetwork
        Model to explain.
    batch : EvaluationBatch
        Clips and the classes to explain.
    attributions : Attributions
        Output of the explainer for the batch.

    Returns
    -------
    dict
        ``sufficient_area`` and ``necessary_area`` of each clip, without a fraction. The necessary
        area is 1 if the class also leads in silence. Both are NaN if it does not lead in the clip.
    """
    classifier, encoded, target = model.classifier, batch.encoded, batch.target
    classes = classifier.competing(batch.prompts.embeddings)
    query = batch.prompts.embeddings[target]

    def leads(top: torch.Tensor, removed: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        masks = torch.where(removed[:, None, None], 1 - top, top)
        power = encoded.encoder_power[index]
        vectors = classifier.encode_masked(power, masks, encoded.wavs.shape[-1]).vector
        return classes.leads(vectors, query[index], target[index])

    leading = classes.leads(encoded.encoding.vector, query, target)
    num_bins = int(classifier.grid(encoded).valid.sum())
    areas = smallest_areas(attributions.ranks, num_bins, leads, leading)
    return {
        (f"{name}_area", None): scored_area(area).tolist() for name, area in areas._asdict().items()
    }
