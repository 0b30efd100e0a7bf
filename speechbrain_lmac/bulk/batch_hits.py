"""Hits of a batch of clips: masks and their energies are computed for all clips together."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.bulk.hits import Hit, add_scores, present, timeline_hits
from speechbrain_lmac.bulk.job import JobSettings
from speechbrain_lmac.inference.activity import ActivityAccumulator, measure
from speechbrain_lmac.inference.inputs import check_finite
from speechbrain_lmac.inference.scored_clip import ScoredClip
from speechbrain_lmac.masking.encoded_clips import EncodedClips

MAX_MASKS = 128
"""Masks that are computed at once."""


def batch_hits(
    interpreter: Any, encoded: EncodedClips, scored: Sequence[ScoredClip], settings: JobSettings
) -> list[list[Hit]]:
    """Explain the present prompts of all clips of a batch.

    Arguments
    ---------
    interpreter : Interpreter
        Interpreter to use.
    encoded : EncodedClips
        The clips.
    scored : sequence of ScoredClip
        Each clip with its scores.
    settings : JobSettings
        Settings of the job.

    Returns
    -------
    list of list of dict
        Hits of each clip, with times in seconds of the clip.
    """
    chosen = [present(clip.presence, settings.explain_above) for clip in scored]
    if not any(map(len, chosen)):
        return [[] for _ in scored]
    device = encoded.wavs.device
    queries = pad_sequence(
        [clip.query.decoder_queries[index.to(device)] for clip, index in zip(scored, chosen)]
    )
    step = max(1, MAX_MASKS // len(scored))
    parts = [_explain(interpreter, encoded, part, settings) for part in queries.split(step)]
    energies = torch.cat([part[1] for part in parts])
    hits = []
    for i, (clip, index) in enumerate(zip(scored, chosen)):
        found = _clip_hits(interpreter, clip, index, energies[: len(index), i], settings)
        if settings.scores and found:
            masks = torch.cat([part[0][:, i] for part in parts])[: len(index)]
            add_scores(interpreter, clip, masks, clip.presence[index], found)
        hits.append(found)
    return hits


@torch.no_grad()
def _explain(
    interpreter: Any, encoded: EncodedClips, queries: torch.Tensor, settings: JobSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks and their energies ``[queries, batch, 4, frames]``, the latter on the CPU.

    Masks ``[queries, batch, frames, bins]`` are kept only if the sounds are scored.
    """
    classifier, domain = interpreter.audio_classifier, interpreter.model.classifier.domain
    masks = interpreter.model(encoded, queries)
    check_finite("masks", masks)
    gains = domain.gains(masks.flatten(0, 1)).unflatten(0, masks.shape[:2])
    stft = encoded.stft
    power = classifier.filtered_power(encoded.wavs) if stft is None else power_of(stft)
    hertz = torch.linspace(0, classifier.sample_rate / 2, power.shape[-1], device=power.device)
    energies = measure(gains, power * classifier.encoded_bins, hertz).cpu()
    return (masks if settings.scores else masks[:0]), energies


def _clip_hits(
    interpreter: Any,
    clip: ScoredClip,
    index: torch.Tensor,
    energies: torch.Tensor,
    settings: JobSettings,
) -> list[Hit]:
    """Hits of a clip, by the energies ``[hits, 4, frames]`` of its masks."""
    if not len(index):
        return []
    domain, samples = interpreter.model.classifier.domain, len(clip.wav)
    presence, prompts = clip.presence[index], [clip.prompts[i] for i in index]
    activity = ActivityAccumulator(domain, prompts, samples / interpreter.sample_rate)
    activity.add_energies(samples, energies, presence)
    return timeline_hits(activity, samples, presence, settings.threshold)
