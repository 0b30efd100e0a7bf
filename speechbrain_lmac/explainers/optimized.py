"""Mask found by gradient descent for one clip and query, without a decoder."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import logsigmoid

from speechbrain_lmac.explainers.base import Explainer, ExplainerInputs
from speechbrain_lmac.losses.mask_gate import SoftTopK
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.log_power import normalized_log_power
from speechbrain_lmac.masking.mask_logits import bounded
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS
from speechbrain_lmac.utils.errors import InputError

SOFTNESS = (0.5, 0.02)
"""Softness of the gate at the first and at the last step, falling by a constant ratio. A soft gate
gives every bin a gradient, but a CLAP still encodes the faint remainder of the closed bins, which
no top-k mask contains."""
START = (0.5, 0.1)
"""Factors of normalized log power and of noise in the initial logits."""


@dataclass(frozen=True)
class OptimizedMask(Explainer):
    """Free gain of each bin, optimized by Adam: an upper bound for the main terms of training.

    The loss is ``-mask_in log q - mask_out log(1 - r)``. ``q`` and ``r`` are the probabilities of
    the query among the competing classes, given the masked-in and the masked-out part. The mask is
    gated to a fraction of the bins that is drawn anew at each step, as in training.

    Clips are encoded again and optimized one by one. Rounding differs between batches, and hundreds
    of steps amplify it, so a clip would get another mask in another batch.

    Arguments
    ---------
    steps : int
        Steps of Adam.
    lr : float
        Learning rate.
    mask_in, mask_out : float
        Weights of the terms. Default: those of training.
    """

    is_mask: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("query", "seeds", "class_queries")

    steps: int = 200
    lr: float = 0.3
    mask_in: float = 1.0
    mask_out: float = 2.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"steps must be 1 or more, got {self.steps}")

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        assert inputs.class_queries is not None
        classifier, masks = model.classifier, []
        for wav, query, seed in zip(encoded.wavs.split(1), inputs.query, inputs.seeds):
            clip = classifier.encode_clips(wav)
            loss = _Loss(self, classifier, clip, query, inputs.class_queries)
            logits = initial_logits(clip.power, seed)
            masks.append(self._descend(loss, logits, random.Random(seed)))
        return torch.cat(masks)

    def _descend(
        self,
        loss: Callable[[torch.Tensor], torch.Tensor],
        logits: torch.Tensor,
        rng: random.Random,
    ) -> torch.Tensor:
        """Mask ``[1, frames, bins]`` that minimizes a loss of the gated mask."""
        optimizer = torch.optim.Adam([logits.requires_grad_()], lr=self.lr)
        gate = SoftTopK(TOP_K_FRACTIONS, SOFTNESS)
        for step in range(self.steps):
            progress = step / max(1, self.steps - 1)
            with torch.enable_grad():
                mask = bounded(logits).sigmoid()
                value = loss(gate(mask, gate.draw([rng], logits.device), progress))
                (logits.grad,) = torch.autograd.grad(value, logits)
            optimizer.step()
        return bounded(logits.detach()).sigmoid()

    def passes(self, classifier: MaskedClassifier) -> int:
        return 4 * self.steps + 1


class _Loss:
    """Loss of the gated mask ``[1, frames, bins]`` of one clip."""

    def __init__(
        self,
        weights: OptimizedMask,
        classifier: MaskedClassifier,
        clip: EncodedClips,
        query: torch.Tensor,
        class_queries: torch.Tensor,
    ):
        self.weights, self.classifier, self.query = weights, classifier, query
        self.power, self.samples = clip.encoder_power, clip.wavs.shape[-1]
        self.classes = classifier.competing(class_queries)
        same = (class_queries == query).all(dim=1)
        self.target = torch.where(same.any(), same.float().argmax(), -1)

    def __call__(self, mask: torch.Tensor) -> torch.Tensor:
        both = torch.cat([mask, 1 - mask])
        vectors = self.classifier.encode_masked(self.power, both, self.samples).vector
        masked_in, masked_out = self.classes.log_odds(vectors, self.query, self.target)
        weights = self.weights
        return -weights.mask_in * logsigmoid(masked_in) - weights.mask_out * logsigmoid(-masked_out)


def initial_logits(power: torch.Tensor, seed: int) -> torch.Tensor:
    """Initial mask logits of a clip with power ``[1, frames, bins]``: loud bins first, no ties."""
    noise = torch.randn(power.shape, generator=torch.Generator().manual_seed(seed + 3))
    return START[0] * normalized_log_power(power) + START[1] * noise.to(power)
