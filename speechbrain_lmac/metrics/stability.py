"""How much a map changes when the clip, or the wording of the prompt, hardly does."""

from typing import NamedTuple

import torch

from speechbrain_lmac.metrics.randomization import unit_ranks

QUIETER_DB = -6.0
NOISE_DB = -40.0
"""Of white noise against the clip."""


def perturbed(wavs, seeds):
    """Clips changed so little that nobody would explain them otherwise.

    Their maps are held against the clip's own by
    :func:`~speechbrain_lmac.metrics.randomization.spearman`.

    Arguments
    ---------
    wavs : torch.Tensor
        ``[batch, time]``.
    seeds : sequence of int
        One for each clip, of its noise.

    Returns
    -------
    dict
        Name -> ``[batch, time]``: ``quieter``, by 6 dB, and ``noise``, with white noise 40 dB
        below the clip.
    """
    noise = torch.stack(
        [
            torch.randn(wavs.shape[1], generator=torch.Generator().manual_seed(seed + 2))
            for seed in seeds
        ]
    ).to(wavs)
    level = wavs.square().mean(dim=1, keepdim=True) / noise.square().mean(dim=1, keepdim=True)
    return {
        "quieter": wavs * 10 ** (QUIETER_DB / 20),
        "noise": wavs + noise * level.sqrt() * 10 ** (NOISE_DB / 20),
    }


class PromptSensitivity(NamedTuple):
    """All pairs of prompts of one clip, ``[pairs]`` both."""

    cosine: torch.Tensor
    """Of the two prompts."""
    spearman: torch.Tensor
    """Of their maps."""


def prompt_sensitivity(maps, text):
    """Do prompts that are alike have maps that are alike? All pairs of the prompts of one clip.

    Arguments
    ---------
    maps : torch.Tensor
        Of one clip, ``[prompts, frames, bins]``.
    text : torch.Tensor
        ``[prompts, dim]``, unit norm.

    Returns
    -------
    PromptSensitivity

    Example
    -------
    >>> maps = torch.tensor([[[1.0, 2.0, 3.0]], [[2.0, 3.0, 4.0]], [[3.0, 2.0, 1.0]]])
    >>> prompt_sensitivity(maps, torch.eye(3)).spearman
    tensor([ 1., -1., -1.])
    """
    ranks = unit_ranks(maps)
    first, second = torch.triu_indices(len(maps), len(maps), offset=1, device=maps.device)
    likeness = (ranks @ ranks.T).float()
    return PromptSensitivity((text @ text.T)[first, second], likeness[first, second])
