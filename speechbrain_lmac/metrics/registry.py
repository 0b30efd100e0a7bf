"""All metrics by name: what computes them, which direction is better, and how to print them."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import torch

from speechbrain_lmac.metrics import (
    faithfulness,
    insertion_deletion,
    localization,
    similarity,
    smallest_areas,
)
from speechbrain_lmac.metrics.faithfulness import MaskingOutcome
from speechbrain_lmac.metrics.fills import FILLS

ARROWS = {True: "↑", False: "↓", None: ""}


OutcomeFunction = Callable[[MaskingOutcome], torch.Tensor]
"""Function of the probabilities with and without a mask: one value per clip."""
Function = TypeVar("Function", bound=Callable[..., Any] | None, covariant=True)


class Metric(NamedTuple, Generic[Function]):
    """One metric of the result tables."""

    name: str
    function: Function
    """Function that computes one value per clip. Metrics in ``MASK_METRICS`` take a
    :class:`~speechbrain_lmac.metrics.faithfulness.MaskingOutcome`. ``None``: measured directly."""
    higher_is_better: bool | None
    """``None`` if neither direction is better."""
    decimals: int = 3
    unit: str = ""

    @property
    def heading(self) -> str:
        """Name, unit and arrow, as tables print them."""
        name = self.name.replace("_", " ")
        name = f"{name}, {self.unit}" if self.unit else name
        return f"{name} {ARROWS[self.higher_is_better]}".strip()


_OF_OUTCOME: tuple[Metric[OutcomeFunction], ...] = (
    Metric("AI", lambda o: faithfulness.average_increase(o.p_original, o.p_masked_in), True, 1),
    Metric("AD", lambda o: faithfulness.average_drop(o.p_original, o.p_masked_in), False, 1),
    Metric("AD_double_softmax", lambda o: o.double_softmax_drop, False, 1),
    Metric("AG", lambda o: faithfulness.average_gain(o.p_original, o.p_masked_in), True, 1),
    Metric("FF", lambda o: faithfulness.faithfulness(o.p_original, o.p_masked_out), True),
    Metric("Fid-In", lambda o: faithfulness.input_fidelity(o.is_top1), True),
    Metric("SPS", lambda o: faithfulness.sparseness(o.mask), True),
    Metric("COMP", lambda o: faithfulness.complexity(o.mask), False, 2),
    Metric("COMP_relative", lambda o: faithfulness.relative_complexity(o.mask), False),
    Metric("MM", lambda o: faithfulness.mask_mean(o.mask), None),
    Metric("silent", lambda o: faithfulness.is_silent(o.mask), None),
)
_OTHERS: tuple[Metric[Callable[..., torch.Tensor] | None], ...] = (
    Metric("p_original", None, None),
    Metric("p_masked_in", None, None),
    Metric("p_masked_out", None, None),
    Metric("failed", None, None),
    Metric("constant", None, None),
    *(
        Metric(f"{kind}_{fill}", insertion_deletion.curve, kind == "insertion")
        for fill in FILLS
        for kind in insertion_deletion.KINDS
    ),
    Metric("sufficient_area", smallest_areas.scored_area, False),
    Metric("necessary_area", smallest_areas.scored_area, False),
    Metric("SI-SDRi", localization.si_sdr_improvement, True, 2, "dB"),
    Metric("SI-SDRi_residual", localization.si_sdr_improvement, None, 2, "dB"),
    Metric("target_energy_fraction", localization.target_energy_fraction, True),
    Metric("silenced", None, None),
    Metric("fraction_of_oracle", None, None, 2),
    Metric("pointing_game", localization.pointing_game, True),
    Metric("clap_similarity", None, None),
    Metric("map_mean", None, None),
    Metric("mask_mean", faithfulness.mask_mean, None),
    Metric("masked_in_energy", None, None),
    Metric("stability", similarity.spearman, True),
    Metric("p_written", None, None),
    Metric("written_gap", None, False),
    Metric("yamnet_p", None, None),
    Metric("yamnet_AD", faithfulness.average_drop, False, 1),
    Metric("yamnet_FF", faithfulness.faithfulness, True),
    Metric("yamnet_Fid-In", faithfulness.input_fidelity, True),
    Metric("spearman", similarity.spearman, None),
    Metric("ssim", similarity.ssim, None),
    Metric("prompt_cosine", None, None),
    Metric("passes", None, False, 0),
    Metric("seconds", None, False, 3, "s"),
)

TOP_K_METRICS = ("AD", "FF", "Fid-In")
"""Metrics that compare explainers at equal mask area. AI and AG do not: a mask that keeps the
probability exactly makes them a coin toss."""
OTHER_FILLS = tuple(fill for fill in FILLS if fill != "silence")
"""Fills of masked-out bins besides silence, which is the default."""


def fill_metric(name: str, fill: str) -> str:
    """Name of a metric of ``TOP_K_METRICS`` with another fill.

    Example
    -------
    >>> fill_metric("AD", "mean")
    'AD_mean'
    """
    return f"{name}_{fill}"


MASK_METRICS = {metric.name: metric for metric in _OF_OUTCOME}
"""Metrics of the explainer's own mask."""
METRICS: dict[str, Metric[Callable[..., torch.Tensor] | None]] = {
    metric.name: metric
    for metric in (
        *_OF_OUTCOME,
        *_OTHERS,
        *(
            MASK_METRICS[name]._replace(name=fill_metric(name, fill))
            for fill in OTHER_FILLS
            for name in TOP_K_METRICS
        ),
    )
}
"""Name -> :class:`Metric`, for every metric that a results file may hold."""
