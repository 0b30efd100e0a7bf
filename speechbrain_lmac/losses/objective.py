"""Weighted sum of the loss terms, and the name of the method that it defines."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

import torch
from torch import nn

from speechbrain_lmac.losses.pairs import MaskedPairs, PromptPairs
from speechbrain_lmac.utils.errors import InputError

PairTerm = Callable[[MaskedPairs], torch.Tensor]
"""Term of encoded masked clips: a value for each pair, ``[encoded]``."""
MaskTerm = Callable[[torch.Tensor, PromptPairs], torch.Tensor]
"""Term of masks ``[prompts, batch, frames, bins]``: a scalar."""
PairValue = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Function of masked vectors and pair indices that returns values and reports of the pairs."""
Evaluate = Callable[[torch.Tensor, PairValue], tuple[torch.Tensor, torch.Tensor]]
"""Function that evaluates a :data:`PairValue` of masked clips, given their gains."""

Term = TypeVar("Term", PairTerm, MaskTerm)

PAPER_TERMS = ("similarity_matching", "sparsity", "prompt_diversity")
DECISION_TERMS = (
    *("mask_in_nll", "mask_out_nll", "source_preservation"),
    *("mask_area_prior", "irm_regression", "top_k_gate"),
)
GRADIENT_TERMS = (*DECISION_TERMS, "gradient_features")
SUPERVISED_TERMS = ("mask_in_nll", "mask_out_log", "sparsity")
METHODS: dict[str, dict[str, tuple[str, ...]]] = {
    "LMAC-ZS": {
        "LMAC-ZS": PAPER_TERMS,
        "LMAC-ZS-D": DECISION_TERMS,
        "LMAC-ZS-G": GRADIENT_TERMS,
    },
    "L-MAC": {
        "L-MAC": SUPERVISED_TERMS,
        "L-MAC-FT": (*SUPERVISED_TERMS, "guidance"),
        "L-MAC-D": DECISION_TERMS,
        "L-MAC-G": GRADIENT_TERMS,
    },
}
"""Terms of the methods of each family, for CLAPs and for supervised classifiers. ``LMAC-ZS``,
``L-MAC`` and ``L-MAC-FT`` have the terms of their papers and no other; ``top_k_gate`` stands for
the gate, ``gradient_features`` for gradients as an input of the decoder."""


def method_name(terms: Iterable[str], family: str = "LMAC-ZS") -> str:
    """Name of the method that terms define: the nearest of ``METHODS`` with its changes.

    Arguments
    ---------
    terms : iterable of str
        Names of the terms.
    family : str
        Key of ``METHODS``. Default: ``"LMAC-ZS"``.

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
    methods = METHODS[family]
    distances = {name: len(set(known) ^ set(terms)) for name, known in methods.items()}
    name = min(distances, key=distances.__getitem__)
    added = [f"+{term}" for term in terms if term not in methods[name]]
    missing = [f"-{term}" for term in methods[name] if term not in terms]
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

    def __init__(
        self,
        mask_in: Mapping[str, PairTerm],
        mask_out: Mapping[str, PairTerm],
        masks: Mapping[str, MaskTerm],
        weights: Mapping[str, float],
    ):
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
        for name, weight in weights.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or weight != weight:
                raise InputError(f"loss_weights must be numbers, got {weight!r} for {name}")
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.mask_in = self._used(mask_in)
        self.mask_out = self._used(mask_out)
        self.masks = self._used(masks)

    def _used(self, terms: Mapping[str, Term]) -> dict[str, Term]:
        """Terms with a weight."""
        return {name: term for name, term in terms.items() if name in self.weights}

    @property
    def terms(self) -> list[str]:
        """Names of the terms with a weight."""
        return [*self.mask_in, *self.mask_out, *self.masks]

    def forward(
        self, pairs: PromptPairs, masks: torch.Tensor, gated: torch.Tensor, evaluate: Evaluate
    ) -> tuple[torch.Tensor | int, dict[str, torch.Tensor]]:
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
            Loss, a scalar (0 without any term), and the unweighted terms by name.
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
    ) -> tuple[torch.Tensor | int, dict[str, torch.Tensor]]:
        """Weighted sum of the terms of the masks themselves, or 0, and the terms by name."""
        values = {name: term(masks, pairs) for name, term in self.masks.items()}
        return sum(self.weights[name] * value for name, value in values.items()), values

    def _pair_values(
        self,
        terms: Mapping[str, PairTerm],
        pairs: PromptPairs,
        masked: torch.Tensor,
        index: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Weighted sum of terms of each pair, ``[encoded]``, and the terms ``[encoded, terms]``."""
        masked_pairs = MaskedPairs(masked, pairs, index)
        values = torch.stack([term(masked_pairs) for term in terms.values()], dim=1)
        weights = values.new_tensor([self.weights[name] for name in terms])
        return (values * weights).sum(dim=1), values  # a matrix product would round under autocast
