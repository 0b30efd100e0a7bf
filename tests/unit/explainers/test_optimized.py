"""The optimized mask: its loss and its minimum."""

import torch

from speechbrain_lmac.explainers import optimized
from speechbrain_lmac.explainers.controls import EnergyMask
from speechbrain_lmac.explainers.optimized import OptimizedMask
from speechbrain_lmac.metrics.top_k import rank_bins, top_k_mask
from tests.unit.explainers.conftest import ONLY_MEL, masked_logits


@ONLY_MEL
def test_optimized_mask_beats_energy(model, encoded, inputs):
    """At 10 % of the bins: a higher logit of the masked-in part, a lower one of the residual."""

    def logits(maps):
        masked_in = top_k_mask(rank_bins(maps, inputs.seeds), 0.1)
        return [
            masked_logits(model.classifier, encoded, inputs.query, mask).mean()
            for mask in (masked_in, 1 - masked_in)
        ]

    masked_in, residual = logits(OptimizedMask(steps=60)(model, encoded, inputs))
    energy_masked_in, energy_residual = logits(EnergyMask()(model, encoded, inputs))
    assert masked_in > energy_masked_in and residual < energy_residual


@ONLY_MEL
def test_optimized_loss_is_its_definition(model, encoded, inputs):
    """``-mask_in log q - mask_out log(1 - r)``, by softmax over the classes."""
    classifier, classes = model.classifier, inputs.class_queries
    clip = classifier.encode_clips(encoded.wavs[:1])
    mask = torch.rand(clip.power.shape, generator=torch.Generator().manual_seed(0))
    scores = classifier.masked_similarity(clip, mask, classes)
    log_q, log_r = (logits.log_softmax(dim=1)[0] for logits in scores[1:])
    for place, query in enumerate(classes.split(1)):
        weights = OptimizedMask(mask_in=3.0, mask_out=0.5)
        log_not_r = torch.cat([log_r[:place], log_r[place + 1 :]]).logsumexp(dim=0)
        expected = -weights.mask_in * log_q[place] - weights.mask_out * log_not_r
        loss = optimized._Loss(weights, classifier, clip, query, classes)(mask)
        torch.testing.assert_close(loss, expected, atol=1e-3, rtol=1e-3)
