"""Ground truth on mixtures of known stems: does the explanation show the source that is asked for?

One value per clip. Powers are of the stems on the plane of the masks, ``[batch, frames, bins]``:
``own`` of the source that the prompt names, ``rest`` of all others. Localization is not
faithfulness: where the CLAP is wrong, a faithful explanation gives back what misled it.
"""

from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import rankdata

from speechbrain_lmac.metrics.faithfulness import si_sdr
from speechbrain_lmac.utils.errors import InputError


def si_sdr_improvement(estimate, mixture, own):
    """SI-SDRi: how much more an explanation sounds like the source than the mixture does, in dB.

    Arguments
    ---------
    estimate, mixture, own : torch.Tensor
        ``[..., time]``: the explanation, the clip, the source that the prompt names.

    Returns
    -------
    torch.Tensor
        ``[...]``; minus infinity for a silent explanation, NaN where the source is silent, for
        there is no truth.
    """
    return si_sdr(estimate, own) - si_sdr(mixture, own)


def energy_share(mask, own_power, rest_power):
    """Of the energy that a mask keeps, the share that is the prompted source's.

    ``sum(M^2 P r) / sum(M^2 P)``, with ``P = own + rest`` and ``r = own / P``: stems are taken to
    add in power. A mask of ones has the source's share of the mixture.

    Arguments
    ---------
    mask : torch.Tensor
        ``[batch, frames, bins]`` in [0, 1].
    own_power, rest_power : torch.Tensor
        Like ``mask``.

    Returns
    -------
    torch.Tensor
        ``[batch]``, 0 to 1; 0 for a silent mask.

    Example
    -------
    >>> own, rest = torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[1.0, 4.0]]])
    >>> energy_share(torch.tensor([[[1.0, 0.0]]]), own, rest)
    tensor([0.7500])
    """
    return _share(mask, own_power, own_power + rest_power)


def pointing(ranks, own_power, rest_power):
    """Pointing game (Zhang et al., 2018): is the source the louder one where the map peaks?

    Arguments
    ---------
    ranks : torch.Tensor
        ``[batch, frames, bins]``, of :func:`~speechbrain_lmac.metrics.top_k.rank_bins`, by which
        ties have fallen already.
    own_power, rest_power : torch.Tensor
        Like ``ranks``.

    Returns
    -------
    torch.Tensor
        ``[batch]`` of 0.0 and 1.0.
    """
    best = ranks.flatten(1).argmin(dim=1, keepdim=True)
    return (own_power > rest_power).flatten(1).gather(1, best).squeeze(1).float()


def _share(mask, part, whole):
    """Of what a mask keeps of ``whole``, the share that is ``part``; 0 where it keeps nothing."""
    gains = mask.double().square()
    kept, of_part = ((gains * power).flatten(1).sum(dim=1) for power in (whole, part))
    return (of_part / torch.where(kept > 0, kept, 1.0)).float()


class PromptSwap(NamedTuple):
    """Whether masks follow the prompt, ``[batch]`` both."""

    dominant: torch.Tensor
    """1 where every prompt's explanation is most like its own stem, else 0."""
    difference: torch.Tensor
    """By how many dB it is more like its own stem than like the others, the mean over prompts.
    NaN where an explanation is silent."""


def prompt_swap(matrix):
    """The same mixtures under the prompt of each of their stems.

    Arguments
    ---------
    matrix : torch.Tensor
        SI-SDR, or its improvement, in dB: ``[batch, prompts, stems]``, the stem of each prompt on
        the diagonal.

    Returns
    -------
    PromptSwap

    Raises
    ------
    InputError
        If there is not one prompt for each of at least two stems.

    Example
    -------
    >>> prompt_swap(torch.tensor([[[9.0, 1.0], [2.0, 6.0]]]))
    PromptSwap(dominant=tensor([1.]), difference=tensor([6.]))
    """
    prompts, stems = matrix.shape[-2:]
    if prompts != stems or stems < 2:
        raise InputError(f"a prompt for each stem is needed, not {prompts} for {stems}")
    own = matrix.diagonal(dim1=-2, dim2=-1)
    others = ~torch.eye(stems, dtype=torch.bool, device=matrix.device)
    rest = matrix[..., others].unflatten(-1, (stems, stems - 1))
    dominant = (own > rest.amax(dim=-1)).all(dim=-1)
    return PromptSwap(dominant.float(), (own - rest.mean(dim=-1)).mean(dim=-1))


def presence_auc(scores, present):
    """How well scores tell prompts of sounds that are there from those that are not.

    Area under the ROC curve, by ranks (Mann and Whitney): the chance that a present one scores
    higher than an absent one, ties counted half.

    Arguments
    ---------
    scores : array-like
        ``[items]``.
    present : array-like
        ``[items]`` of bool.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If none is present, or none absent.

    Example
    -------
    >>> presence_auc([0.9, 0.4, 0.4, 0.1], [True, True, False, False])
    0.875
    """
    scores, present = (np.asarray(values) for values in (scores, present))
    present = present.astype(bool)
    there, absent = int(present.sum()), int((~present).sum())
    if not there or not absent:
        raise InputError(f"presence needs both kinds of prompts; {there} present, {absent} absent")
    above = rankdata(scores)[present].sum() - there * (there + 1) / 2
    return float(above / (there * absent))
