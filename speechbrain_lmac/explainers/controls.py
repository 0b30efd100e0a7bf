"""Masks that know nothing of the prompt, and one that knows all: what others are measured by."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import conv2d, pad

from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.metrics.top_k import as_masks


@dataclass(frozen=True)
class Control(Explainer):
    """Controls are masks, and cost no pass."""

    is_mask: ClassVar = True
    needs: ClassVar[tuple] = ("seeds",)

    def __call__(self, model, encoded, inputs):
        raise NotImplementedError


@dataclass(frozen=True)
class FullMask(Control):
    """Keep everything; at equal budgets, random cells."""

    def __call__(self, model, encoded, inputs):
        return torch.ones_like(encoded.power)


@dataclass(frozen=True)
class RandomMask(Control):
    """Uniform in [0, 1], drawn for each clip from its own seed."""

    def __call__(self, model, encoded, inputs):
        draws = [
            torch.rand(power.shape, generator=torch.Generator().manual_seed(seed + 1))
            for power, seed in zip(encoded.power, inputs.seeds)
        ]
        return torch.stack(draws).to(encoded.power)


@dataclass(frozen=True)
class EnergyMask(Control):
    """Magnitude over its maximum: the loudest cells matter."""

    def __call__(self, model, encoded, inputs):
        return as_masks(encoded.power.sqrt())


@dataclass(frozen=True)
class SobelEdges(Control):
    """Sobel's gradient of the spectrogram in decibels: where something begins, ends or lies beside
    something else. What saliency maps may show of any model, trained or not.
    """

    range_db: float = 70.0

    def __call__(self, model, encoded, inputs):
        power = encoded.power
        floor = power.amax(dim=(1, 2), keepdim=True) * 10 ** (-self.range_db / 10)
        level = 10 * torch.maximum(power, floor.clamp(min=1e-20)).log10()
        slope = torch.tensor([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]], device=level.device)
        kernels = torch.stack([slope, slope.T]).unsqueeze(1)
        across = conv2d(pad(level.unsqueeze(1), (1, 1, 1, 1), mode="replicate"), kernels)
        return as_masks(across.square().sum(dim=1).sqrt())


@dataclass(frozen=True)
class OracleIRM(Control):
    """The ideal ratio mask of the prompted source: what the stems know, and no explainer does."""

    needs: ClassVar = ("own", "rest")

    def __call__(self, model, encoded, inputs):
        total = inputs.own + inputs.rest
        return (inputs.own / total.clamp(min=1e-20)).sqrt()
