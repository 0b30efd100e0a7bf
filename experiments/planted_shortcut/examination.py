"""Evaluation of explainers on a CLAP that decides by a planted tone."""

import pandas as pd
import torch

from experiments.planted_shortcut.cue import (
    CUE_HZ,
    DECOYS,
    OTHER_HZ,
    cue_bins,
    cue_energy,
    cue_pointing,
    scenes,
)
from speechbrain_lmac.data.prompts import class_prompt
from speechbrain_lmac.data.synthetic import KINDS
from speechbrain_lmac.evaluation.scoring import rank_valid_bins
from speechbrain_lmac.explainers.base import ExplainerInputs
from speechbrain_lmac.utils.errors import InputError

BATCH = 8


def examine(model, explainers, seed=0, clips=4):
    """Run every method on every clip; the prediction of the classifier is explained.

    Arguments
    ---------
    model : InterpreterNetwork
        Interpreter network of the CLAP with the planted shortcut.
    explainers : dict
        Name -> explainer that needs ``query``, ``seeds``, ``class_queries``, ``other_query`` (the
        second best class), ``target_power`` and ``residual_power`` at most.
    seed : int
        Seed of the clips. Default: 0.
    clips : int
        Clips of each kind. Default: 4.

    Returns
    -------
    pandas.DataFrame
        One row per clip and method: ``event``, ``decoy``, ``decision``, ``wrong`` (the prediction
        is not the event), ``method``, ``cue_pointing``, ``cue_energy``, and for as many of the best
        bins as the tone has: ``retained`` (they alone keep the prediction) and ``flipped`` (the
        prediction changes without them).
    """
    offered = {"query", "seeds", "class_queries", "other_query", "target_power", "residual_power"}
    for name, explainer in explainers.items():
        for need in set(explainer.needs) - offered:
            raise InputError(
                f"{name} needs {need}, which this experiment does not have. Leave it out"
            )
    made, rows = scenes(seed, clips), []
    for hz in (CUE_HZ, OTHER_HZ):
        alike = [scene for scene in made if scene.hz == hz]
        for start in range(0, len(alike), BATCH):
            rows.extend(_examine_batch(model, explainers, alike[start : start + BATCH]))
    return pd.DataFrame(rows)


def _examine_batch(model, explainers, batch):
    """Return rows of scenes whose tones have one frequency."""
    classifier = model.classifier
    device = classifier.audio_classifier.filterbank.device
    event = torch.stack([scene.event for scene in batch]).to(device)
    pure = torch.stack([scene.tone for scene in batch]).to(device)
    encoded = classifier.encode_clips(event + pure)
    names = classifier.audio_classifier.queries([class_prompt(kind) for kind in KINDS])
    logits = classifier.logits(encoded.encoding.vector, names)
    inputs = _inputs(classifier, batch, names, logits, (event, pure))
    bins = cue_bins(classifier.domain, event.shape[1], batch[0].hz)
    rows = []
    for method, explainer in explainers.items():
        maps = explainer(model, encoded, inputs).detach()
        measured = _measure(classifier, encoded, inputs, maps, bins)
        for i, scene in enumerate(batch):
            decision = list(KINDS)[logits[i].argmax()]
            known = {"clip": f"{scene.name}-{scene.seed}", "event": scene.name}
            known |= {"decoy": scene.decoy, "decision": decision, "wrong": decision != scene.name}
            values = {name: value[i].item() for name, value in measured.items()}
            rows.append({**known, "method": method, **values})
    return rows


def _inputs(classifier, batch, names, logits, parts):
    """Explain the prediction. The target source is the tone where it decides, else the event."""
    best = logits.topk(2, dim=1).indices
    event, pure = (classifier.domain.power(part) for part in parts)
    decides = torch.tensor([scene.decoy in ("cue", "alone") for scene in batch]).view(-1, 1, 1)
    decides = decides.to(event.device)
    return ExplainerInputs(
        query=names[best[:, 0]],
        seeds=tuple(scene.seed for scene in batch),
        class_queries=names,
        other_query=names[best[:, 1]],
        target_power=torch.where(decides, pure, event),
        residual_power=torch.where(decides, event, pure),
    )


def _measure(classifier, encoded, inputs, maps, bins):
    ranks = rank_valid_bins(classifier, encoded, maps, inputs.seeds)
    mask = (ranks < bins.sum()).to(maps)
    scores = classifier.masked_similarity(encoded, mask, inputs.class_queries)
    decision, alone, without = (logits.argmax(dim=1) for logits in scores)
    return {
        "cue_pointing": cue_pointing(ranks, bins),
        "cue_energy": cue_energy(maps, bins),
        "retained": alone == decision,
        "flipped": without != decision,
    }


def summarize(frame):
    """Average over clips for each decoy and method, in the order of ``DECOYS``."""
    figures = ["wrong", "cue_pointing", "cue_energy", "retained", "flipped"]
    means = frame.groupby(["decoy", "method"], sort=False)[figures].mean()
    return means.reindex([decoy for decoy in DECOYS if decoy in means.index.levels[0]], level=0)
