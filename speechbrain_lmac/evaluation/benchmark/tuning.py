"""Baselines get their layer, sign and smoothing chosen on other clips, as LMAC-ZS its epoch."""

from tqdm import tqdm

from speechbrain_lmac.evaluation.scoring import explain, faithfulness, in_out_margin
from speechbrain_lmac.metrics.top_k import BUDGETS

PASSES = 2 * (1 + len(BUDGETS))
"""Of the encoder that judging one variant on one clip takes, beyond its own."""


def tune(model, name, explainer, batches, position=0):
    """Choose among an explainer's variants.

    The criterion is the one that selects LMAC-ZS's epoch: the mean of ``q - r`` over the equal
    budgets, on validation clips.

    Arguments
    ---------
    model : InterpreterNetwork
        What is explained.
    name : str
        Of the explainer, for the progress bar.
    explainer : Explainer
        With its variants; itself first.
    batches : list of EvaluationBatch
        Validation clips.
    position : int
        Line of the progress bar.

    Returns
    -------
    list of dict
        A row per variant: ``method``, ``variant``, ``score``, ``default``, ``chosen``; of equal
        scores the first is chosen.
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
    scores = [score(model, variant, batches) for variant in bar]
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


def score(model, explainer, batches):
    """Mean of ``q - r`` over clips and equal budgets."""
    kept = []
    for asked in batches:
        explained = explain(model, explainer, asked)
        kept.extend(in_out_margin(faithfulness(model, asked, explained)))
    return sum(kept) / len(kept)


def chosen(explainer, rows, classifier):
    """The variant that rows of :func:`tune`, perhaps of an earlier run, chose."""
    named = {str(variant): variant for variant in explainer.variants(classifier)}
    return next((named[row["variant"]] for row in rows if row["chosen"]), explainer)
