"""What is measured of an explainer's maps on a batch, and how many encoder passes it takes."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import soundfile
import torch

from speechbrain_lmac.audio.io import safe_gain, save_audio
from speechbrain_lmac.evaluation.scoring import ask, column, explain, faithfulness
from speechbrain_lmac.metrics import faithfulness as metrics
from speechbrain_lmac.metrics import insertion_deletion, localization, stability
from speechbrain_lmac.metrics.randomization import spearman, ssim
from speechbrain_lmac.metrics.top_k import BUDGETS, top_k_mask

HEARD_BUDGET = 0.2
"""Share of cells of the explanations that the judge hears."""


class Measure(NamedTuple):
    """One kind of measurement."""

    take: Callable
    """``(model, explainer, batch, explained)`` -> column -> a number for each clip."""
    passes: Callable
    """``(explainer, classifier)`` -> encoder passes a clip, at most."""


def basic(budgets=BUDGETS):
    """Measures that every row has; at equal budgets, shares of cells, beside the raw mask."""
    passes = 2 * (1 + len(budgets))
    return [
        Measure(partial(_faithfulness, budgets=budgets), lambda explainer, classifier: passes),
        Measure(_presence, _none),
        Measure(partial(_ground_truth, budgets=budgets), _none),
    ]


def presence():
    """The measure of prompts that name nothing that is there."""
    return [Measure(_presence, _none)]


def deep(fills, judge=None):
    """Measures of the smaller subset.

    Arguments
    ---------
    fills : sequence of str
        Of the curves.
    judge : YAMNet or None
        An independent model that hears what is written.

    Returns
    -------
    list of Measure
    """
    points = 2 * len(fills) * len(insertion_deletion.SHARES)
    found = [
        Measure(partial(_curves, fills=fills), lambda explainer, classifier: points),
        Measure(_written, lambda explainer, classifier: 2),
    ]
    if judge is not None:
        found.append(Measure(partial(_judged, judge=judge), _none))
    return found


def stable():
    """The measure of what little changes of a clip do to a map: it asks the explainer again."""
    return Measure(
        _stability,
        lambda explainer, classifier: 2 * (1 + explainer.passes(classifier)),
    )


def _none(explainer, classifier):
    return 0


def _faithfulness(model, explainer, batch, explained, budgets):
    return faithfulness(model, batch.asked, explained, budgets)


def _presence(model, explainer, batch, explained):
    encoded, asked = batch.asked.encoded, batch.asked
    kept = (explained.masks.square() * encoded.power).sum(dim=(1, 2))
    logits = model.classifier.logits(encoded.encoding.vector, asked.inputs.class_queries)
    return {
        "similarity": logits.gather(1, asked.target.unsqueeze(1)).squeeze(1).tolist(),
        "map mean": explained.maps.mean(dim=(1, 2)).tolist(),
        "mask mean": explained.masks.mean(dim=(1, 2)).tolist(),
        "kept energy": (kept / encoded.power.sum(dim=(1, 2)).clamp(min=1e-20)).tolist(),
    }


def _ground_truth(model, explainer, batch, explained, budgets):
    """Where the name that is explained is that of a stem; NaN elsewhere."""
    if not batch.truth.any():
        return {}
    encoded = batch.asked.encoded
    wavs = encoded.wavs
    own, rest = batch.asked.inputs.target_power, batch.asked.inputs.residual_power
    found = {"pointing": localization.pointing(explained.ranks, own, rest)}
    masks = {None: explained.masks}
    masks.update({budget: top_k_mask(explained.ranks, budget) for budget in budgets})
    for budget, mask in masks.items():
        sound = model.classifier.apply_mask(encoded, mask)
        for name, stem in (("SI-SDRi", batch.own), ("SI-SDRi of the rest", batch.rest)):
            gain = localization.si_sdr_improvement(sound, wavs, stem)
            found[column(name, budget)] = gain
        share = localization.energy_share(mask, own, rest)
        found[column("energy share", budget)] = share
    return {
        name: torch.where(batch.truth, values.float(), torch.nan).tolist()
        for name, values in found.items()
    }


def _curves(model, explainer, batch, explained, fills):
    asked, found = batch.asked, {}
    for fill in fills:
        for kind in insertion_deletion.KINDS:
            line = insertion_deletion.curve(
                model.classifier,
                asked.encoded,
                explained.ranks,
                asked.inputs.class_queries,
                asked.target,
                fill=fill,
                kind=kind,
            )
            found[f"{kind} {fill}"] = insertion_deletion.area(line).tolist()
            for place, share in enumerate(insertion_deletion.SHARES):
                found[f"{kind} {fill}@{100 * share:g}"] = line[:, place].tolist()
    return found


def _stability(model, explainer, batch, explained):
    asked, likeness = batch.asked, []
    changed = stability.perturbed(asked.encoded.wavs, asked.inputs.seeds)
    for wavs in changed.values():
        again = asked._replace(encoded=model.classifier.encode_clips(wavs))
        maps = explain(model, explainer, again).maps
        likeness.append(spearman(explained.maps, maps))
    return {"stability": torch.stack(likeness).mean(dim=0).tolist()}


@torch.no_grad()
def _written(model, explainer, batch, explained):
    """The explanation as a file holds it, heard again: is ``q`` still ``q``?"""
    classifier, asked = model.classifier, batch.asked
    sounds = classifier.apply_mask(asked.encoded, explained.masks)
    heard = torch.stack(
        [_through_file(s, classifier.audio_classifier.sample_rate) for s in sounds.cpu()]
    )
    again = classifier.encode_clips(heard.to(sounds.device)).encoding.vector
    text, place = asked.inputs.class_queries, asked.target.unsqueeze(1)
    written = classifier.logits(again, text).softmax(dim=1).gather(1, place).squeeze(1)
    masked = classifier.encode_masked_vector(asked.encoded, explained.masks)
    q = classifier.logits(masked, text).softmax(dim=1).gather(1, place).squeeze(1)
    return {"q written": written.tolist(), "written gap": (written - q).abs().tolist()}


def _through_file(sound, sample_rate):
    """A sound as its file holds it; silence too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "explanation.wav"
        save_audio(path, safe_gain(sound) * sound, sample_rate)
        samples, _ = soundfile.read(path, dtype="float32")
    return torch.from_numpy(samples)


def _judged(model, explainer, batch, explained, judge):
    """What another model makes of the clip, of what is kept and of what is removed."""
    classifier, asked = model.classifier, batch.asked
    wavs, place = asked.encoded.wavs, asked.target.cpu().unsqueeze(1)
    kept = classifier.apply_mask(asked.encoded, top_k_mask(explained.ranks, HEARD_BUDGET))
    p, q, r = (
        judge.probabilities(
            sounds.cpu(), classifier.audio_classifier.sample_rate, asked.prompts.names
        )
        for sounds in (wavs, kept, wavs - kept)
    )
    stays = q.argmax(dim=1) == asked.target.cpu()
    p, q, r = (shares.gather(1, place).squeeze(1) for shares in (p, q, r))
    return {
        "judge p": p.tolist(),
        "judge AD": metrics.average_drop(p, q).tolist(),
        "judge FF": metrics.faithfulness(p, r).tolist(),
        "judge Fid-In": metrics.input_fidelity(stays).tolist(),
    }


def measure(model, explainer, batch, explained, measures):
    """Take measures of an explainer's maps of a batch.

    Arguments
    ---------
    model : InterpreterNetwork
        What is explained.
    explainer : Explainer
        Whose maps these are.
    batch : Batch
        What they are of.
    explained : Attributions
        The maps.
    measures : list of Measure
        What to take.

    Returns
    -------
    dict
        Column -> a number for each clip.
    """
    columns = {}
    for this in measures:
        columns.update(this.take(model, explainer, batch, explained))
    return columns


def likeness(original, prompts):
    """The measure of how much of a map is left when the model or the prompt was changed.

    Arguments
    ---------
    original : InterpreterNetwork
        What the changed one is compared with.
    prompts : ClassPrompts
        The unchanged ones.

    Returns
    -------
    Measure
        It keeps the original's maps, which every change is held against.
    """
    return Measure(
        partial(_likeness, original=original, prompts=prompts, kept={}),
        lambda explainer, classifier: 1 + explainer.passes(classifier),
    )


def _likeness(model, explainer, batch, explained, original, prompts, kept):
    asked = batch.asked
    if (explainer, asked.ids) not in kept:
        encoded = original.classifier.encode_clips(asked.encoded.wavs)
        before = ask(original, asked.ids, encoded, prompts, asked.target)
        maps = explain(original, explainer, before).maps
        kept[explainer, asked.ids] = before.inputs.query, maps.cpu()
    text, maps = kept[explainer, asked.ids]
    maps = maps.to(explained.maps)
    cosine = (text * asked.inputs.query).sum(dim=1)
    return {
        "spearman": spearman(maps, explained.maps).tolist(),
        "ssim": ssim(maps, explained.maps).tolist(),
        "prompt cosine": cosine.tolist(),
    }
