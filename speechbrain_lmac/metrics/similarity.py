"""Similarity of attribution maps, and perturbations under which maps should be stable."""

from collections.abc import Sequence

import torch
from scipy.stats import rankdata
from torch.nn.functional import normalize

from speechbrain_lmac.metrics.top_k import normalize_attributions
from speechbrain_lmac.utils.errors import InputError

WINDOW = 11
"""Size of the Gaussian window of SSIM (standard deviation 1.5), in frames and bins."""
QUIETER_DB = -6.0
NOISE_DB = -40.0
"""Level of the white noise relative to the clip."""


def spearman(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Compute the rank correlation of maps. Ties get their mean rank.

    Arguments
    ---------
    first, second : torch.Tensor
        Attribution maps, ``[batch, frames, bins]``.

    Returns
    -------
    torch.Tensor
        Correlations in [-1, 1], ``[batch]``. A constant map has correlation 0 with any other map
        and 1 with another constant map, so that maps which never change count as unchanged.

    Example
    -------
    >>> spearman(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[1.0, 4.0, 9.0]]]))
    tensor([1.])
    """
    return (unit_ranks(first) * unit_ranks(second)).sum(dim=1).float()


def unit_ranks(maps: torch.Tensor) -> torch.Tensor:
    """Turn maps into vectors whose inner products are rank correlations.

    Arguments
    ---------
    maps : torch.Tensor
        Attribution maps, ``[batch, frames, bins]``.

    Returns
    -------
    torch.Tensor
        ``[batch, frames * bins + 1]``, double: centered ranks of unit norm followed by 0. A
        constant map has zeros followed by 1.
    """
    ranks = torch.from_numpy(rankdata(maps.float().flatten(1).cpu().numpy(), axis=1))
    centered = ranks.to(maps.device).double() - (ranks.shape[1] + 1) / 2
    constant = (centered == 0).all(dim=1, keepdim=True).double()
    return torch.cat([normalize(centered, dim=1), constant], dim=1)


def ssim(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Compute the structural similarity (Wang et al., 2004) of maps scaled to a maximum of 1.

    Arguments
    ---------
    first, second : torch.Tensor
        Non-negative attribution maps, ``[batch, frames, bins]``.

    Returns
    -------
    torch.Tensor
        Mean SSIM over the positions at which an 11 x 11 window lies inside the map, ``[batch]``,
        at most 1.

    Raises
    ------
    InputError
        If the maps are smaller than the window.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # slow

    frames, bins = first.shape[1:]
    if min(frames, bins) < WINDOW:
        raise InputError(
            f"SSIM needs maps of at least {WINDOW} x {WINDOW} frames and bins, got {frames} x "
            f"{bins}. Use longer clips"
        )
    one, two = (normalize_attributions(maps).unsqueeze(1) for maps in (first, second))
    _, image = structural_similarity_index_measure(
        one, two, data_range=1.0, reduction="none", return_full_image=True
    )
    border = WINDOW // 2  # torchmetrics mirrors the map beyond its edges
    return image[:, 0, border:-border, border:-border].mean(dim=(1, 2))


def perturbed(wavs: torch.Tensor, seeds: Sequence[int]) -> dict[str, torch.Tensor]:
    """Change clips so little that their explanations should stay the same.

    Arguments
    ---------
    wavs : torch.Tensor
        Waveforms, ``[batch, time]``.
    seeds : sequence of int
        Noise seed of each clip.

    Returns
    -------
    dict
        ``quieter``: the clips attenuated by 6 dB. ``noise``: the clips with white noise 40 dB
        below them. Both ``[batch, time]``.
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
