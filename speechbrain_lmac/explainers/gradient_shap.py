"""GradientSHAP: expected gradients between silence and noisy clips."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch

from speechbrain_lmac.explainers.gradient import Clips, Gradient, logit_of_gains
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.utils.errors import InputError


@dataclass(frozen=True)
class GradientShap(Gradient):
    """Mean of d logit / d gain at random points between silence and the clip, plus noise.

    Lundberg and Lee, 2017. The baseline is silence, a gain of 0. Points and noise of each clip are
    drawn from its seed; captum draws them for a whole batch.

    Arguments
    ---------
    sign, smoothing, chunk
        Options of :class:`Gradient`.
    noise : float
        Standard deviation of the noise of the gains.
    samples : int
        Number of draws.
    """

    needs: ClassVar[tuple[str, ...]] = ("query", "seeds")

    noise: float = 0.09
    samples: int = 25

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.samples < 1:
            raise InputError(f"samples must be 1 or more, got {self.samples}")
        if self.noise < 0:
            raise InputError(f"noise must be 0 or more, got {self.noise}")

    def attribute(self, classifier: MaskedClassifier, clips: Clips) -> torch.Tensor:
        count = len(clips.magnitude)
        at_once = max(1, self.chunk // count)
        draws, logit = self._draws(clips), logit_of_gains(classifier, clips.samples)
        total = torch.zeros_like(clips.magnitude)
        for part in torch.arange(self.samples).split(at_once):
            rows = clips.repeat(len(part))
            points, ends = zip(*(next(draws) for _ in part))
            gains = torch.cat(points).requires_grad_()
            logits = logit(gains, rows.encoder_power, rows.query)
            (gradient,) = torch.autograd.grad(logits.sum(), gains)
            total += (gradient * torch.cat(ends)).unflatten(0, (-1, count)).sum(dim=0)
        return total / self.samples

    def _draws(self, clips: Clips) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield the gains of a draw for all clips, and their ends of the path, both at least 0."""
        shape, like = clips.magnitude[0].shape, clips.magnitude
        generators = [torch.Generator().manual_seed(seed + 3) for seed in clips.seeds]
        while True:
            places = torch.stack([torch.rand(1, 1, generator=g) for g in generators]).to(like)
            noise = torch.stack([torch.randn(shape, generator=g) for g in generators]).to(like)
            ends = (1 + self.noise * noise).clamp(min=0)
            yield places * ends, ends

    def passes(self, classifier: MaskedClassifier) -> int:
        return 2 * self.samples
