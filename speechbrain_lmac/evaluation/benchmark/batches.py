"""Batches of evaluation items: audio, encodings and the inputs of all explainers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import torch

from speechbrain_lmac.evaluation.benchmark.items import EvaluationItem, render
from speechbrain_lmac.evaluation.scoring import (
    ClassPrompts,
    EvaluationBatch,
    clip_seed,
    make_batch,
)
from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.encoded_clips import EncodedClips
from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork

Item = TypeVar("Item")


class ItemBatch(NamedTuple):
    """Evaluation items, ready to be explained."""

    items: tuple[EvaluationItem, ...]
    batch: EvaluationBatch
    target_wavs: torch.Tensor
    """Waveforms of the target sources, ``[batch, time]``."""
    residual_wavs: torch.Tensor
    """Waveforms of all other sources, ``[batch, time]``."""
    has_reference: torch.Tensor
    """``[batch]``, bool: the item is a mixture, and the explained class is that of the target."""


def find_partners(items: Sequence[EvaluationItem]) -> list[EvaluationItem]:
    """Choose another item of another class for each item, the same in every batch.

    It is the first item, from halfway round the list on, that contains neither the prompted class
    nor a recording of the item; the item itself if there is none.
    """
    count, partners = len(items), []
    for place, item in enumerate(items):
        candidates = (items[(place + count // 2 + step) % count] for step in range(count))
        partners.append(next((other for other in candidates if _unrelated(item, other)), item))
    return partners


def _unrelated(item: EvaluationItem, other: EvaluationItem) -> bool:
    prompt = item.prompt or item.clip.label
    same_class = prompt in (other.clip.label, other.other_label)
    same_mixture = (
        item.mixture is not None
        and other.mixture is not None
        and item.mixture.ID == other.mixture.ID
    )
    return not same_class and not same_mixture and item.clip.src_file != other.clip.src_file


def load_batch(
    model: InterpreterNetwork,
    items: Sequence[EvaluationItem],
    partners: Sequence[EvaluationItem],
    prompts: ClassPrompts,
    seconds: float,
    average: DecoderFeatures | None,
) -> ItemBatch:
    """Render and encode a batch of items.

    Arguments
    ---------
    model : InterpreterNetwork
        Model to explain.
    items : list of EvaluationItem
        Items of this batch.
    partners : list of EvaluationItem
        Partner of each item from :func:`find_partners`; empty if no control needs partners.
    prompts : ClassPrompts
        Classes that clips are scored against.
    seconds : float
        Length of an item.
    average : DecoderFeatures or None
        Result of :func:`mean_features`, for the control that needs it.

    Returns
    -------
    ItemBatch
    """
    rate, device = model.classifier.audio_classifier.sample_rate, prompts.embeddings.device
    stems = [render(item, rate, seconds) for item in items]
    mixture, target_wavs, residual_wavs = (torch.stack(wavs).to(device) for wavs in zip(*stems))
    encoded = model.classifier.encode_clips(mixture)
    target = _targets(model, encoded, items, prompts)
    mixed = torch.tensor([item.mixture is not None for item in items], device=device)
    labels = torch.tensor([prompts.names.index(i.clip.label) for i in items], device=device)
    power = model.classifier.domain.power
    ids = [item.ID for item in items]
    with torch.no_grad():
        batch = make_batch(
            model,
            ids,
            encoded,
            prompts,
            target,
            other_query=prompts.embeddings[_other_classes(ids, target, len(prompts.names))],
            other_clips=_encode(model, partners, seconds, device) if partners else None,
            mean_features=average,
            target_power=power(target_wavs) if mixed.any() else None,
            residual_power=power(residual_wavs) if mixed.any() else None,
        )
    has_reference = mixed & (target == labels)
    return ItemBatch(tuple(items), batch, target_wavs, residual_wavs, has_reference)


def _targets(
    model: InterpreterNetwork,
    encoded: EncodedClips,
    items: Sequence[EvaluationItem],
    prompts: ClassPrompts,
) -> torch.Tensor:
    """Return the prompted class of each item, or the predicted class if none is prompted."""
    logits = model.classifier.logits(encoded.encoding.vector, prompts.embeddings)
    indices = [prompts.names.index(item.prompt) if item.prompt else -1 for item in items]
    prompted = torch.tensor(indices, device=logits.device)
    return torch.where(prompted >= 0, prompted, logits.argmax(dim=1))


def _encode(
    model: InterpreterNetwork,
    items: Sequence[EvaluationItem],
    seconds: float,
    device: torch.device,
) -> EncodedClips:
    rate = model.classifier.audio_classifier.sample_rate
    wavs = [render(item, rate, seconds).mixture for item in items]
    return model.classifier.encode_clips(torch.stack(wavs).to(device))


def _other_classes(ids: Sequence[str], target: torch.Tensor, count: int) -> torch.Tensor:
    """Draw a class that is not explained for each clip, ``[batch]``, seeded by its ID."""
    draws = [1 + clip_seed(clip_id, "name") % max(1, count - 1) for clip_id in ids]
    return (target + torch.tensor(draws, device=target.device)) % count


@torch.no_grad()
def mean_features(
    model: InterpreterNetwork, items: Sequence[EvaluationItem], seconds: float, batch_size: int
) -> DecoderFeatures:
    """Average the decoder features over items."""
    device, total = model.classifier.domain.positions.device, None
    for part in chunks(items, batch_size):
        features = model.features(_encode(model, part, seconds, device))
        parts = (*features.hidden, features.log_power)
        sums = [maps.float().sum(dim=0, keepdim=True) for maps in parts]
        total = sums if total is None else [a + b for a, b in zip(total, sums)]
    *hidden, level = (maps / len(items) for maps in total or ())
    return DecoderFeatures(tuple(hidden), level)


def chunks(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Split a sequence into chunks.

    Example
    -------
    >>> list(chunks([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    return (items[start : start + size] for start in range(0, len(items), size))
