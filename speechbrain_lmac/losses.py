"""The terms of the LMAC-ZS objective: one function per term, each a mean over what it sees.

The poster (NeurIPS 2024) has three: similarity matching, mask regularisation and prompt
diversity. Alone they leave soft masks that explain nothing, because a CLAP hardly notices
gain; the others here are ours and make masks decide.
Means, not sums: a batch with everything in it twice has the same loss, and so have larger masks.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import normalize, relu

from speechbrain_lmac.errors import InputError


class Pairs(NamedTuple):
    """Every text of a batch with every clip of it; text ``i`` belongs to clip ``i``."""

    masks: torch.Tensor
    """``[texts, batch, frames, bins]``."""
    text: torch.Tensor
    """``[texts, dim]``, unit norm."""
    original: torch.Tensor
    """Cosines ``C_ij = t_i . f(X_j)``, ``[texts, batch]``."""
    masked_in: torch.Tensor
    """Cosines ``t_i . f(M_ij * X_j)``, ``[texts, batch]``, of the masks as they were heard."""
    masked_out: torch.Tensor
    """Cosines ``t_i . f((1 - M_jj) * X_j)``, ``[texts, batch]``: every text with what the mask
    of a clip's own text leaves of it."""


def similarity_matching(pairs):
    """``mean_ij |C_ij - t_i . f(M_ij * X_j)|``: masked, a clip is as similar as before (poster)."""
    return (pairs.original - pairs.masked_in).abs().mean()


def sparsity(pairs):
    """``mean |M|``: not everything matters (poster's L1 term)."""
    return pairs.masks.mean()


def prompt_diversity(pairs):
    """``mean_ik relu(cos(M_i, M_k) - max(0, t_i . t_k))`` over the masks of one clip.

    Other prompts, other masks; paraphrases may share one. The poster states the term's
    purpose, the form is ours. A text with itself adds exactly 0.
    """
    cells = normalize(pairs.masks.flatten(2), dim=-1)
    mask_cosine = torch.einsum("ibc,kbc->bik", cells, cells)
    text_cosine = (pairs.text @ pairs.text.T).clamp(min=0)
    excess = relu(mask_cosine - text_cosine)
    apart = 1 - torch.eye(len(pairs.text), device=excess.device)
    return (excess * apart).mean()


def masked_out(pairs):
    """``mean_j relu(t_j . f((1 - M_jj) * X_j) - mean_i C_ij)``: what is left no longer fits.

    Bounded: once the remainder is no more similar to the clip's text than the batch's texts
    are to the clip on average, there is nothing more to gain. (L-MAC's ``-CE`` is unbounded.)
    """
    return relu(pairs.masked_out.diagonal() - pairs.original.mean(dim=0)).mean()


def others_kept(pairs):
    """``mean_ij (1 - max(0, t_i . t_j)) relu(C_ij - t_i . f((1 - M_jj) * X_j))``.

    Taking one prompt's sound out of a mixture must leave the other prompts theirs. Texts that
    mean the same as the clip's own do not count.
    """
    unlike = 1 - (pairs.text @ pairs.text.T).clamp(min=0)
    return (unlike * relu(pairs.original - pairs.masked_out)).mean()


def own_share(pairs, share=0.2):
    """``mean_j relu(share - mean M_jj)``: a clip's own prompt is not explained by silence.

    Sparsity wants every mask empty; this holds it off the masks of the clips' own prompts,
    and leaves those of unrelated prompts to vanish.
    """
    own = pairs.masks.diagonal(dim1=0, dim2=1).mean(dim=(0, 1))
    return relu(share - own).mean()


def binarisation(pairs):
    """``mean 4 M (1 - M)``: 0 for a mask of zeros and ones, 1 for one of halves."""
    return (4 * pairs.masks * (1 - pairs.masks)).mean()


POSTER_TERMS = ("similarity", "sparsity", "diversity")
"""An objective of just these is LMAC-ZS; any other carries its own name."""


class Objective(nn.Module):
    """Weighted sum of terms.

    Arguments
    ---------
    terms : dict
        Name -> function of :class:`Pairs`.
    weights : dict
        Name -> weight; the same keys. A weight of 0 takes the term out of the objective.

    Example
    -------
    >>> Objective({"sparsity": sparsity}, {"sparsity": 0.5, "speed": 1.0})
    Traceback (most recent call last):
    ...
    speechbrain_lmac.errors.InputError: weights and terms differ: speed
    """

    def __init__(self, terms, weights):
        super().__init__()
        if not isinstance(weights, dict):
            raise InputError(f"weights is a dict of numbers, not {weights!r}")
        odd = sorted(set(terms) ^ set(weights))
        if odd:
            raise InputError(f"weights and terms differ: {', '.join(odd)}")
        self.terms = {name: term for name, term in terms.items() if weights[name]}
        self.weights = dict(weights)

    @property
    def method(self):
        """``LMAC-ZS`` for the poster's terms, then what is added (``+``) and left out (``-``)."""
        added = [name for name in self.terms if name not in POSTER_TERMS]
        taken = [name for name in POSTER_TERMS if name not in self.terms]
        suffix = [f"+{name}" for name in added] + [f"-{name}" for name in taken]
        return "LMAC-ZS" + "".join(suffix)

    def forward(self, pairs):
        """The loss, a scalar, and a dict of the unweighted terms.

        Arguments
        ---------
        pairs : Pairs
            Of one batch.

        Returns
        -------
        torch.Tensor, dict
        """
        terms = {name: term(pairs) for name, term in self.terms.items()}
        return sum(self.weights[name] * term for name, term in terms.items()), terms
