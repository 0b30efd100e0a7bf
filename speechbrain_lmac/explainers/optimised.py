"""The mask that gradient descent finds for the one clip and prompt: no decoder, nothing learnt."""

import random
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import relu

from speechbrain_lmac.budgets import BUDGETS
from speechbrain_lmac.errors import InputError
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.gates import SoftBudget

SOFTNESS = (0.5, 0.02)
"""Of the gate at the first step and the last, falling by a constant ratio. A soft gate tells
every cell where to go; what it lets through of the rest is a whisper that a CLAP still hears, and
that no budget keeps."""
START = (0.5, 0.1)
"""Logits at the start: a cell's level, less the clip's mean and over its deviation, times the
first; and noise, times the second."""
LEVEL_FLOOR = 1e-6
LARGEST = 1 - 1e-6
"""Gain that goes into the gate, at most: it takes the logit again."""


@dataclass(frozen=True)
class Optimised(Explainer):
    """A free gain for each cell, by Adam: a ceiling for training's main terms.

    ``similarity |C - t . f(K * X)| + out relu(t . f((1 - K) * X) - mean_k t_k . f(X))
    + sparsity mean M``, where ``C = t . f(X)``, ``M`` is the mask, and ``K`` is ``M`` hardened to a
    share of the cells that is drawn anew at each step. Terms are those of training, in logits: one
    CLAP's cosines lie much closer together than another's. For the embedded CLAP the weights are
    those of training as well.

    Clips are heard again and optimised one by one: rounding differs between batches, hundreds of
    steps make much of it, and a clip would have another mask in other company.

    Arguments
    ---------
    steps : int
        Of Adam.
    lr : float
        Its rate.
    similarity, out, sparsity : float
        Weights of the terms.
    """

    is_mask: ClassVar = True
    needs: ClassVar = ("text", "seeds", "names")

    steps: int = 200
    lr: float = 0.3
    similarity: float = 0.088
    out: float = 0.132
    sparsity: float = 0.05

    def __post_init__(self):
        if self.steps < 1:
            raise InputError(f"steps is 1 or more, not {self.steps}")

    def __call__(self, model, analysis, question):
        classifier, masks = model.classifier, []
        for wav, text, seed in zip(analysis.wavs.split(1), question.text, question.seeds):
            alone = classifier.analyse(wav)
            loss = _Loss(self, classifier, alone, text, question.names)
            masks.append(self._descend(loss, first_guess(alone.power, seed), random.Random(seed)))
        return torch.cat(masks)

    def _descend(self, loss, logits, rng):
        """Mask ``[1, frames, bins]`` that a loss of masks and what is kept leads to."""
        optimizer = torch.optim.Adam([logits.requires_grad_()], lr=self.lr)
        first, last = SOFTNESS
        for step in range(self.steps):
            gate = SoftBudget(BUDGETS, first * (last / first) ** (step / max(1, self.steps - 1)))
            with torch.enable_grad():
                mask = logits.sigmoid().clamp(1 - LARGEST, LARGEST)
                value = loss(mask, gate(mask, gate.draw([rng], logits.device)))
                (logits.grad,) = torch.autograd.grad(value, logits)
            optimizer.step()
        return logits.detach().sigmoid()

    def passes(self, classifier):
        return 4 * self.steps + 1


class _Loss:
    """Of masks ``[1, frames, bins]`` of one clip, and of what is kept behind the gate."""

    def __init__(self, weights, classifier, analysis, text, names):
        embedding = analysis.encoding.embedding[0]
        self.weights, self.classifier, self.text = weights, classifier, text
        self.heard, self.samples = analysis.heard, analysis.wavs.shape[-1]
        self.original = embedding @ text
        self.usual = (names @ embedding).mean()
        self.scale = classifier.clap.logit_scale

    def __call__(self, mask, kept):
        both = torch.cat([kept, 1 - kept])
        encoding = self.classifier.encode_masked(self.heard, both, self.samples)
        inside, outside = encoding.embedding @ self.text
        return (
            self.weights.similarity * self.scale * (self.original - inside).abs()
            + self.weights.out * self.scale * relu(outside - self.usual)
            + self.weights.sparsity * mask.mean()
        )


def first_guess(power, seed):
    """Logits to start from, of the power ``[1, frames, bins]`` of one clip: loud cells first, no
    two alike.
    """
    level = (power + LEVEL_FLOOR).log()
    level = (level - level.mean()) / level.std().clamp(min=1e-6)
    noise = torch.randn(power.shape, generator=torch.Generator().manual_seed(seed + 3))
    return START[0] * level + START[1] * noise.to(power)
