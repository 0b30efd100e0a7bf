"""Mask logits: bounded, and mapped to masks."""

import torch

from speechbrain_lmac.masking.grid import Grid

BOUND = 8.0
"""Bound of the logits, so that the order of bins survives float32."""


def logits_to_mask(logits: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Mask ``[..., frames, bins]`` of logits; 0 in bins outside the encoder input."""
    masks = bounded(logits).sigmoid_()
    return masks if grid.all_valid else torch.mul(masks, grid.valid, out=reuse(masks))


def bounded(logits: torch.Tensor) -> torch.Tensor:
    """Logits compressed to within ``BOUND``, in the same order."""
    divisor = logits.abs().div_(BOUND).add_(1)
    return torch.div(logits, divisor, out=reuse(divisor))


def reuse(tensor: torch.Tensor) -> torch.Tensor | None:
    """Memory for a result: the memory of a tensor no longer needed, unless gradients need it.

    Allocating memory takes longer than the arithmetic on it.
    """
    return None if tensor.requires_grad else tensor
