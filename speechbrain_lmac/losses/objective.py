"""Weighted sum of the loss terms, and the name of the method that it defines."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from speechbrain_lmac.losses.pairs import MaskedPairs, PromptPairs
from speechbrain_lmac.utils.errors import InputError

PAPER_TERMS = ("similarity_matching", "sparsity", "prompt_diversity")
DECISION_TERMS = (
    *("mask_in_nll", "mask_out_nll", "source_preservation"),
    *("mask_area_prior", "irm_regression", "top_k_gate"),
)
METHODS = {"LMAC-ZS": PAPER_TERMS, "LMAC-ZS-D": DECISION_TERMS}
"""Terms of each method. ``LMAC-ZS`` has the three terms of the paper and no other;
``top_k_gate`` stands for the gate."""


def method_name(terms: Iterable[str]) -> str:
    """Name of the method that terms define: the nearest of ``METHODS`` with its changes.

    Arguments
    ---------
    terms : iterable of str
        Names of the terms.

    Returns
    -------
    str
        Name of the nearest method, with ``+`` for each added and ``-`` for each missing term.

    Example
    -------
    >>> method_name(["similarity_matching", "sparsity", "prompt_diversity", "top_k_gate"])
    'LMAC-ZS+top_k_gate'
    >>> method_name(["mask_in_nll", "mask_out_nll", "mask_area_prior", "irm_regression",
    ...              "top_k_gate"])
    'LMAC-ZS-D-source_preservation'
    """
    terms = list(terms)
    distances = {name: len(set(known) ^ set(terms)) for name, known in METHODS.items()}
    name = min(distances, key=distances.__getitem__)
    added = [f"+{term}" for term in terms if term not in METHODS[name]]
    missing = [f"-{term}" for term in METHODS[name] if term not in terms]
    return name + "".join(added + missing)


class Objective(nn.Module):
    """Weighted sum of loss terms.

    Arguments
    ---------
    mask_in, mask_out : dict
        Functions of :class:`~speechbrain_lmac.losses.pairs.MaskedPairs` that return a value for
        each pair, applied to the masked-in and to the masked-out part.
    masks : dict
        Functions of masks ``[prompts, batch, frames, bins]`` and
        :class:`~speechbrain_lmac.losses.pairs.PromptPairs` that return a scalar.
    weights : dict
        Weight of each term. A weight of 0 removes the term.

    Example
    -------
    >>> from speechbrain_lmac.losses.terms import sparsity
    >>> Objective({}, {}, {"sparsity": sparsity}, {"sparsity": 0.5, "speed": 1.0})
    Traceback (most recent call last):
    ...
    speechbrain_lmac.utils.errors.InputError: loss_weights must name the terms ... got speed too...
    """

    def __init__(self, mask_in: dict, mask_out: dict, masks: dict, weights: dict):
        super().__init__()
        if not isinstance(weights, dict):
            raise InputError(f"loss_weights must be a mapping of numbers, got {weights!r}")
        terms = {**mask_in, **mask_out, **masks}
        if unknown := sorted(set(weights) - set(terms)):
            raise InputError(
                f"loss_weights must name the terms {', '.join(terms)}, got {', '.join(unknown)} "
                "too. Remove it"
            )
        if missing := sorted(set(terms) - set(weights)):
            raise InputError(
                f"loss_weights must have a weight for every term, got none for "
                f"{', '.join(missing)}. Give 0 to remove a term"
            )
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.mask_in, self.mask_out, self.masks = (
            {name: term for name, term in group.items() if name in self.weights}
            for group in (mask_in, mask_out, masks)
        )

    @property
    def terms(self) -> list[str]:
        """Names of the terms with a weight."""
        return [*self.mask_in, *self.mask_out, *self.masks]

    def forward(
        self, pairs: PromptPairs, masks: torch.Tensor, gated: torch.Tensor, evaluate: Callable
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Compute the loss.

        Arguments
        ---------
        pairs : PromptPairs
            Pairs of one batch.
        masks : torch.Tensor
            Masks, ``[prompts, batch, frames, bins]``.
        gated : torch.Tensor
            Masks of the first prompts after the gate, ``[encoded, batch, frames, bins]``.
        evaluate : callable
            Function ``(gains, value) -> values, reports``:
            :meth:`~speechbrain_lmac.masking.masked_classifier.MaskedClassifier.masked_objective`.

        Returns
        -------
        torch.Tensor, dict
            Loss, a scalar, and the unweighted terms by name.
        """
        loss, values = self.of_masks(masks, pairs)
        for terms, gains in ((self.mask_in, gated), (self.mask_out, 1 - gated)):
            if terms:
                total, reports = evaluate(gains, partial(self._pair_values, terms, pairs))
                loss = loss + total.mean()
                values.update(zip(terms, reports.mean(dim=0)))
        return loss, values

    def of_masks(
        self, masks: torch.Tensor, pairs: PromptPairs
    ) -> tuple[Any, dict[str, torch.Tensor]]:
        """Weighted sum of the terms of the masks themselves, and these terms by name."""
        values = {name: term(masks, pairs) for name, term in self.masks.items()}
        return sum(self.weights[name] * value for name, value in values.items()), values

    def _pair_values(self, terms, pairs, masked, index):
        """Weighted sum of terms of each pair, ``[encoded]``, and the terms ``[encoded, terms]``."""
        masked_pairs = MaskedPairs(masked, pairs, index)
        values = torch.stack([term(masked_pairs) for term in terms.values()], dim=1)
        weights = values.new_tensor([self.weights[name] for name in terms])
        return (values * weights).sum(dim=1), values  # a matrix product would round under autocast
