"""Geometry of a mel filterbank: positions of linear bins, and gains per bin from gains per band."""

import torch
from torch.nn.functional import one_hot


def mel_positions(filterbank: torch.Tensor) -> torch.Tensor:
    """Position of each linear bin on the band axis of a filterbank, from the band centroids.

    Arguments
    ---------
    filterbank : torch.Tensor
        Mel weights, ``[bins, bands]``.

    Returns
    -------
    torch.Tensor
        Positions, 0 to 1 and non-decreasing, ``[bins]``.
    """
    low, high, fraction = _bands_around(filterbank)
    return (low + fraction * (high - low) + 0.5) / filterbank.shape[1]


def _bands_around(
    filterbank: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Bands whose centroids enclose each linear bin, and the bin's fraction of the way between.

    A band too narrow for any bin has no centroid. The first band stands for all bands that share
    their only bin.
    """
    total = filterbank.sum(dim=0)
    (bands,) = total.nonzero(as_tuple=True)
    bin_index = torch.arange(len(filterbank), dtype=filterbank.dtype, device=filterbank.device)
    centroids = (bin_index @ filterbank)[bands] / total[bands]
    rising = centroids.diff(prepend=centroids[:1] - 1) > 0
    bands, centroids = bands[rising], centroids[rising]
    above = torch.searchsorted(centroids, bin_index).clamp(1, len(bands) - 1)
    low, high = centroids[above - 1], centroids[above]
    return bands[above - 1], bands[above], ((bin_index - low) / (high - low)).clamp(0, 1)


def band_to_bin_weights(filterbank: torch.Tensor) -> torch.Tensor:
    """Weights that turn a gain per band into a gain per linear bin.

    Arguments
    ---------
    filterbank : torch.Tensor
        Mel weights, ``[bins, bands]``.

    Returns
    -------
    torch.Tensor
        Weights, ``[bands, bins]``. Each column sums to 1, so a mask of ones leaves the clip as it
        is.
    """
    total = filterbank.sum(dim=1, keepdim=True)
    low, high, fraction = _bands_around(filterbank)
    nearest = torch.where(fraction < 0.5, low, high)
    alone = one_hot(nearest, filterbank.shape[1]).to(filterbank.dtype)
    return torch.where(total > 0, filterbank / total.clamp(min=1e-12), alone).T.contiguous()
