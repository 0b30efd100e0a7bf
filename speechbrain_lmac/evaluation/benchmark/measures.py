"""Measures of the benchmark: functions from an explainer's attributions to scores."""

from collections.abc import Callable, Sequence
from functools import partial

import torch

from speechbrain_lmac.evaluation.area_scores import score_areas
from speechbrain_lmac.evaluation.benchmark.batches import ItemBatch
from speechbrain_lmac.evaluation.benchmark.sound_measures import (
    measure_independent_classifier,
    measure_written_audio,
)
from speechbrain_lmac.evaluation.fill_scores import score_other_fills
from speechbrain_lmac.evaluation.long_format import Scores
from speechbrain_lmac.evaluation.scoring import (
    Attributions,
    ClassPrompts,
    explain,
    make_batch,
    score_faithfulness,
)
from speechbrain_lmac.explainers.base import Explainer
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.metrics import insertion_deletion, localization
from speechbrain_lmac.metrics.similarity import perturbed, spearman, ssim
from speechbrain_lmac.metrics.top_k import TOP_K_FRACTIONS, top_k_mask
from speechbrain_lmac.models.classifiers.yamnet import YAMNet

Measure = Callable[[InterpreterNetwork, Explainer, ItemBatch, Attributions], Scores]
"""Function that scores the attributions of one explainer for one batch."""


def basic_measures(fractions: Sequence[float] = TOP_K_FRACTIONS) -> list[Measure]:
    """List the measures of every item: faithfulness with all fills, amount, localization, areas.

    Without fractions, only soft masks are measured, and no smallest areas of their ranking.
    """
    measures: list[Measure] = [
        partial(_faithfulness, fractions=fractions),
        measure_amount,
        partial(_localization, fractions=fractions),
    ]
    if not fractions:
        return measures
    return [*measures, _areas, partial(_other_fills, fractions=fractions)]


def subset_measures(fills: Sequence[str], yamnet: YAMNet | None = None) -> list[Measure]:
    """List the measures of a subset: curves with the given fills, written audio, YAMNet."""
    measures: list[Measure] = [partial(_curves, fills=fills), measure_written_audio]
    if yamnet is not None:
        measures.append(partial(measure_independent_classifier, yamnet=yamnet))
    return measures


def take_measures(
    model: InterpreterNetwork,
    explainer: Explainer,
    batch: ItemBatch,
    attributions: Attributions,
    measures: Sequence[Measure],
) -> Scores:
    """Score attributions by several measures; add encoder passes and seconds per clip."""
    scores: Scores = {}
    for measure in measures:
        scores.update(measure(model, explainer, batch, attributions))
    count = len(batch.items)
    scores["seconds", None] = [attributions.seconds] * count
    scores["passes", None] = [attributions.passes] * count
    return scores


def _faithfulness(
    model: InterpreterNetwork,
    explainer: Explainer,
    batch: ItemBatch,
    attributions: Attributions,
    fractions: Sequence[float],
) -> Scores:
    return score_faithfulness(model, batch.batch, attributions, fractions)


def _areas(
    model: InterpreterNetwork, explainer: Explainer, batch: ItemBatch, attributions: Attributions
) -> Scores:
    return score_areas(model, batch.batch, attributions)


def _other_fills(
    model: InterpreterNetwork,
    explainer: Explainer,
    batch: ItemBatch,
    attributions: Attributions,
    fractions: Sequence[float],
) -> Scores:
    return score_other_fills(model, batch.batch, attributions, fractions)


def measure_amount(
    model: InterpreterNetwork, explainer: Explainer, batch: ItemBatch, attributions: Attributions
) -> Scores:
    """Measure how much a map and its mask contain, and the similarity of clip and prompt."""
    encoded, target = batch.batch.encoded, batch.batch.target.unsqueeze(1)
    energy = (attributions.masks.square() * encoded.power).sum(dim=(1, 2))
    logits = model.classifier.logits(encoded.encoding.vector, batch.batch.prompts.embeddings)
    values = {
        "clap_similarity": logits.gather(1, target).squeeze(1),
        "map_mean": attributions.maps.mean(dim=(1, 2)),
        "mask_mean": attributions.masks.mean(dim=(1, 2)),
        "masked_in_energy": energy / encoded.power.sum(dim=(1, 2)).clamp(min=1e-20),
    }
    return {(name, None): value.tolist() for name, value in values.items()}


def _localization(
    model: InterpreterNetwork,
    explainer: Explainer,
    batch: ItemBatch,
    attributions: Attributions,
    fractions: Sequence[float],
) -> Scores:
    """Compare explanations with the sources of a mixture; NaN where the target is not explained."""
    if not batch.has_reference.any():
        return {}
    encoded, inputs = batch.batch.encoded, batch.batch.inputs
    assert inputs.target_power is not None and inputs.residual_power is not None
    powers = inputs.target_power, inputs.residual_power
    ranks = attributions.ranks
    values: dict[tuple[str, float | None], torch.Tensor] = {
        ("pointing_game", None): localization.pointing_game(ranks, *powers)
    }
    masks: dict[float | None, torch.Tensor] = {None: attributions.masks}
    masks.update({fraction: top_k_mask(ranks, fraction) for fraction in fractions})
    sources = (("SI-SDRi", batch.target_wavs), ("SI-SDRi_residual", batch.residual_wavs))
    for fraction, mask in masks.items():
        explanation = model.classifier.apply_mask(encoded, mask)
        for name, wavs in sources:
            gain = localization.si_sdr_improvement(explanation, encoded.wavs, wavs)
            values[name, fraction] = gain
        energy = localization.target_energy_fraction(mask, *powers)
        values["target_energy_fraction", fraction] = energy
    return {
        key: torch.where(batch.has_reference, value.float(), torch.nan).tolist()
        for key, value in values.items()
    }


def _curves(
    model: InterpreterNetwork,
    explainer: Explainer,
    batch: ItemBatch,
    attributions: Attributions,
    fills: Sequence[str],
) -> Scores:
    """Measure insertion and deletion: the area under each curve and its points."""
    given = batch.batch
    scores: Scores = {}
    for fill in fills:
        for kind in insertion_deletion.KINDS:
            curve = insertion_deletion.curve(
                model.classifier,
                given.encoded,
                attributions.ranks,
                given.prompts.embeddings,
                given.target,
                fill=fill,
                kind=kind,
            )
            name = f"{kind}_{fill}"
            scores[name, None] = insertion_deletion.area_under_curve(curve).tolist()
            for place, fraction in enumerate(insertion_deletion.CURVE_FRACTIONS):
                scores[name, fraction] = curve[:, place].tolist()
    return scores


def measure_stability(
    model: InterpreterNetwork, explainer: Explainer, batch: ItemBatch, attributions: Attributions
) -> Scores:
    """Measure the rank correlation with the maps of quieter and slightly noisy clips.

    The explainer runs again for each of the two changes.
    """
    given, correlations = batch.batch, []
    for wavs in perturbed(given.encoded.wavs, given.inputs.seeds).values():
        changed = given._replace(encoded=model.classifier.encode_clips(wavs))
        maps = explain(model, explainer, changed).maps
        correlations.append(spearman(attributions.maps, maps))
    return {("stability", None): torch.stack(correlations).mean(dim=0).tolist()}


def similarity_measure(original: InterpreterNetwork, prompts: ClassPrompts) -> Measure:
    """Return the measure of how similar maps are to those of the original model and prompts.

    It caches the original maps, with which every change is compared.
    """
    return partial(_similarity, original=original, prompts=prompts, cache={})


def _similarity(
    model: InterpreterNetwork,
    explainer: Explainer,
    batch: ItemBatch,
    attributions: Attributions,
    original: InterpreterNetwork,
    prompts: ClassPrompts,
    cache: dict[tuple[Explainer, tuple[str, ...]], tuple[torch.Tensor, torch.Tensor]],
) -> Scores:
    given = batch.batch
    if (explainer, given.ids) not in cache:
        encoded = original.classifier.encode_clips(given.encoded.wavs)
        before = make_batch(original, given.ids, encoded, prompts, given.target)
        cache[explainer, given.ids] = (
            before.inputs.query,
            explain(original, explainer, before).maps.cpu(),
        )
    text, maps = cache[explainer, given.ids]
    maps = maps.to(attributions.maps)
    return {
        ("spearman", None): spearman(maps, attributions.maps).tolist(),
        ("ssim", None): ssim(maps, attributions.maps).tolist(),
        ("prompt_cosine", None): (text * given.inputs.query).sum(dim=1).tolist(),
    }
