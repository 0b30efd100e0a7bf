"""Evaluation of explainers on a CLAP whose predictions depend on a planted tone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd
import torch

from experiments.planted_shortcut.tone import (
    OTHER_HZ,
    TONE_HZ,
    VARIANTS,
    EvaluationItem,
    evaluation_items,
    tone_bins,
    tone_energy,
    tone_pointing,
)
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import KINDS
from speechbrain_lmac.explainers.base import Explainer, ExplainerInputs
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.mask_network import MaskNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.masking.ranking import rank_valid_bins
from speechbrain_lmac.utils.errors import InputError

BATCH = 8
"""Clips per pass of the encoder."""
OFFERED_INPUTS = {
    "query",
    "seeds",
    "class_queries",
    "other_query",
    "target_power",
    "residual_power",
}
"""Inputs of explainers that this experiment has."""


@dataclass(frozen=True)
class Tone(Explainer):
    """Map of the bins of the 6 kHz tone for every prompt: the upper bound of the scores."""

    is_mask: ClassVar = True

    def __call__(
        self, model: MaskNetwork, encoded: EncodedClips, inputs: ExplainerInputs
    ) -> torch.Tensor:
        bins = tone_bins(model.classifier.domain, encoded.wavs.shape[1])
        return bins.float().expand_as(encoded.power)


def evaluate_explainers(
    model: MaskNetwork, explainers: Mapping[str, Explainer], seed: int = 0, clips: int = 4
) -> pd.DataFrame:
    """Explain the prediction for every evaluation clip by every method.

    Arguments
    ---------
    model : MaskNetwork
        Interpreter network of the CLAP with the planted shortcut.
    explainers : dict
        Name -> explainer. It may need the inputs in ``OFFERED_INPUTS`` only; ``other_query`` is the
        second best class.
    seed : int
        Seed of the clips. Default: 0.
    clips : int
        Number of sounds per class. Default: 4.

    Returns
    -------
    pandas.DataFrame
        One row per clip and method, with the columns ``clip``, ``event``, ``variant``,
        ``prediction``, ``wrong`` (the prediction is not the event), ``method``, ``tone_pointing``,
        ``tone_energy``, ``retained`` and ``flipped``. The last two are about the top k bins, where
        k is the size of the tone: the prediction stays the same with these bins only, and it
        changes without them.

    Raises
    ------
    InputError
        If an explainer needs an input that this experiment does not have.
    """
    for name, explainer in explainers.items():
        for need in set(explainer.needs) - OFFERED_INPUTS:
            raise InputError(
                f"{name} needs {need}, which this experiment does not have. Leave it out"
            )
    items, rows = evaluation_items(seed, clips), []
    for hz in (TONE_HZ, OTHER_HZ):
        same_tone = [item for item in items if item.hz == hz]
        for start in range(0, len(same_tone), BATCH):
            rows.extend(_evaluate_batch(model, explainers, same_tone[start : start + BATCH]))
    return pd.DataFrame(rows)


def _evaluate_batch(
    model: MaskNetwork, explainers: Mapping[str, Explainer], batch: Sequence[EvaluationItem]
) -> list[dict[str, object]]:
    """Return the rows of clips that are scored at the same frequency."""
    classifier = model.classifier
    device = classifier.audio_classifier.filterbank.device
    event = torch.stack([item.event for item in batch]).to(device)
    tone = torch.stack([item.tone for item in batch]).to(device)
    encoded = classifier.encode_clips(event + tone)
    classes = classifier.audio_classifier.queries([class_prompt(kind) for kind in KINDS])
    logits = classifier.logits(encoded.encoding.vector, classes)
    inputs = _inputs(classifier, batch, classes, logits, (event, tone))
    bins = tone_bins(classifier.domain, event.shape[1], batch[0].hz)
    rows = []
    for method, explainer in explainers.items():
        maps = explainer(model, encoded, inputs).detach()
        scores = _score_maps(classifier, encoded, inputs, maps, bins)
        for i, item in enumerate(batch):
            prediction = list(KINDS)[logits[i].argmax()]
            facts = {"clip": f"{item.name}-{item.seed}", "event": item.name}
            facts |= {"variant": item.variant, "prediction": prediction}
            facts |= {"wrong": prediction != item.name, "method": method}
            rows.append({**facts, **{name: score[i].item() for name, score in scores.items()}})
    return rows


def _inputs(
    classifier: MaskedClassifier,
    batch: Sequence[EvaluationItem],
    classes: torch.Tensor,
    logits: torch.Tensor,
    sources: tuple[torch.Tensor, torch.Tensor],
) -> ExplainerInputs:
    """Return inputs that query the predicted class.

    The target source is the tone in clips whose prediction depends on it, and the event elsewhere.
    """
    best = logits.topk(2, dim=1).indices
    event, tone = (classifier.domain.power(source) for source in sources)
    is_tone = torch.tensor([item.variant in ("shortcut", "alone") for item in batch])
    is_tone = is_tone.view(-1, 1, 1).to(event.device)
    return ExplainerInputs(
        query=classes[best[:, 0]],
        seeds=tuple(item.seed for item in batch),
        class_queries=classes,
        other_query=classes[best[:, 1]],
        target_power=torch.where(is_tone, tone, event),
        residual_power=torch.where(is_tone, event, tone),
    )


def _score_maps(
    classifier: MaskedClassifier,
    encoded: EncodedClips,
    inputs: ExplainerInputs,
    maps: torch.Tensor,
    bins: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """Return the scores of maps, ``[batch]`` each."""
    ranks = rank_valid_bins(classifier, encoded, maps, inputs.seeds)
    mask = (ranks < bins.sum()).to(maps)
    similarities = classifier.masked_similarity(encoded, mask, inputs.class_queries)
    original, masked_in, masked_out = (values.argmax(dim=1) for values in similarities)
    return {
        "tone_pointing": tone_pointing(ranks, bins),
        "tone_energy": tone_energy(maps, bins),
        "retained": masked_in == original,
        "flipped": masked_out != original,
    }


def summarize(results: pd.DataFrame) -> pd.DataFrame:
    """Average over clips for each variant and method, in the order of ``VARIANTS``."""
    columns = ["wrong", "tone_pointing", "tone_energy", "retained", "flipped"]
    means = results.groupby(["variant", "method"], sort=False)[columns].mean()
    present = means.index.unique("variant")
    return means.reindex([variant for variant in VARIANTS if variant in present], level=0)
