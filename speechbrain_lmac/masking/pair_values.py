"""Values of masked clips with gradients to their masks, chunk by chunk."""

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from speechbrain_lmac.losses.objective import PairValue

EncodeMasked = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Function of masks ``[pairs, frames, bins]`` and pair indices ``[pairs]`` that returns the vectors
``[pairs, dim]`` of the masked clips."""


class PairValues(torch.autograd.Function):
    """Values of pairs whose gradient is found in the forward pass, chunk by chunk.

    The value of a pair depends on its own mask alone. One forward and one backward pass per pair
    suffice, and nothing is recomputed.
    """

    @staticmethod
    def forward(
        ctx: Any, gains: torch.Tensor, encode: EncodeMasked, value: PairValue, chunk_size: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Values ``[pairs]`` and reports ``[pairs, parts]`` of masks ``gains``."""
        needs_gradient = ctx.needs_input_grad[0]
        values, reports, gradients = [], [], []
        for index in torch.arange(len(gains), device=gains.device).split(chunk_size):
            mask = gains[index].requires_grad_(needs_gradient)
            with torch.set_grad_enabled(needs_gradient):
                pair_values, report = value(encode(mask, index), index)
            if needs_gradient:
                ones = torch.ones_like(pair_values)
                gradients.append(torch.autograd.grad(pair_values, mask, ones)[0])
            values.append(pair_values.detach())
            reports.append(report.detach())
        if needs_gradient:
            ctx.save_for_backward(torch.cat(gradients))
        report = torch.cat(reports)
        ctx.mark_non_differentiable(report)
        return torch.cat(values), report

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, upstream: torch.Tensor, _: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        """Gradient of the masks; that of a report is ignored."""
        (gradients,) = ctx.saved_tensors
        return upstream[:, None, None] * gradients, None, None, None
