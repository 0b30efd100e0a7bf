"""Hits: the prompts that are present in a stretch of sound, with their activity and regions."""

from collections.abc import Sequence
from typing import Any

import torch

from speechbrain_lmac.inference.activity import ActivityAccumulator
from speechbrain_lmac.inference.clip import ScoredClip, fade_gains, predict_masks
from speechbrain_lmac.inference.scores import score_sounds

Hit = dict[str, Any]
"""Entry of the column ``hits``."""


def present(presence: torch.Tensor, above: float | None) -> torch.Tensor:
    """Indices of the prompts that are explained, ``[hits]``."""
    if above is None:
        return torch.zeros(0, dtype=torch.long)
    return (presence >= above).nonzero().flatten()


def clip_hits(
    interpreter: Any, scored: ScoredClip, above: float | None, threshold: float, scores: bool
) -> list[Hit]:
    """Explain the present prompts of a clip.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter to use.
    scored : ScoredClip
        Clip.
    above : float or None
        Presence from which a prompt is explained. None: no prompt is explained.
    threshold : float
        Activity from which a region starts.
    scores : bool
        Whether the presence in the masked-in and masked-out sounds is measured.

    Returns
    -------
    list of dict
        Hits, with times in seconds of the clip.
    """
    chosen = present(scored.presence, above)
    if not len(chosen):
        return []
    masks = predict_masks(interpreter, scored, scored.query.decoder_queries[chosen])
    prompts, presence = [scored.prompts[i] for i in chosen], scored.presence[chosen]
    rate, domain = interpreter.sample_rate, interpreter.model.classifier.domain
    activity = ActivityAccumulator(domain, prompts, len(scored.wav) / rate)
    activity.add(0, scored.wav, masks.cpu(), presence, power=scored.power)
    hits = timeline_hits(activity, len(scored.wav), presence, threshold)
    if scores:
        add_scores(interpreter, scored, masks, presence, hits)
    return hits


def timeline_hits(
    activity: ActivityAccumulator, samples: int, presence: torch.Tensor, threshold: float
) -> list[Hit]:
    """Return the hits of accumulated windows.

    Arguments
    ---------
    activity : ActivityAccumulator
        Activity of the present prompts.
    samples : int
        Length of the stretch, in samples.
    presence : torch.Tensor
        Presence of the same prompts, ``[prompts]``.
    threshold : float
        Activity from which a region starts.

    Returns
    -------
    list of dict
        Hits, with times in seconds of the stretch.
    """
    timeline = activity.timeline(samples)
    energy = activity.sums[:2].sum(dim=-1)
    fraction = energy[0] / energy[1].clamp(min=torch.finfo(torch.float32).tiny)
    regions = [region._asdict() for region in timeline.regions(threshold)]
    return [
        {
            "prompt": prompt,
            "presence": presence[i].item(),
            "masked_in_fraction": fraction[i].item(),
            "activity": timeline.activity[i].max().item(),
            "peak_start": 0.0,
            "regions": [region for region in regions if region["prompt"] == prompt],
        }
        for i, prompt in enumerate(timeline.prompts)
    ]


def shift_regions(hit: Hit, seconds: float) -> None:
    """Move the regions of a hit in time."""
    for region in hit["regions"]:
        region["start"] = round(region["start"] + seconds, 6)
        region["stop"] = round(region["stop"] + seconds, 6)


def masked_in_sounds(
    interpreter: Any, scored: ScoredClip, masks: torch.Tensor, presence: torch.Tensor
) -> torch.Tensor:
    """Masked-in sounds ``[prompts, time]`` of masks ``[prompts, frames, bins]``.

    A prompt whose presence is below that of an absent one is faded out in proportion.
    """
    classifier = interpreter.model.classifier
    sounds = classifier.apply_mask(scored.encoded, masks.unsqueeze(1)).squeeze(1).cpu()
    low = interpreter.audio_classifier.min_presence
    return fade_gains(presence, presence < low, low).unsqueeze(1) * sounds


def add_scores(
    interpreter: Any,
    scored: ScoredClip,
    masks: torch.Tensor,
    presence: torch.Tensor,
    hits: Sequence[Hit],
) -> None:
    """Add the presence in the masked-in and the masked-out sound to each hit.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter to use.
    scored : ScoredClip
        Clip.
    masks : torch.Tensor
        Mask of each hit, ``[hits, frames, bins]``.
    presence : torch.Tensor
        Presence of each hit's prompt, ``[hits]``.
    hits : sequence of dict
        Hits of the clip.
    """
    sounds = masked_in_sounds(interpreter, scored, masks, presence)
    prompts = [hit["prompt"] for hit in hits]
    for name, version in (("masked_in", sounds), ("masked_out", scored.wav - sounds)):
        scores = score_sounds(interpreter.model.classifier, version, prompts, None)
        for hit, value in zip(hits, scores.presence.tolist()):
            hit[f"presence_{name}"] = value
