"""Soft top-k gate: sharpens masks during training so that they rank bins."""

import math
import random
from collections.abc import Sequence

import torch

from speechbrain_lmac.utils.errors import InputError

MIN_GAIN = 1e-4
"""Smallest gain inside the logarithm; a mask value at or below it is a closed bin."""


class SoftTopK:
    """Open a given fraction of the bins of each mask, with soft edges.

    A CLAP barely encodes gain. A mask of 0.1 everywhere keeps the prediction in its masked-in part
    and in its masked-out part, so a soft mask receives no useful gradient. Behind this gate a mask
    must *rank* its bins: the best bins open and the others close, whatever the level and spread of
    the mask. Terms of the masks themselves determine level and spread.

    Arguments
    ---------
    fractions : sequence of float
        Fractions of bins to draw from in training, in (0, 1). An empty list disables the gate.
    softness : (float, float)
        Width of the transition at the start and at the end of training, in standard deviations of
        the mask logits; it falls by a constant ratio. A soft gate gives every bin a gradient, but
        a CLAP still encodes the faint remainder of the closed bins. Both are above 0.

    Raises
    ------
    InputError
        If a fraction is not inside (0, 1), or ``softness`` has no two positive numbers.

    Example
    -------
    >>> gate = SoftTopK(fractions=[0.5], softness=(0.5, 0.1))
    >>> masks = torch.tensor([[[0.1, 0.2, 0.3, 0.4, 0.5]]])
    >>> gate(masks, torch.tensor([0.5]), progress=1.0).sub(0.5).sign()
    tensor([[[-1., -1.,  0.,  1.,  1.]]])
    """

    def __init__(self, fractions: Sequence[float], softness: tuple[float, float] = (0.3, 0.08)):
        is_list = isinstance(fractions, list | tuple)
        if not is_list or not all(0 < fraction < 1 for fraction in fractions):
            raise InputError(
                "gate_fractions must be a list of fractions above 0 and below 1, "
                f"got {fractions!r}. Give [] to disable the gate"
            )
        if len(softness) != 2 or not all(width > 0 for width in softness):
            raise InputError(
                f"gate_softness must be two numbers above 0, got {softness!r}. Give [0.4, 0.1]"
            )
        self.fractions = tuple(fractions)
        self.softness = softness

    @property
    def terms(self) -> list[str]:
        """Name of the gate among the terms of the method; empty if the gate is disabled."""
        return ["top_k_gate"] if self.fractions else []

    def draw(
        self, draws: Sequence[random.Random], device: torch.device | str | None = None
    ) -> torch.Tensor:
        """Draw a fraction for each clip from its own random generator, ``[batch]``."""
        fractions = [rng.choice(self.fractions or (1.0,)) for rng in draws]
        return torch.tensor(fractions, device=device)

    def __call__(
        self, masks: torch.Tensor, fractions: torch.Tensor, progress: float
    ) -> torch.Tensor:
        """Gate masks.

        Arguments
        ---------
        masks : torch.Tensor
            Masks in [0, 1], ``[..., frames, bins]``.
        fractions : torch.Tensor
            Fraction of bins to open, ``[...]``, broadcast to the masks.
        progress : float
            Progress of training, 0 at the start and 1 at the end.

        Returns
        -------
        torch.Tensor
            Gated masks with the shape of ``masks``; ``masks`` itself if the gate is disabled.
        """
        if not self.fractions:
            return masks
        logits = masks.logit(eps=MIN_GAIN).flatten(-2)
        valid = masks.flatten(-2) > MIN_GAIN  # closed bins do not count in the deviation
        count = valid.sum(dim=-1, keepdim=True).clamp(min=1)
        centered = logits - (logits * valid).sum(dim=-1, keepdim=True) / count
        deviation = ((centered.square() * valid).sum(dim=-1, keepdim=True) / count).sqrt()
        first, last = self.softness
        softness = first * (last / first) ** progress
        scale = softness * deviation + 1e-4
        gated = (centered - _threshold(centered.detach(), fractions)) / scale
        return gated.sigmoid().unflatten(-1, masks.shape[-2:])


def _threshold(values: torch.Tensor, fractions: torch.Tensor, sample: int = 4096) -> torch.Tensor:
    """Value ``[..., 1]`` that a fraction of ``values`` ``[..., bins]`` exceeds, from a sample."""
    ordered = values[..., :: _stride(values.shape[-1], sample)].sort(dim=-1).values
    place = ((1 - fractions) * (ordered.shape[-1] - 1)).round().long()
    place = place.expand(values.shape[:-1]).unsqueeze(-1)
    return ordered.gather(-1, place)


def _stride(bins: int, sample: int) -> int:
    """Step that samples about ``sample`` of ``bins``.

    It is coprime to the number of bins, so every frequency is sampled.
    """
    step = max(1, bins // sample)
    while math.gcd(step, bins) > 1:
        step += 1
    return step
