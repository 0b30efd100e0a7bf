"""Calibration of mask logits for faithfulness: the masked-out part must lose the class.

A classifier of log-mel features barely encodes gain, so the class remains in whatever a soft mask
turns down. Here a temperature sharpens the masks, and an offset sets their mean area. The order of
bins stays the same.
"""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

import torch
from tqdm import tqdm

from speechbrain_lmac.evaluation.scoring import ClassPrompts
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.grid import Grid
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
from speechbrain_lmac.training.separation_calibration import Calibration, LabeledBatch

TEMPERATURES = tuple(2.0**-step for step in range(8))
"""Candidate divisors of the logits, 1 to 1/128."""
AREAS = (0.03, 0.06, 0.09, 0.12)
"""Candidate fractions of the bins with a positive logit, over all validation clips."""
MAX_AREA = 0.15
"""Largest mean of the masks. Larger explanations say little."""
QUANTILE_SAMPLE = 100_000
"""Logits per clip, at most, from which the offsets are computed."""


class PredictedLogits(NamedTuple):
    """Mask logits of a batch for the predicted class of each clip."""

    encoded: EncodedClips
    logits: torch.Tensor
    """Mask logits, ``[batch, frames, bins]``."""
    target: torch.Tensor
    """Index of the predicted class, ``[batch]``."""
    grid: Grid


@torch.no_grad()
def calibrate_faithfulness(
    model: InterpreterNetwork, batches: Iterable[LabeledBatch], prompts: ClassPrompts
) -> Calibration | None:
    """Fit temperature and offset of a decoder's logits and store them in its weights.

    Each clip is explained by its predicted class. The fit maximizes the in-out margin: the mean
    probability of that class given the masked-in part minus that given the masked-out part. The
    mean of the masks is at most ``MAX_AREA``.

    Arguments
    ---------
    model : InterpreterNetwork
        Network whose decoder is changed.
    batches : iterable
        Batches of ``(labels, texts, wavs)``, waveforms ``[batch, time]``. Labels are not used.
    prompts : ClassPrompts
        Class names and their query vectors.

    Returns
    -------
    Calibration or None
        In-out margins before and after; None, with the decoder unchanged, if no candidate keeps the
        mean of the masks within ``MAX_AREA``.
    """
    predicted = [_predicted_logits(model, wavs, prompts) for *_, wavs in batches]
    if not predicted:
        return None
    candidates = _candidates(predicted)
    before = _margin_and_area(model, predicted, prompts, 1.0, 0.0)[0]
    steps = tqdm(candidates, "calibrating", unit="candidate", dynamic_ncols=True)
    results = [(*_margin_and_area(model, predicted, prompts, *each), each) for each in steps]
    allowed = [(margin, each) for margin, area, each in results if area <= MAX_AREA]
    if not allowed:
        return None
    after, (temperature, offset) = max(allowed)
    model.decoder.rescale(temperature, offset)
    return Calibration(temperature, offset, before, after)


def _predicted_logits(
    model: InterpreterNetwork, wavs: torch.Tensor, prompts: ClassPrompts
) -> PredictedLogits:
    """Encode clips and compute the mask logits of their predicted classes."""
    encoded = model.classifier.encode_clips(wavs)
    queries = prompts.embeddings.to(encoded.power.device)
    target = model.classifier.logits(encoded.encoding.vector, queries).argmax(dim=1)
    grid = model.classifier.grid(encoded)
    query = queries[target].unsqueeze(0)
    logits = model.decoder.logits(model.features(encoded, query), query, grid)
    return PredictedLogits(encoded, logits.squeeze(0), target, grid)


def _candidates(predicted: Sequence[PredictedLogits]) -> list[tuple[float, float]]:
    """Temperatures and offsets that give a fraction of the valid bins a positive logit."""
    sample = torch.cat([_sample(row, each.grid) for each in predicted for row in each.logits])
    levels = sample.sort(descending=True).values
    thresholds = [levels[int(area * len(levels))].item() for area in AREAS]
    return [(step, -level / step) for step, level in product(TEMPERATURES, thresholds)]


def _sample(logits: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Logits of the valid bins of one clip, at most ``QUANTILE_SAMPLE`` of them."""
    valid = logits[(grid.valid > 0).expand_as(logits)]
    draw = torch.Generator().manual_seed(len(valid))
    return valid[torch.randperm(len(valid), generator=draw)[:QUANTILE_SAMPLE].to(valid.device)]


def _margin_and_area(
    model: InterpreterNetwork,
    predicted: Sequence[PredictedLogits],
    prompts: ClassPrompts,
    temperature: float,
    offset: float,
) -> tuple[float, float]:
    """Mean in-out margin and mean mask of all clips under a candidate."""
    margins, areas = [], []
    for encoded, logits, target, grid in predicted:
        masks = model.decoder.to_mask(logits / temperature + offset, grid)
        queries = prompts.embeddings.to(masks.device)
        found = model.classifier.masked_probabilities(encoded, masks, queries)
        masked_in, masked_out = (
            probabilities.gather(1, target.unsqueeze(1)) for probabilities in found[1:]
        )
        margins.append(masked_in - masked_out)
        areas.append(masks.mean(dim=(1, 2)))
    return torch.cat(margins).mean().item(), torch.cat(areas).mean().item()
