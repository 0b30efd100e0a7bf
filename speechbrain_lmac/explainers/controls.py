"""Controls: masks without knowledge of the query, and one with full knowledge of the sources."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import conv2d, pad

from speechbrain_lmac.explainers.base import Explainer, ExplainerInputs
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.metrics.top_k import normalize_attributions


@dataclass(frozen=True)
class Control(Explainer):
    """Mask at the cost of no encoder pass."""

    is_mask: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("seeds",)

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class FullMask(Control):
    """Mask of ones; at equal mask area, random bins."""

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        return torch.ones_like(encoded.power)


@dataclass(frozen=True)
class RandomMask(Control):
    """Uniform random values in [0, 1], drawn from the seed of each clip."""

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        draws = [
            torch.rand(power.shape, generator=torch.Generator().manual_seed(seed + 1))
            for power, seed in zip(encoded.power, inputs.seeds)
        ]
        return torch.stack(draws).to(encoded.power)


@dataclass(frozen=True)
class EnergyMask(Control):
    """Magnitude divided by its maximum: loud bins first."""

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        return normalize_attributions(encoded.power.sqrt())


@dataclass(frozen=True)
class SobelEdges(Control):
    """Sobel gradient of the spectrogram in decibels: onsets, offsets and spectral edges.

    A saliency map may show these edges for any model, trained or not.

    Arguments
    ---------
    range_db : float
        Dynamic range below the loudest bin, in dB.
    """

    range_db: float = 70.0

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        power = encoded.power
        floor = power.amax(dim=(1, 2), keepdim=True) * 10 ** (-self.range_db / 10)
        decibels = 10 * torch.maximum(power, floor.clamp(min=1e-20)).log10()
        slope = torch.tensor([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]], device=power.device)
        kernels = torch.stack([slope, slope.T]).unsqueeze(1)
        gradient = conv2d(pad(decibels.unsqueeze(1), (1, 1, 1, 1), mode="replicate"), kernels)
        return normalize_attributions(gradient.square().sum(dim=1).sqrt())


@dataclass(frozen=True)
class OracleIRM(Control):
    """Ideal ratio mask of the target source, from the known sources of a mixture."""

    needs: ClassVar[tuple[str, ...]] = ("target_power", "residual_power")

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        assert inputs.target_power is not None and inputs.residual_power is not None
        total = inputs.target_power + inputs.residual_power
        return (inputs.target_power / total.clamp(min=1e-20)).sqrt()
