"""Calibration of mask logits for separation: the masks fit the sources of validation mixtures.

A decoder trained on a few hundred clips is overconfident on other clips. One temperature corrects
that, as for classifiers (temperature scaling, Guo et al., ICML 2017); an offset opens or closes all
masks alike. The order of bins, and so every comparison at equal mask area, stays the same.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import torch
from tqdm import tqdm

from speechbrain_lmac.audio.mixing import mix
from speechbrain_lmac.evaluation.scoring import ClassPrompts
from speechbrain_lmac.losses.objective import Objective
from speechbrain_lmac.losses.pairs import PromptPairs
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
from speechbrain_lmac.training.pairs import build_pairs, source_power

TEMPERATURES = tuple(2 ** (step / 2) for step in range(-2, 13))
"""Candidate divisors of the logits, 0.5 to 64."""
OFFSETS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""Candidate offsets of the divided logits."""
TERM = "irm_regression"
"""Term of the objective that determines the mask area; without it there is nothing to fit."""

LabeledBatch = tuple[Sequence[str], Sequence[str], torch.Tensor]
"""Label and description of each clip, and waveforms ``[batch, time]``."""


class Calibration(NamedTuple):
    """Result of a calibration."""

    temperature: float
    offset: float
    before: float
    """Weighted terms of the masks before the calibration."""
    after: float
    """Weighted terms of the masks after the calibration."""


def calibrate_separation(
    model: InterpreterNetwork,
    batches: Iterable[LabeledBatch],
    prompts: ClassPrompts,
    objective: Objective,
    num_prompts: int = 3,
) -> Calibration | None:
    """Fit temperature and offset of a decoder's logits and store them in its weights.

    Each clip is mixed with the next clip of its batch at 0 dB. The masks of both sources, and of
    other prompts, minimize the mask terms of the objective.

    Arguments
    ---------
    model : InterpreterNetwork
        Network whose decoder is changed.
    batches : sized iterable
        Batches of ``(labels, texts, wavs)``: label and description of each clip, which may be
        empty, and waveforms ``[batch, time]``.
    prompts : ClassPrompts
        Class names and their query vectors.
    objective : Objective
        Objective that the decoder was trained with.
    num_prompts : int
        Prompts per mixture, its own two first; at least 2.

    Returns
    -------
    Calibration or None
        None, with the decoder unchanged, if the objective lacks ``irm_regression`` or no batch has
        two clips of different classes.
    """
    if TERM not in objective.terms:
        return None
    candidates, count = list(product(TEMPERATURES, OFFSETS)), 0
    losses = torch.zeros(len(candidates))
    for labels, texts, wavs in tqdm(batches, "calibrating", unit="batch", dynamic_ncols=True):
        encoded, pairs = _mixtures(model.classifier, labels, texts, wavs, prompts, num_prompts)
        separable = int(pairs.separable.sum()) if len(wavs) > 1 else 0
        if separable:
            batch_losses = _losses(model, encoded, pairs, objective, candidates)
            losses, count = losses + separable * batch_losses, count + separable
    if not count:
        return None
    means = losses / count
    temperature, offset = candidates[int(means.argmin())]
    model.decoder.rescale(temperature, offset)
    before = means[candidates.index((1.0, 0.0))].item()
    return Calibration(temperature, offset, before, means.min().item())


def _mixtures(
    classifier: MaskedClassifier,
    labels: Sequence[str],
    texts: Sequence[str],
    wavs: torch.Tensor,
    prompts: ClassPrompts,
    num_prompts: int,
) -> tuple[EncodedClips, PromptPairs]:
    """Encoded mixtures of each clip with the next one, and their pairs."""
    mixtures = mix(wavs, wavs.roll(1, dims=0), snr_db=0.0)
    encoded = classifier.encode_clips(mixtures)
    questions = [
        text or classifier.audio_classifier.question(label) for label, text in zip(labels, texts)
    ]
    names, class_queries = prompts
    pairs = build_pairs(
        classifier,
        encoded.encoding.vector,
        questions,
        [names.index(label) if label in names else -1 for label in labels],
        class_queries,
        roll=lambda rows, turn: rows.roll(turn, dims=0),
        turns=range(min(max(num_prompts, 2), len(wavs))),
    )
    return encoded, pairs._replace(sources=source_power(classifier, wavs, mixtures))


@torch.no_grad()
def _losses(
    model: InterpreterNetwork,
    encoded: EncodedClips,
    pairs: PromptPairs,
    objective: Objective,
    candidates: Sequence[tuple[float, float]],
) -> torch.Tensor:
    """Loss of the masks under each candidate, ``[candidates]``."""
    grid = model.classifier.grid(encoded)
    logits = model.decoder.logits(model.features(encoded, pairs.queries), pairs.queries, grid)
    masks = (
        model.decoder.to_mask(logits / temperature + offset, grid)
        for temperature, offset in candidates
    )
    losses = (objective.of_masks(mask, pairs)[0] for mask in masks)
    return torch.stack([torch.as_tensor(loss).cpu() for loss in losses])
