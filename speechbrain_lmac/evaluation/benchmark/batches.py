"""Scenes by the batch: rendered, heard, and asked about."""

from typing import NamedTuple

import torch

from speechbrain_lmac.evaluation.benchmark.conditions import render
from speechbrain_lmac.evaluation.scoring import EvaluationBatch, ask, clip_seed
from speechbrain_lmac.masking.decoder import DecoderFeatures


class Batch(NamedTuple):
    """Scenes, ready to be explained."""

    scenes: tuple
    asked: EvaluationBatch
    own: torch.Tensor
    """Stems of what is prompted, ``[batch, time]``."""
    rest: torch.Tensor
    """Stems of all else."""
    truth: torch.Tensor
    """``[batch]`` of bool: what is explained is the name of the own stem, and it is not alone."""


def partners(scenes):
    """For each scene one of another class, which is the same in every batch.

    Arguments
    ---------
    scenes : list of Scene
        All of a condition.

    Returns
    -------
    list of Scene
        The next one round the circle, half-way round on, that holds neither what is prompted nor
        a recording of the scene; the scene itself where there is none.
    """
    count, found = len(scenes), []
    for place, scene in enumerate(scenes):
        circle = (scenes[(place + count // 2 + step) % count] for step in range(count))
        found.append(next((other for other in circle if _foreign(scene, other)), scene))
    return found


def _foreign(scene, other):
    asked_for = scene.prompt or scene.clip.label
    alike = asked_for in (other.clip.label, other.other_label)
    mixed = scene.row is not None and other.row is not None and scene.row.ID == other.row.ID
    return not alike and not mixed and scene.clip.src_file != other.clip.src_file


def load(model, scenes, others, prompts, seconds, average):
    """Render and hear a batch.

    Arguments
    ---------
    model : InterpreterNetwork
        What is explained.
    scenes : list of Scene
        Of this batch.
    others : list of Scene
        A partner for each, of :func:`partners`; empty if no control asks for it.
    prompts : ClassPrompts
        What clips are scored against.
    seconds : float
        Length of a scene.
    average : DecoderFeatures or None
        Of :func:`mean_features`.

    Returns
    -------
    Batch
    """
    rate, device = model.classifier.audio_classifier.sample_rate, prompts.text.device
    sounds = [render(scene, rate, seconds) for scene in scenes]
    mixture, own, rest = (torch.stack(stems).to(device) for stems in zip(*sounds))
    domain, names = model.classifier.domain, prompts.names
    encoded = model.classifier.encode_clips(mixture)
    target = model.classifier.logits(encoded.encoding.vector, prompts.text).argmax(dim=1)
    asked_for = [names.index(s.prompt) if s.prompt else -1 for s in scenes]
    asked_for = torch.tensor(asked_for, device=device)
    target = torch.where(asked_for >= 0, asked_for, target)
    other = None
    if others:
        heard = [render(scene, rate, seconds).mixture for scene in others]
        other = model.classifier.encode_clips(torch.stack(heard).to(device))
    ids = [scene.ID for scene in scenes]
    mixed = torch.tensor([scene.row is not None for scene in scenes], device=device)
    labels = torch.tensor([names.index(s.clip.label) for s in scenes], device=device)
    with torch.no_grad():
        asked = ask(
            model,
            ids,
            encoded,
            prompts,
            target,
            other_query=prompts.text[_other_names(ids, target, len(names))],
            other_clips=other,
            mean_features=average,
            target_power=domain.power(own) if mixed.any() else None,
            residual_power=domain.power(rest) if mixed.any() else None,
        )
    return Batch(tuple(scenes), asked, own, rest, mixed & (target == labels))


def _other_names(ids, target, count):
    """For each clip a name that is not explained, ``[batch]``, drawn by the clip."""
    draws = [1 + clip_seed(clip_id, "name") % max(1, count - 1) for clip_id in ids]
    return (target + torch.tensor(draws, device=target.device)) % count


@torch.no_grad()
def mean_features(model, scenes, seconds, batch_size):
    """What a decoder would go by, of the mean clip.

    Arguments
    ---------
    model : InterpreterNetwork
        Whose encoder hears.
    scenes : list of Scene
        Best of other clips than those tested.
    seconds : float
        Length of a scene.
    batch_size : int
        Clips heard at once.

    Returns
    -------
    Evidence
        A batch of one.
    """
    classifier = model.classifier
    device, total = classifier.domain.positions.device, None
    for part in chunks(scenes, batch_size):
        sounds = [render(s, classifier.audio_classifier.sample_rate, seconds).mixture for s in part]
        heard = model.features(classifier.encode_clips(torch.stack(sounds).to(device)))
        parts = (*heard.hidden, heard.log_power)
        sums = [maps.float().sum(dim=0, keepdim=True) for maps in parts]
        total = sums if total is None else [a + b for a, b in zip(total, sums)]
    *hidden, mean_level = (maps / len(scenes) for maps in total)
    return DecoderFeatures(tuple(hidden), mean_level)


def chunks(items, size):
    """Split a list.

    Example
    -------
    >>> list(chunks([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    return (items[start : start + size] for start in range(0, len(items), size))
