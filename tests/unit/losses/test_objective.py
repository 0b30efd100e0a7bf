"""Training objective: weighted sum of the terms, and the name of the method."""

from functools import partial

import pytest
import torch

from speechbrain_lmac.losses import terms as losses
from speechbrain_lmac.losses.objective import (
    DECISION_TERMS,
    PAPER_TERMS,
    Objective,
    method_name,
)
from speechbrain_lmac.losses.pairs import MaskedPairs
from speechbrain_lmac.utils.errors import InputError
from tests.unit.losses.test_terms import MASK_IN, MASK_OUT, MASKS

NAMES = (*MASK_IN, *MASK_OUT, *MASKS)


def encode_and_evaluate(pairs, gains, value):
    """Evaluate a value of masked clips: the clip's vector, moved by the mean of the mask."""
    moved = pairs.vectors.repeat(len(gains), 1) + gains.mean(dim=(2, 3)).flatten()[:, None] * 0.1
    return value(torch.nn.functional.normalize(moved, dim=1), torch.arange(len(moved)))


def test_method_name_lists_changed_terms():
    """Added and missing terms follow the nearest method."""
    paper, decision = list(PAPER_TERMS), list(DECISION_TERMS)
    assert method_name(paper) == "LMAC-ZS"
    assert method_name(decision) == "LMAC-ZS-D"
    assert method_name([*paper, "mask_out_nll"]) == "LMAC-ZS+mask_out_nll"
    assert method_name(paper[:2]) == "LMAC-ZS-prompt_diversity"
    assert method_name([*decision[1:], "binarization"]) == "LMAC-ZS-D+binarization-mask_in_nll"


def test_objective_is_the_weighted_sum_of_means(pairs, masks):
    """Terms of pairs are averaged over the pairs."""
    weights = {name: 0.5 + place for place, name in enumerate(NAMES)}
    objective = Objective(MASK_IN, MASK_OUT, MASKS, weights)
    loss, terms = objective(pairs, masks, masks[:1], partial(encode_and_evaluate, pairs))
    assert set(terms) == set(NAMES) == set(objective.terms)
    expected = sum(weights[name] * term.item() for name, term in terms.items())
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    masked, _ = encode_and_evaluate(pairs, masks[:1], lambda vectors, index: (vectors, index))
    masked_in = MaskedPairs(masked, pairs, torch.arange(4))
    assert terms["mask_in_nll"].item() == pytest.approx(losses.mask_in_nll(masked_in).mean().item())


def test_weight_of_zero_removes_a_term(pairs, masks):
    """The encoder passes of the term are saved."""
    weights = {**dict.fromkeys(NAMES, 0), "sparsity": 0.5}
    objective = Objective(MASK_IN, MASK_OUT, MASKS, weights)
    loss, terms = objective(pairs, masks, masks[:1], evaluate=None)
    assert set(terms) == {"sparsity"} and loss == 0.5 * masks.mean()


def test_objective_names_unknown_weights():
    """Weights are a mapping of known terms to numbers."""
    weights = {**dict.fromkeys(NAMES, 1.0), "speed": 1.0, "noise": 1}
    with pytest.raises(InputError, match="got noise, speed too"):
        Objective(MASK_IN, MASK_OUT, MASKS, weights)
    with pytest.raises(InputError, match=r"loss_weights must be a mapping of numbers, got \[1\]"):
        Objective(MASK_IN, MASK_OUT, MASKS, [1])


def test_masked_out_part_has_one_minus_the_gate(pairs, masks):
    """The masked-in part has the gated mask itself."""
    passed = []

    def record_gains(gains, value):
        passed.append(gains)
        return encode_and_evaluate(pairs, gains, value)

    weights = dict.fromkeys(NAMES, 1.0)
    Objective(MASK_IN, MASK_OUT, MASKS, weights)(pairs, masks, masks[:1], record_gains)
    torch.testing.assert_close(passed, [masks[:1], 1 - masks[:1]])
