"""Tuning of baselines: layer, sign and smoothing are chosen on validation clips."""

from collections.abc import Mapping, Sequence
from typing import Any

from tqdm import tqdm

from speechbrain_lmac.evaluation.scoring import (
    EvaluationBatch,
    explain,
    in_out_margin,
    score_faithfulness,
)
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier


def tune(
    model: InterpreterNetwork,
    name: str,
    explainer: Explainer,
    batches: Sequence[EvaluationBatch],
    position: int = 0,
) -> list[dict[str, Any]]:
    """Score all variants of an explainer and choose one.

    The criterion is that which selects the training epoch of LMAC-ZS: the mean of
    ``p_masked_in - p_masked_out`` over validation clips and top-k fractions. Returns one row per
    variant: ``method``, ``variant``, ``score``, ``default`` and ``chosen`` (the first of equal
    scores); no rows if there is nothing to choose.
    """
    variants = explainer.variants(model.classifier)
    if len(variants) == 1:
        return []
    bar = tqdm(
        variants,
        f"tuning {name}",
        unit="variant",
        dynamic_ncols=True,
        leave=False,
        position=position,
    )
    scores = [mean_margin(model, variant, batches) for variant in bar]
    best = scores.index(max(scores))
    return [
        {
            "method": name,
            "variant": str(variant),
            "score": scores[place],
            "default": place == 0,
            "chosen": place == best,
        }
        for place, variant in enumerate(variants)
    ]


def mean_margin(
    model: InterpreterNetwork, explainer: Explainer, batches: Sequence[EvaluationBatch]
) -> float:
    """Average ``p_masked_in - p_masked_out`` over clips and top-k fractions."""
    margins: list[float] = []
    for batch in batches:
        attributions = explain(model, explainer, batch)
        margins.extend(in_out_margin(score_faithfulness(model, batch, attributions)))
    return sum(margins) / len(margins)


def chosen_variant(
    explainer: Explainer, rows: Sequence[Mapping[str, Any]], classifier: MaskedClassifier
) -> Explainer:
    """Return the variant that rows of :func:`tune` chose; the explainer itself without rows."""
    variants = {str(variant): variant for variant in explainer.variants(classifier)}
    return next((variants[row["variant"]] for row in rows if row["chosen"]), explainer)
