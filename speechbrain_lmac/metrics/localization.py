"""Localization metrics: agreement of an explanation with the known sources of a mixture.

One value per clip. ``target_power`` and ``residual_power`` are the power of the source that the
prompt names and of all other sources, ``[batch, frames, bins]``, in the masking domain.
Localization is not faithfulness: if the classifier is wrong, a faithful explanation shows the
sound that misled it.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import mannwhitneyu

from speechbrain_lmac.metrics.faithfulness import si_sdr
from speechbrain_lmac.utils.errors import InputError


def si_sdr_improvement(
    estimate: torch.Tensor, mixture: torch.Tensor, target: torch.Tensor
) -> torch.Tensor:
    """SI-SDRi: SI-SDR of the explanation less SI-SDR of the mixture, in dB.

    Arguments
    ---------
    estimate, mixture, target : torch.Tensor
        Waveforms of the explanation, the clip and the target source, ``[..., time]``.

    Returns
    -------
    torch.Tensor
        Improvements in dB, ``[...]``: minus infinity for a silent explanation, NaN for a silent
        target source.
    """
    return si_sdr(estimate, target) - si_sdr(mixture, target)


def target_energy_fraction(
    mask: torch.Tensor, target_power: torch.Tensor, residual_power: torch.Tensor
) -> torch.Tensor:
    """Compute the fraction of the masked-in energy that belongs to the target source.

    ``sum(M^2 P r) / sum(M^2 P)``, with ``P = target + residual`` and ``r = target / P``. Sources
    are assumed to add in power. A full mask has the target's fraction of the mixture.

    Arguments
    ---------
    mask : torch.Tensor
        Mask in [0, 1], ``[batch, frames, bins]``.
    target_power, residual_power : torch.Tensor
        Power of the target source and of all other sources, ``[batch, frames, bins]``.

    Returns
    -------
    torch.Tensor
        Fractions in [0, 1], ``[batch]``; 0 for a silent mask.

    Example
    -------
    >>> target, residual = torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[1.0, 4.0]]])
    >>> target_energy_fraction(torch.tensor([[[1.0, 0.0]]]), target, residual)
    tensor([0.7500])
    """
    gains = mask.double().square()
    total, target = (
        (gains * power).flatten(1).sum(dim=1)
        for power in (target_power + residual_power, target_power)
    )
    return (target / torch.where(total > 0, total, 1.0)).float()


def pointing_game(
    ranks: torch.Tensor, target_power: torch.Tensor, residual_power: torch.Tensor
) -> torch.Tensor:
    """Pointing game (Zhang et al., 2018): is the target source louder at the peak of the map?

    Arguments
    ---------
    ranks : torch.Tensor
        Ranks from :func:`~speechbrain_lmac.metrics.top_k.rank_bins`, ``[batch, frames, bins]``.
    target_power, residual_power : torch.Tensor
        Power of the target source and of all other sources, ``[batch, frames, bins]``.

    Returns
    -------
    torch.Tensor
        0.0 or 1.0 for each clip, ``[batch]``.
    """
    best = ranks.flatten(1).argmin(dim=1, keepdim=True)
    return (target_power > residual_power).flatten(1).gather(1, best).squeeze(1).float()


class PromptSwap(NamedTuple):
    """Agreement of explanations with their prompts on mixtures, one value per mixture."""

    dominant: torch.Tensor
    """``[batch]``: 1 if every prompt's explanation is most similar to its own source, else 0."""
    difference: torch.Tensor
    """``[batch]``: SI-SDR to the prompt's own source less that to the other sources, in dB, mean
    over prompts. NaN if an explanation is silent."""


def prompt_swap(matrix: torch.Tensor) -> PromptSwap:
    """Compare explanations of the same mixtures under the prompt of each of their sources.

    Arguments
    ---------
    matrix : torch.Tensor
        SI-SDR or SI-SDRi in dB, ``[batch, prompts, sources]``, the source of each prompt on the
        diagonal.

    Returns
    -------
    PromptSwap

    Raises
    ------
    InputError
        If there is not one prompt for each of at least two sources.

    Example
    -------
    >>> prompt_swap(torch.tensor([[[9.0, 1.0], [2.0, 6.0]]]))
    PromptSwap(dominant=tensor([1.]), difference=tensor([6.]))
    """
    prompts, sources = matrix.shape[-2:]
    if prompts != sources or sources < 2:
        raise InputError(
            f"matrix must have one prompt for each of at least two sources, got {prompts} prompts "
            f"for {sources} sources"
        )
    target = matrix.diagonal(dim1=-2, dim2=-1)
    off_diagonal = ~torch.eye(sources, dtype=torch.bool, device=matrix.device)
    residual = matrix[..., off_diagonal].unflatten(-1, (sources, sources - 1))
    dominant = (target > residual.amax(dim=-1)).all(dim=-1)
    return PromptSwap(dominant.float(), (target - residual.mean(dim=-1)).mean(dim=-1))


def presence_auc(scores: ArrayLike, present: ArrayLike) -> float:
    """Compute the area under the ROC curve of scores that detect present sounds.

    This is the probability that a present prompt scores higher than an absent one, ties counted
    half (the Mann-Whitney statistic).

    Arguments
    ---------
    scores : array-like
        Score of each prompt, ``[items]``.
    present : array-like
        True where the prompt names a sound of the clip, ``[items]``.

    Returns
    -------
    float
        Area in [0, 1]; 0.5 is chance.

    Raises
    ------
    InputError
        If all prompts are present, or all absent.

    Example
    -------
    >>> presence_auc([0.9, 0.4, 0.4, 0.1], [True, True, False, False])
    0.875
    """
    scores, present = np.asarray(scores), np.asarray(present).astype(bool)
    num_present, num_absent = int(present.sum()), int((~present).sum())
    if not num_present or not num_absent:
        raise InputError(
            "presence needs present and absent prompts, got "
            f"{num_present} present and {num_absent} absent"
        )
    statistic = mannwhitneyu(scores[present], scores[~present]).statistic
    return float(statistic / (num_present * num_absent))
