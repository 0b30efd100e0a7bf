"""Terms of the training objective, one function per term.

The LMAC-ZS paper (NeurIPS 2024) has three: similarity matching, mask regularization and prompt
diversity. The other terms are ours; they constrain the prediction. The query must stay more
probable than all competing classes in the masked-in part, and must not be in the masked-out part.

A term takes the masks themselves, the encoded masked-in part, or the encoded masked-out part. All
terms are means: repeating the batch or enlarging the masks leaves the loss as it is.
"""

import torch
from torch.nn.functional import logsigmoid, normalize, relu

from speechbrain_lmac.losses.pairs import MaskedPairs, PromptPairs

TARGET_AREA = 0.3
"""Mask mean for a query of probability 1."""


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
    ``-CE`` of L-MAC has no bound.
    """
    _, query, target = masked.batch()
    odds = masked.pairs.classes.log_odds(masked.masked, query, target)
    return -masked.confidence_weight() * logsigmoid(-odds)


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
    """``mean |M|``: the L1 term of the paper."""
    return masks.mean()


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
