"""The terms of the LMAC-ZS objective: one function per term.

The poster (NeurIPS 2024) has three: similarity matching, mask regularization and prompt
diversity. The others here are ours, and ask what decides: is the prompt still likelier than all
other names where only the mask is encoded, and is it no more where the mask is taken out?

Three kinds, by what they look at: the masks, what the encoder makes of what masks keep, and what
it makes of what they remove. All are means, not sums: a batch with everything in it twice has the
same loss, and so have larger masks.
"""

import torch
from torch.nn.functional import logsigmoid, normalize, relu

TARGET_AREA = 0.3
"""Mean of the mask of a prompt that is certain."""


def similarity_matching(heard):
    """``|t . f(X) - t . f(M * X)|``: masked, a clip is as similar as before (poster)."""
    whole, text, _ = heard.asked()
    return ((whole - heard.masked) * text).sum(dim=-1).abs()


def mask_in_nll(heard):
    """``-b log q``, ``q`` the prompt's probability where only the mask is heard: it decides for the
    prompt. ``b`` is :meth:`MaskedPairs.confidence_weight`.
    """
    _, after = heard.log_probabilities()
    return -heard.confidence_weight() * after


def mask_out_nll(heard):
    """``-b log(1 - r)``, ``r`` the prompt's probability in the remainder: it decides no longer.

    Bounded, at 0 where nothing is left of the prompt. (L-MAC's ``-CE`` is not.)
    """
    _, text, own = heard.asked()
    odds = heard.pairs.rivals.log_odds(heard.masked, text, own)
    return -heard.confidence_weight() * logsigmoid(-odds)


def source_preservation(heard):
    """``u p' relu(log p' - log r')`` of the next prompt asked of the clip: taking one sound out of
    a mixture leaves the other its own. ``u = 1 - max(0, t . t')``: what means the same is no other.
    """
    before, after = heard.log_probabilities(step=1)
    own, next_ = heard.asked(), heard.asked(step=1)
    unlike = 1 - (own.text * next_.text).sum(dim=-1).clamp(min=0)
    named_alike = (own.own == next_.own) & (own.own >= 0)
    return unlike.masked_fill(named_alike, 0.0) * before.exp() * relu(before - after)


def sparsity(masks, pairs):
    """``mean |M|``: not everything matters (poster's L1 term)."""
    return masks.mean()


def prompt_diversity(masks, pairs):
    """``mean_ik relu(cos(M_i, M_k) - max(0, t_i . t_k))`` over the masks of one clip.

    Other prompts, other masks; paraphrases may share one. The poster states the term's
    purpose, the form is ours. A text with itself adds exactly 0.
    """
    cells = normalize(masks.flatten(2), dim=-1)
    with torch.autocast(masks.device.type, enabled=False):
        mask_cosine = torch.einsum("ibc,kbc->bik", cells, cells)
        text_cosine = torch.einsum("ibd,kbd->bik", pairs.text, pairs.text).clamp(min=0)
    excess = relu(mask_cosine - text_cosine)
    apart = 1 - torch.eye(len(pairs.text), device=excess.device)
    return (excess * apart).mean()


def presence(masks, pairs, share=TARGET_AREA):
    """``mean |mean M - share sqrt(p)|``: a mask opens as far as the CLAP believes in its prompt.

    So the mask of a prompt of nothing that is there is near empty. The root leaves room for sounds
    that the CLAP hears, but not as the loudest of a mixture.
    """
    wanted = share * pairs.log_odds.sigmoid().sqrt()
    return (masks.mean(dim=(2, 3)) - wanted).abs().mean()


def separation(masks, pairs):
    """``b sum w (M - sqrt(P_i / P))^2`` over the two sources of a mixture, ``w ~ sqrt(P)``: what
    the CLAP hears of a sound is where that sound is. ``b`` is
    :attr:`PromptSensitivity.confidence_weight`, and a clip alone asks for nothing.

    Mixing makes the truth: no label is needed but what is mixed.
    """
    if pairs.sources is None or len(masks) < 2:
        return masks.new_zeros(())
    mixed = pairs.separable
    if not mixed.any():
        return 0 * masks.sum()
    sources = pairs.sources[:, mixed]
    total = sources.sum(dim=0)
    ideal = (sources / total.clamp(min=1e-12)).sqrt()
    weight = total.sqrt() / total.sqrt().sum(dim=(1, 2), keepdim=True)
    error = (weight * (masks[:2, mixed] - ideal).square()).sum(dim=(2, 3))
    known = mixed.sum() if pairs.num_separable is None else pairs.num_separable
    return (pairs.confidence_weight[:2, mixed] * error).sum() / (2 * known)


def binarization(masks, pairs):
    """``mean 4 M (1 - M)``: 0 for a mask of zeros and ones, 1 for one of halves."""
    return (4 * masks * (1 - masks)).mean()
