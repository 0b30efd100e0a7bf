"""Terms of the training objective, one function per term.

The LMAC-ZS paper (NeurIPS 2024) has three: similarity matching, mask regularization and prompt
diversity. The L-MAC paper (ICML 2024) has the cross-entropy of both parts, mask regularization and
guidance. The other terms are ours; they constrain the prediction. The query must stay more probable
than all competing classes in the masked-in part, and must not be in the masked-out part.

A term takes the masks themselves, the encoded masked-in part, or the encoded masked-out part. All
terms are means: repeating the batch or enlarging the masks leaves the loss as it is.
"""

import torch
from torch.nn.functional import (
    binary_cross_entropy,
    cosine_similarity,
    logsigmoid,
    normalize,
    relu,
)

from speechbrain_lmac.losses.pairs import MaskedPairs, PromptPairs

TARGET_AREA = 0.3
"""Mask mean for a query of probability 1."""
GUIDED_COSINE = 0.6
"""Smallest cosine of the masked-in part and the clip without its noise, of guided clips."""
GUIDE_LEVEL = 0.35
"""Fraction of the largest log magnitude above which a bin belongs to the guide."""


def similarity_matching(masked: MaskedPairs) -> torch.Tensor:
    """``|t . f(X) - t . f(M * X)|``: the masked-in part is as similar as the clip (paper)."""
    original, query, _ = masked.batch()
    return ((original - masked.masked) * query).sum(dim=-1).abs()


def mask_in_nll(masked: MaskedPairs) -> torch.Tensor:
    """``-b log q``, with ``q`` the probability of the query given the masked-in part.

    ``b`` is :meth:`MaskedPairs.confidence_weight`.
    """
    _, log_masked_in = masked.log_probabilities()
    return -masked.confidence_weight() * log_masked_in


def mask_out_nll(masked: MaskedPairs) -> torch.Tensor:
    """``-b log(1 - r)``, with ``r`` the probability of the query given the masked-out part.

    The term is bounded: it is 0 if the masked-out part no longer contains the query. The published
    :func:`mask_out_log` has no bound.
    """
    _, query, target = masked.batch()
    odds = masked.pairs.classes.log_odds(masked.masked, query, target)
    return -masked.confidence_weight() * logsigmoid(-odds)


def mask_out_log(masked: MaskedPairs) -> torch.Tensor:
    """``b log r``, with ``r`` the probability of the query given the masked-out part (L-MAC paper).

    The term falls without bound while the masked-out part loses the query.
    """
    _, log_masked_out = masked.log_probabilities()
    return masked.confidence_weight() * log_masked_out


def source_preservation(masked: MaskedPairs) -> torch.Tensor:
    """``u p' relu(log p' - log r')`` of the clip's next query, given the masked-out part.

    The term penalizes masks that also remove the other source of a mixture. It is weighted by the
    dissimilarity of the two queries, ``u = 1 - max(0, t . t')``.
    """
    before, after = masked.log_probabilities(step=1)
    own, other = masked.batch(), masked.batch(step=1)
    dissimilarity = 1 - (own.query * other.query).sum(dim=-1).clamp(min=0)
    same_class = (own.target == other.target) & (own.target >= 0)
    return dissimilarity.masked_fill(same_class, 0.0) * before.exp() * relu(before - after)


def sparsity(masks: torch.Tensor, pairs: PromptPairs) -> torch.Tensor:
    """``mean |M|``: the L1 term of both papers.

    With :func:`guidance`, the mean is multiplied by the fraction of clips that are not guided.
    """
    if pairs.spectra is None:
        return masks.mean()
    return masks.mean() * (~is_guided(masks, pairs.spectra)).float().mean()


def guidance(masks: torch.Tensor, pairs: PromptPairs) -> torch.Tensor:
    """``mean g BCE(M, [log1p|C| >= 0.35 max])`` over clips, with ``C`` the clip without its noise.

    ``g`` is 1 for the clips of :func:`is_guided`, else 0. It is the term of L-MAC's fine-tuning.
    The masks are those of the clips' own queries. Frames without a log magnitude do not count.
    """
    if pairs.spectra is None:
        return masks.new_zeros(())
    clean = pairs.spectra[1]
    guide = clean >= GUIDE_LEVEL * clean.amax(dim=(1, 2), keepdim=True)
    with torch.autocast(masks.device.type, enabled=False):
        own = masks[0, :, : clean.shape[1]].float()
        errors = binary_cross_entropy(own, guide.float(), reduction="none").mean(dim=(1, 2))
    return (errors * is_guided(masks, pairs.spectra)).mean()


def is_guided(masks: torch.Tensor, spectra: torch.Tensor) -> torch.Tensor:
    """Whether the masked-in part resembles the clip without its noise, ``[batch]`` of bool.

    Arguments
    ---------
    masks : torch.Tensor
        Masks of the clips' own queries and of other queries, ``[prompts, batch, frames, bins]``.
    spectra : torch.Tensor
        Log magnitudes of the encoder input and of the clip without its noise,
        ``[2, batch, frames', bins]``, with at most the frames of the masks.

    Returns
    -------
    torch.Tensor
        True if the cosine of both log magnitudes is at least 0.6.
    """
    noisy, clean = spectra
    masked_in = masks[0, :, : noisy.shape[1]].detach() * noisy
    return cosine_similarity(masked_in.flatten(1), clean.flatten(1)) >= GUIDED_COSINE


def prompt_diversity(masks: torch.Tensor, pairs: PromptPairs) -> torch.Tensor:
    """``mean_ik relu(cos(M_i, M_k) - max(0, t_i . t_k))`` over the masks of one clip.

    Different queries get different masks; paraphrases may share one. The paper states the purpose
    of the term, the formula is ours. A query with itself adds exactly 0.
    """
    bins = normalize(masks.flatten(2), dim=-1)
    with torch.autocast(masks.device.type, enabled=False):
        mask_cosine = torch.einsum("ibc,kbc->bik", bins, bins)
        query_cosine = torch.einsum("ibd,kbd->bik", pairs.queries, pairs.queries).clamp(min=0)
    excess = relu(mask_cosine - query_cosine)
    off_diagonal = 1 - torch.eye(len(pairs.queries), device=excess.device)
    return (excess * off_diagonal).mean()


def mask_area_prior(
    masks: torch.Tensor, pairs: PromptPairs, area: float = TARGET_AREA
) -> torch.Tensor:
    """``mean |mean M - area sqrt(p)|``: the mask area follows the probability of the query.

    The mask of an absent query is nearly empty. The square root leaves area to sources that are not
    the most probable in a mixture.
    """
    expected = area * pairs.log_odds.sigmoid().sqrt()
    return (masks.mean(dim=(2, 3)) - expected).abs().mean()


def irm_regression(masks: torch.Tensor, pairs: PromptPairs) -> torch.Tensor:
    """``b sum w (M - sqrt(P_i / P))^2`` over both sources of a mixture, with ``w ~ sqrt(P)``.

    The target is the ideal ratio mask of the source, known because the mixture was made here; no
    label is needed. ``b`` is :attr:`PromptPairs.confidence_weight`. Unmixed clips add 0.
    """
    if pairs.sources is None or len(masks) < 2:
        return masks.new_zeros(())
    mixed = pairs.separable
    if not mixed.any():
        return 0 * masks.sum()
    sources = pairs.sources[:, mixed]
    total = sources.sum(dim=0)
    ratio_mask = (sources / total.clamp(min=1e-12)).sqrt()
    weight = total.sqrt() / total.sqrt().sum(dim=(1, 2), keepdim=True)
    error = (weight * (masks[:2, mixed] - ratio_mask).square()).sum(dim=(2, 3))
    count = mixed.sum() if pairs.num_separable is None else pairs.num_separable
    return (pairs.confidence_weight[:2, mixed] * error).sum() / (2 * count)


def binarization(masks: torch.Tensor, pairs: PromptPairs) -> torch.Tensor:
    """``mean 4 M (1 - M)``: 0 for a binary mask, 1 for a mask of 0.5 everywhere."""
    return (4 * masks * (1 - masks)).mean()
