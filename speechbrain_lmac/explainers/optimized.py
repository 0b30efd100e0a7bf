"""The mask that gradient descent finds for the one clip and prompt: no decoder, nothing learnt."""

import random
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import logsigmoid

from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.losses.mask_gate import SoftTopK
from speechbrain_lmac.losses.pairs import ClassSet
from speechbrain_lmac.masking.decoder import bounded
from speechbrain_lmac.masking.log_power import level
from speechbrain_lmac.metrics.top_k import BUDGETS
from speechbrain_lmac.utils.errors import InputError

SOFTNESS = (0.5, 0.02)
"""Of the gate at the first step and the last, falling by a constant ratio. A soft gate tells
every cell where to go; what it lets through of the rest is a whisper that a CLAP still hears, and
that no budget keeps."""
START = (0.5, 0.1)
"""Logits at the start: a cell's level, less the clip's mean and over its deviation, times the
first; and noise, times the second."""


@dataclass(frozen=True)
class OptimizedMask(Explainer):
    """A free gain for each cell, by Adam: a ceiling for training's main terms.

    ``-kept log q - removed log(1 - r)``: ``q`` is the prompt's probability among
    the names where only ``K`` is heard, ``r`` where ``K`` is taken out; ``K`` is the mask ``M``
    hardened to a share of the cells that is drawn anew at each step, as in training.

    Clips are heard again and optimized one by one: rounding differs between batches, hundreds of
    steps make much of it, and a clip would have another mask in other company.

    Arguments
    ---------
    steps : int
        Of Adam.
    lr : float
        Its rate.
    kept, removed : float
        Weights of the terms; those of training.
    """

    is_mask: ClassVar = True
    needs: ClassVar = ("text", "seeds", "names")

    steps: int = 200
    lr: float = 0.3
    kept: float = 1.0
    removed: float = 2.0

    def __post_init__(self):
        if self.steps < 1:
            raise InputError(f"steps is 1 or more, not {self.steps}")

    def __call__(self, model, encoded, inputs):
        classifier, masks = model.classifier, []
        for wav, text, seed in zip(encoded.wavs.split(1), inputs.text, inputs.seeds):
            alone = classifier.encode_clips(wav)
            loss = _Loss(self, classifier, alone, text, inputs.names)
            masks.append(self._descend(loss, first_guess(alone.power, seed), random.Random(seed)))
        return torch.cat(masks)

    def _descend(self, loss, logits, rng):
        """Mask ``[1, frames, bins]`` that a loss of what is kept leads to."""
        optimizer = torch.optim.Adam([logits.requires_grad_()], lr=self.lr)
        gate = SoftTopK(BUDGETS, SOFTNESS)
        for step in range(self.steps):
            progress = step / max(1, self.steps - 1)
            with torch.enable_grad():
                mask = bounded(logits).sigmoid()
                value = loss(gate(mask, gate.draw([rng], logits.device), progress))
                (logits.grad,) = torch.autograd.grad(value, logits)
            optimizer.step()
        return bounded(logits.detach()).sigmoid()

    def passes(self, classifier):
        return 4 * self.steps + 1


class _Loss:
    """Of what is kept of one clip behind the gate, ``[1, frames, bins]``."""

    def __init__(self, weights, classifier, encoded, text, names):
        self.weights, self.classifier, self.text = weights, classifier, text
        self.heard, self.samples = encoded.heard, encoded.wavs.shape[-1]
        self.rivals = ClassSet(names, float(classifier.clap.logit_scale))
        same = (names == text).all(dim=1)
        self.own = torch.where(same.any(), same.float().argmax(), -1)

    def __call__(self, kept):
        both = torch.cat([kept, 1 - kept])
        embedding = self.classifier.encode_masked(self.heard, both, self.samples).embedding
        inside, outside = self.rivals.log_odds(embedding, self.text, self.own)
        return -self.weights.kept * logsigmoid(inside) - self.weights.removed * logsigmoid(-outside)


def first_guess(power, seed):
    """Logits to start from, of the power ``[1, frames, bins]`` of one clip: loud cells first, no
    two alike.
    """
    noise = torch.randn(power.shape, generator=torch.Generator().manual_seed(seed + 3))
    return START[0] * level(power) + START[1] * noise.to(power)
