"""Faithfulness metrics: one pure function per metric, one value per clip.

``p``, ``q`` and ``r`` are ``[batch]``: the probability of the class that is explained, given
the clip, what the mask keeps of it, and what the mask removes. Masks are
``[batch, frames, bins]``. Averages are the caller's business.
"""

import math
from typing import NamedTuple

import torch

from speechbrain_lmac.metrics.top_k import sort

ROUNDING = 1e-6
"""A rise of a probability that says nothing: what keeps everything has ``q = p`` but for the last
digits, which depend on the batch, and would count as an increase every other time."""


class MaskingOutcome(NamedTuple):
    """All that the metrics look at."""

    p: torch.Tensor
    q: torch.Tensor
    r: torch.Tensor
    kept: torch.Tensor
    """``[batch]`` of bool: is the class explained the best one of what the mask keeps?"""
    mask: torch.Tensor
    drop_as_published: torch.Tensor
    """``[batch]``, of :func:`as_published`."""


def average_increase(p, q):
    """AI: ``100 * 1[q > p]`` (Chattopadhay et al., 2018), beyond :data:`ROUNDING`."""
    return 100 * (q > p + ROUNDING).float()


def average_drop(p, q):
    """AD: ``100 * relu(p - q) / p`` (Chattopadhay et al., 2018)."""
    return 100 * (p - q).clamp(min=0) / p.clamp(min=1e-12)


def as_published(scores, target):
    """AD of probabilities that went through a second softmax, to compare with published tables.

    By its values, the AD that the paper of LMAC-ZS prints is of this kind. Probabilities in [0, 1]
    become shares that differ by a factor e at most, so it cannot exceed ``100 (1 - 1 / e) = 63.2``.

    Arguments
    ---------
    scores : MaskedSimilarity
        Logits ``[batch, prompts]``.
    target : torch.Tensor
        ``[batch]``: index of the class that is explained.

    Returns
    -------
    torch.Tensor
        ``[batch]``, in per cent.
    """
    p, q = (
        logits.softmax(dim=1).softmax(dim=1).gather(1, target.unsqueeze(1)).squeeze(1)
        for logits in (scores.original, scores.masked_in)
    )
    return average_drop(p, q)


def average_gain(p, q):
    """AG: ``100 * relu(q - p) / (1 - p)`` (Zhang et al., 2024), beyond :data:`ROUNDING`."""
    gain = 100 * (q - p).clamp(min=0) / (1 - p).clamp(min=1e-12)
    return torch.where(q > p + ROUNDING, gain, 0.0)


def faithfulness(p, r):
    """FF: ``p - r``, what the removed part was worth (Parekh et al., 2022)."""
    return p - r


def input_fidelity(kept):
    """Fid-In: ``1[argmax q = c]`` (Paissan et al., 2024)."""
    return kept.float()


def sparseness(mask):
    """SPS: Gini index of the mask (Chalasani et al., 2020); 0 for a mask of zeros.

    Example
    -------
    >>> one_of_four = torch.tensor([[[0.0, 0.0], [0.0, 1.0]]])
    >>> sparseness(one_of_four)
    tensor([0.7500])
    """
    cells = sort(mask.flatten(1))  # in single precision, which is what takes time
    count = cells.shape[1]
    rank = torch.arange(1, count + 1, device=mask.device, dtype=torch.float64)
    cells = cells.double()
    gini = cells @ (2 * rank - count - 1) / (count * cells.sum(dim=1).clamp(min=1e-12))
    return gini.float()


def complexity(mask):
    """COMP: entropy in nats of the mask as a distribution (Bhatt et al., 2020); 0 for zeros."""
    cells = mask.flatten(1).double()
    share = cells / cells.sum(dim=1, keepdim=True).clamp(min=1e-12)
    return torch.special.entr(share).sum(dim=1).float()


def relative_complexity(mask):
    """COMP over its bound, ``ln(cells)``."""
    return complexity(mask) / math.log(mask[0].numel())


def mask_mean(mask):
    """MM: mean of the mask."""
    return mask.flatten(1).mean(dim=1)


def silent(mask):
    """1 where a mask keeps nothing."""
    return (mask.flatten(1).amax(dim=1) == 0).float()


METRICS = {
    "AI": lambda outcome: average_increase(outcome.p, outcome.q),
    "AD": lambda outcome: average_drop(outcome.p, outcome.q),
    "AD (as published)": lambda outcome: outcome.drop_as_published,
    "AG": lambda outcome: average_gain(outcome.p, outcome.q),
    "FF": lambda outcome: faithfulness(outcome.p, outcome.r),
    "Fid-In": lambda outcome: input_fidelity(outcome.kept),
    "SPS": lambda outcome: sparseness(outcome.mask),
    "COMP": lambda outcome: complexity(outcome.mask),
    "COMP/ln": lambda outcome: relative_complexity(outcome.mask),
    "MM": lambda outcome: mask_mean(outcome.mask),
    "silent": lambda outcome: silent(outcome.mask),
}
"""Column of the tables -> function of :class:`MaskingOutcome`."""


def outcome(scores, mask, target=None):
    """Turn logits into what the metrics look at.

    Arguments
    ---------
    scores : MaskedSimilarity
        Logits ``[batch, prompts]``; softmax is taken here, once.
    mask : torch.Tensor
        ``[batch, frames, bins]``.
    target : torch.Tensor
        ``[batch]``: index of the class that is explained; each clip's best by default.

    Returns
    -------
    Outcome
    """
    if target is None:
        target = scores.original.argmax(dim=1)
    place = target.unsqueeze(1)
    p, q, r = (logits.softmax(dim=1).gather(1, place).squeeze(1) for logits in scores)
    kept = scores.masked_in.argmax(dim=1) == target
    return MaskingOutcome(p, q, r, kept, mask, as_published(scores, target))


def si_sdr(estimate, reference):
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019).

    Arguments
    ---------
    estimate, reference : torch.Tensor
        ``[..., time]``; means are removed.

    Returns
    -------
    torch.Tensor
        ``[...]``; minus infinity for a silent estimate, which resembles nothing.
    """
    estimate = (estimate - estimate.mean(dim=-1, keepdim=True)).double()
    reference = (reference - reference.mean(dim=-1, keepdim=True)).double()
    scale = (estimate * reference).sum(-1, keepdim=True) / reference.square().sum(-1, keepdim=True)
    target = scale * reference
    noise = estimate - target
    ratio = target.square().sum(-1) / noise.square().sum(-1)
    return (10 * ratio.nan_to_num(0.0, posinf=torch.inf).log10()).float()
