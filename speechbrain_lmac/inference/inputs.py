"""Checks of waveforms, of folders and of a model's output."""

from pathlib import Path
from typing import Any

import torch

from speechbrain_lmac.audio.checks import check_samples
from speechbrain_lmac.audio.source import AudioSource
from speechbrain_lmac.reports.annotations import RegionRule
from speechbrain_lmac.utils.errors import InputError, first_line


def as_source(sound: Any, sample_rate: int | None = None) -> AudioSource:
    """Return a sound as an AudioSource; one that is an AudioSource is returned as it is."""
    return sound if isinstance(sound, AudioSource) else AudioSource(sound, sample_rate)


def as_floats(values: Any) -> torch.Tensor:
    """Return samples as a dense floating-point tensor on the CPU."""
    tensor = as_dense(values)
    if not tensor.is_floating_point():
        raise InputError(
            f"wavs must be floats of full scale 1, got {tensor.dtype}. Divide integers by their "
            "full scale"
        )
    return tensor


def as_dense(values: Any) -> torch.Tensor:
    """Return values as a dense tensor on the CPU; InputError if they are not an array."""
    try:
        tensor = torch.as_tensor(values).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"wavs must be an array of numbers: {first_line(error)}") from error
    if tensor.layout != torch.strided:
        raise InputError(f"wavs must be dense, got {tensor.layout}")
    return tensor


def as_clip(wav: Any) -> torch.Tensor:
    """Return the samples of one clip, ``[time]``, checked."""
    clip = as_floats(wav)
    if clip.dim() != 1:
        raise InputError(f"wav must be [time], got {list(clip.shape)}")
    return check_samples(clip.float())


def as_clips(wavs: Any, wav_lens: Any = None) -> list[torch.Tensor]:
    """Return the clips of a batch without padding, checked.

    Arguments
    ---------
    wavs : torch.Tensor
        Waveforms, ``[batch, time]``.
    wav_lens : torch.Tensor
        Length of each clip as a fraction of the longest, ``[batch]``. Default: no padding.

    Returns
    -------
    list of torch.Tensor
        Clips, ``[time]`` each.
    """
    batch = as_floats(wavs)
    if batch.dim() != 2 or not len(batch):
        raise InputError(f"wavs must be [batch, time], got {list(batch.shape)}")
    lengths = torch.ones(len(batch)) if wav_lens is None else as_dense(wav_lens)
    if lengths.shape != batch.shape[:1] or not ((lengths > 0) & (lengths <= 1)).all():
        raise InputError(
            f"wav_lens must be {len(batch)} fractions above 0 and at most 1, got {lengths.tolist()}"
        )
    samples = (lengths * batch.shape[1]).round().long().tolist()
    return [
        check_samples(wav[:length].float().cpu(), f"clip {i}")
        for i, (wav, length) in enumerate(zip(batch, samples))
    ]


def check_folder_name(folder: str | Path) -> None:
    """Raise InputError if the name of an output folder is empty."""
    if not str(folder).strip():
        raise InputError("the output folder must have a name, got none. Give one, or '.'")


def check_rule(rule: RegionRule) -> RegionRule:
    """Return a rule for regions; InputError if one of its values is out of its range."""
    if not 0 < rule.threshold <= 1:
        raise InputError(f"threshold must be above 0 and at most 1, got {rule.threshold!r}")
    for name in ("merge_gap", "min_duration"):
        value = getattr(rule, name)
        if not 0 <= value < float("inf"):
            raise InputError(f"{name} must be a finite number from 0 on, got {value!r}")
    return rule


def check_finite(name: str, *values: torch.Tensor) -> None:
    """Raise InputError if an output of the model has NaN or infinite values.

    Arguments
    ---------
    name : str
        Name of the output.
    *values : torch.Tensor
        Output.
    """
    if not all(value.isfinite().all() for value in values):
        raise InputError(
            f"{name} of this model must be finite. Check its weights and the level of the sound"
        )
