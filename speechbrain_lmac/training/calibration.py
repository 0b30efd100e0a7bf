"""How sharp and how open masks are: two numbers, fitted on clips that nothing was learnt from.

A decoder learns from some hundred clips, and is surer of its cells on those than it should be on
others. As of classifiers (temperature scaling, Guo et al., ICML 2017), one temperature mends that;
an offset beside it opens or shuts all masks alike. The order of cells, and so every comparison at
equal budgets, stays what it was.
"""

from itertools import product
from typing import NamedTuple

import torch
from tqdm import tqdm

from speechbrain_lmac.audio.mixing import mix
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.losses.pairs import ClassSet, PromptSensitivity
from speechbrain_lmac.masking.decoder import as_mask

TEMPERATURES = tuple(2 ** (step / 2) for step in range(-2, 13))
"""0.5 to 64: by what logits may be divided."""
OFFSETS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""What may be added to them then."""
TERM = "separation"
"""Of the objective: without it, nothing says how open a mask should be."""


class Calibration(NamedTuple):
    """What was fitted."""

    temperature: float
    offset: float
    before: float
    """Terms of the masks of the objective, weighted, as the decoder was."""
    after: float


def calibrate(model, batches, prompts, objective, rows=3):
    """Fit temperature and offset of a decoder's logits, and work them into its weights.

    Clips are mixed with the next one of their batch at 0 dB, and asked for both and for what other
    clips are: what the objective's terms of masks say of that is made least.

    Arguments
    ---------
    model : InterpreterNetwork
        Its decoder changes.
    batches : sized iterable
        Of ``(labels, texts, wavs)``: a label and a description, which may be empty, of each clip,
        and ``[batch, time]``.
    prompts : ClassPrompts
        The names that clips are scored against.
    objective : Objective
        What the decoder was trained by.
    rows : int
        Prompts asked of a mixture, its own two first; at least these.

    Returns
    -------
    Calibration or None
        None, and nothing changes, where the objective has no ``separation``, or no two clips of a
        batch are of different names.
    """
    if TERM not in objective.terms:
        return None
    grid, losses, count = list(product(TEMPERATURES, OFFSETS)), 0.0, 0
    for labels, texts, wavs in tqdm(batches, "calibrating", unit="batch", dynamic_ncols=True):
        encoded, pairs = _mixtures(model.classifier, labels, texts, wavs, prompts, rows)
        known = int(pairs.separable.sum()) if len(wavs) > 1 else 0
        if known:
            found = _losses(model, encoded, pairs, objective, grid)
            losses, count = losses + known * found, count + known
    if not count:
        return None
    means = losses / count
    temperature, offset = grid[int(means.argmin())]
    model.decoder.rescale(temperature, offset)
    before = means[grid.index((1.0, 0.0))].item()
    return Calibration(temperature, offset, before, means.min().item())


def _mixtures(classifier, labels, texts, wavs, prompts, rows):
    """Each clip with the next one over it: EncodedClips, and Pairs of what is asked."""
    mixtures = mix(wavs, wavs.roll(1, dims=0), snr_db=0.0)
    asked = [text or class_prompt(label) for label, text in zip(labels, texts)]
    text = classifier.clap.embed_text(asked, apart=False)
    places = [prompts.names.index(label) if label in prompts.names else -1 for label in labels]
    own = torch.tensor(places, device=wavs.device)
    encoded = classifier.encode_clips(mixtures)
    turns = range(min(max(rows, 2), len(wavs)))
    power = classifier.plane.power
    return encoded, PromptSensitivity(
        encoded.encoding.embedding,
        torch.stack([text.roll(turn, dims=0) for turn in turns]),
        torch.stack([own.roll(turn, dims=0) for turn in turns]),
        ClassSet(prompts.text.to(wavs.device), float(classifier.clap.logit_scale)),
        torch.stack([power(wavs), power(mixtures - wavs)]),
    )


@torch.no_grad()
def _losses(model, encoded, pairs, objective, grid):
    """Of the masks under each pair of temperature and offset, ``[len(grid)]``."""
    cells = model.classifier.grid(encoded)
    logits = model.decoder.logits(model.evidence(encoded), pairs.text, cells)
    return torch.stack(
        [
            objective.of_masks(as_mask(logits / temperature + offset, cells), pairs)[0].cpu()
            for temperature, offset in grid
        ]
    )
