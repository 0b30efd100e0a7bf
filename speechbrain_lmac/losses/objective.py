"""The weighted sum of the terms, and what a method trained by it is called."""

from functools import partial

import torch
from torch import nn

from speechbrain_lmac.losses.pairs import MaskedPairs
from speechbrain_lmac.utils.errors import InputError

PAPER_TERMS = ("similarity", "sparsity", "diversity")
DECISION_TERMS = ("kept", "removed", "others", "presence", "separation", "budget")
METHODS = {"LMAC-ZS": PAPER_TERMS, "LMAC-ZS-D": DECISION_TERMS}
"""Name of a method -> what it is trained by; "budget" is the gate. LMAC-ZS is the poster's three
terms and nothing else."""


def method_name(terms):
    """What a method trained by terms is called: the nearest of ``METHODS``, what is added to it
    (``+``) and what is left out (``-``).

    Example
    -------
    >>> method_name(["similarity", "sparsity", "diversity", "budget"])
    'LMAC-ZS+budget'
    >>> method_name(["kept", "removed", "presence", "separation", "budget"])
    'LMAC-ZS-D-others'
    """
    distances = {name: len(set(known) ^ set(terms)) for name, known in METHODS.items()}
    name = min(distances, key=distances.__getitem__)
    added = [f"+{term}" for term in terms if term not in METHODS[name]]
    taken = [f"-{term}" for term in METHODS[name] if term not in terms]
    return name + "".join(added + taken)


class Objective(nn.Module):
    """Weighted sum of terms.

    Arguments
    ---------
    kept, removed : dict
        Name -> function of :class:`MaskedPairs`, a value for each pair: of what masks keep, and of
        what they remove.
    masks : dict
        Name -> function of masks ``[prompts, batch, frames, bins]`` and
        :class:`PromptSensitivity`, a value.
    weights : dict
        Name -> weight, for each of them. A weight of 0 takes the term out of the objective.

    Example
    -------
    >>> from speechbrain_lmac.losses.terms import sparsity
    >>> Objective({}, {}, {"sparsity": sparsity}, {"sparsity": 0.5, "speed": 1.0})
    Traceback (most recent call last):
    ...
    speechbrain_lmac.utils.errors.InputError: weights and terms differ: speed
    """

    def __init__(self, kept, removed, masks, weights):
        super().__init__()
        if not isinstance(weights, dict):
            raise InputError(f"weights is a dict of numbers, not {weights!r}")
        odd = sorted({*kept, *removed, *masks} ^ set(weights))
        if odd:
            raise InputError(f"weights and terms differ: {', '.join(odd)}")
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.kept, self.removed, self.masks = (
            {name: term for name, term in terms.items() if name in self.weights}
            for terms in (kept, removed, masks)
        )

    @property
    def terms(self):
        """Names of what is in it."""
        return [*self.kept, *self.removed, *self.masks]

    def forward(self, pairs, masks, opened, hear):
        """The loss, a scalar, and a dict of the unweighted terms.

        Arguments
        ---------
        pairs : PromptSensitivity
            Of one batch.
        masks : torch.Tensor
            ``[prompts, batch, frames, bins]``.
        opened : torch.Tensor
            ``[heard, batch, frames, bins]``: the masks of the first so many prompts, as they are
            heard through.
        hear : callable
            ``(gains, value) -> values``, of
            :meth:`~speechbrain_lmac.masking.masked_classifier.MaskedClassifier.masked_objective`.

        Returns
        -------
        torch.Tensor, dict
        """
        loss, found = self.of_masks(masks, pairs)
        for terms, gains in ((self.kept, opened), (self.removed, 1 - opened)):
            if terms:
                value = partial(self._values, terms, pairs)
                total, values = hear(gains, value)
                loss = loss + total.mean()
                found.update(zip(terms, values.mean(dim=0)))
        return loss, found

    def of_masks(self, masks, pairs):
        """What the terms say that see masks as they are: the weighted sum, and a dict of terms."""
        found = {name: term(masks, pairs) for name, term in self.masks.items()}
        return sum(self.weights[name] * value for name, value in found.items()), found

    def _values(self, terms, pairs, masked, index):
        """Weighted sum of terms for each pair, ``[heard]``, and the terms, ``[heard, terms]``."""
        heard = MaskedPairs(masked, pairs, index)
        values = torch.stack([term(heard) for term in terms.values()], dim=1)
        weights = values.new_tensor([self.weights[name] for name in terms])
        return (values * weights).sum(dim=1), values  # no product that autocast would round
