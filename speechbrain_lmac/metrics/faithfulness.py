"""Faithfulness metrics: one pure function per metric, one value per clip.

``p_original``, ``p_masked_in`` and ``p_masked_out`` are ``[batch]``: the probability of the
explained class given the original clip, the clip under the mask, and the clip under its
complement. Masks are ``[batch, frames, bins]``. The caller averages over clips.
"""

import math
from typing import NamedTuple

import torch

from speechbrain_lmac.metrics.top_k import sort

ROUNDING = 1e-6
"""Smallest increase of a probability that counts. A full mask gives ``p_original`` again except
for rounding, which depends on the batch and would otherwise count as an increase half the time."""


class MaskingOutcome(NamedTuple):
    """Probabilities of the explained class with and without a mask."""

    p_original: torch.Tensor
    p_masked_in: torch.Tensor
    p_masked_out: torch.Tensor
    is_top1: torch.Tensor
    """``[batch]``, bool: the explained class is the prediction on the masked-in clip."""
    mask: torch.Tensor
    double_softmax_drop: torch.Tensor
    """Result of :func:`double_softmax_drop`, ``[batch]``."""


def average_increase(p_original: torch.Tensor, p_masked_in: torch.Tensor) -> torch.Tensor:
    """AI: ``100 * 1[q > p]`` (Chattopadhay et al., 2018), beyond :data:`ROUNDING`."""
    return 100 * (p_masked_in > p_original + ROUNDING).float()


def average_drop(p_original: torch.Tensor, p_masked_in: torch.Tensor) -> torch.Tensor:
    """AD: ``100 * relu(p - q) / p`` (Chattopadhay et al., 2018)."""
    return 100 * (p_original - p_masked_in).clamp(min=0) / p_original.clamp(min=1e-12)


def double_softmax_drop(
    original: torch.Tensor, masked_in: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """AD of probabilities that went through a second softmax.

    The values of AD in the LMAC-ZS paper are of this kind (inferred). Probabilities in [0, 1]
    become probabilities that differ by a factor of e at most, so this AD cannot exceed
    ``100 (1 - 1 / e) = 63.2``. It serves comparisons with published tables only.

    Arguments
    ---------
    original, masked_in : torch.Tensor
        Probabilities given the original and the masked-in clip, ``[batch, classes]``.
    target : torch.Tensor
        Index of the explained class, ``[batch]``.

    Returns
    -------
    torch.Tensor
        AD in percent, ``[batch]``.
    """
    p, q = (
        probabilities.softmax(dim=1).gather(1, target.unsqueeze(1)).squeeze(1)
        for probabilities in (original, masked_in)
    )
    return average_drop(p, q)


def average_gain(p_original: torch.Tensor, p_masked_in: torch.Tensor) -> torch.Tensor:
    """AG: ``100 * relu(q - p) / (1 - p)`` (Zhang et al., 2024), beyond :data:`ROUNDING`."""
    gain = 100 * (p_masked_in - p_original).clamp(min=0) / (1 - p_original).clamp(min=1e-12)
    return torch.where(p_masked_in > p_original + ROUNDING, gain, 0.0)


def faithfulness(p_original: torch.Tensor, p_masked_out: torch.Tensor) -> torch.Tensor:
    """FF: ``p - r``, the probability lost with the masked-in part (Parekh et al., 2022)."""
    return p_original - p_masked_out


def input_fidelity(is_top1: torch.Tensor) -> torch.Tensor:
    """Fid-In: ``1[argmax q = c]`` (Paissan et al., 2024)."""
    return is_top1.float()


def sparseness(mask: torch.Tensor) -> torch.Tensor:
    """SPS: Gini index of the mask (Chalasani et al., 2020); 0 for a mask of zeros.

    Example
    -------
    >>> one_of_four = torch.tensor([[[0.0, 0.0], [0.0, 1.0]]])
    >>> sparseness(one_of_four)
    tensor([0.7500])
    """
    bins = sort(mask.flatten(1))  # sorting takes the time, hence in single precision
    count = bins.shape[1]
    rank = torch.arange(1, count + 1, device=mask.device, dtype=torch.float64)
    bins = bins.double()
    gini = bins @ (2 * rank - count - 1) / (count * bins.sum(dim=1).clamp(min=1e-12))
    return gini.float()


def complexity(mask: torch.Tensor) -> torch.Tensor:
    """COMP: entropy in nats of the normalized mask (Bhatt et al., 2020); 0 for zeros."""
    bins = mask.flatten(1).double()
    fractions = bins / bins.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return torch.special.entr(fractions).sum(dim=1).float()


def relative_complexity(mask: torch.Tensor) -> torch.Tensor:
    """COMP divided by its upper bound, ``ln(frames * bins)``."""
    return complexity(mask) / math.log(mask[0].numel())


def mask_mean(mask: torch.Tensor) -> torch.Tensor:
    """MM: mean of the mask."""
    return mask.flatten(1).mean(dim=1)


def is_silent(mask: torch.Tensor) -> torch.Tensor:
    """Return 1 for a mask of zeros, else 0."""
    return (mask.flatten(1).amax(dim=1) == 0).float()


def masking_outcome(
    original: torch.Tensor,
    masked_in: torch.Tensor,
    masked_out: torch.Tensor,
    mask: torch.Tensor,
    target: torch.Tensor | None = None,
) -> MaskingOutcome:
    """Select the probabilities that the metrics use.

    Arguments
    ---------
    original, masked_in, masked_out : torch.Tensor
        Probabilities of the classes given the original clip, its masked-in and its masked-out
        part, ``[batch, classes]``.
    mask : torch.Tensor
        Mask, ``[batch, frames, bins]``.
    target : torch.Tensor
        Index of the explained class, ``[batch]``. Default: the prediction on the original clip.

    Returns
    -------
    MaskingOutcome
    """
    if target is None:
        target = original.argmax(dim=1)
    p, q, r = (
        probabilities.gather(1, target.unsqueeze(1)).squeeze(1)
        for probabilities in (original, masked_in, masked_out)
    )
    drop = double_softmax_drop(original, masked_in, target)
    return MaskingOutcome(p, q, r, masked_in.argmax(dim=1) == target, mask, drop)


def si_sdr(estimate: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019), means removed.

    Arguments
    ---------
    estimate, reference : torch.Tensor
        Waveforms, ``[..., time]``.

    Returns
    -------
    torch.Tensor
        Ratios in dB, ``[...]``: minus infinity for a silent estimate, NaN for a silent reference.
    """
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio  # slow

    estimate, reference = (
        (wavs - wavs.mean(dim=-1, keepdim=True)).double() for wavs in (estimate, reference)
    )
    ratio = scale_invariant_signal_distortion_ratio(estimate, reference).float()
    ratio = ratio.masked_fill(~estimate.any(dim=-1), -torch.inf)
    return ratio.masked_fill(~reference.any(dim=-1), torch.nan)
