"""Randomization checks: an explanation that survives a random model explains nothing.

Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018. Parts of the model are
re-initialized and maps compared with those of the model as it was. Re-initialized means that the
entries of every weight tensor, and a batch norm's statistics, are permuted by a seeded draw: what
was learnt is gone, and the distribution of the weights is kept, so that signals neither die nor
explode on their way and a map does not change for that reason alone. A tensor whose entries are
all alike stays as it is.
"""

import copy
import zlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import normalize

from speechbrain_lmac.metrics.top_k import as_masks, mean_ranks
from speechbrain_lmac.utils.errors import InputError

WINDOW, SIGMA = 11, 1.5
"""Of SSIM's Gaussian window, in cells."""
LUMINANCE, CONTRAST = 0.01**2, 0.03**2
"""SSIM's constants, for values in [0, 1]."""


NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
"""Modules whose statistics are learnt, and are no parameters."""


class Stage(NamedTuple):
    """One check: what is random, and how to get it."""

    name: str
    model: Callable
    """() -> InterpreterNetwork with that part re-initialized. Clips have to be analyzed by it
    anew."""
    text: Callable
    """Embeddings of the names ``[prompts, dim]`` -> those that this stage's explainers get."""


def stages(model, seed=0):
    """All checks in order: the prompts alone, the decoder alone, then the audio encoder.

    The audio encoder's blocks are re-initialized from the output down, each stage with all blocks
    of the stages before it (cascading).

    Arguments
    ---------
    model : InterpreterNetwork
        Left as it is; what a stage does not re-initialize is shared with it.
    seed : int
        Of all draws.

    Returns
    -------
    list of Stage

    Example
    -------
    >>> from speechbrain_lmac.models.clap.mini import MiniCLAP
    >>> from speechbrain_lmac.masking.decoder import MaskDecoder
    >>> from speechbrain_lmac.masking.interpreter_network import InterpreterNetwork
    >>> from speechbrain_lmac.masking.masked_classifier import MaskedClassifier
    >>> from speechbrain_lmac.masking.domains import MelDomain
    >>> clap = MiniCLAP()
    >>> decoder = MaskDecoder(clap.hidden_channels, clap.query_dim)
    >>> model = InterpreterNetwork(MaskedClassifier(MelDomain(clap)), decoder)
    >>> [stage.name for stage in stages(model)]
    ['text', 'decoder', 'audio-1', 'audio-2', 'audio-3', 'audio-4', 'audio-5', 'audio-6']
    """
    alone = [
        Stage("text", lambda: model, partial(random_text, seed=seed)),
        Stage("decoder", partial(randomized, model, _decoder, seed), _as_it_is),
    ]
    cascade = [
        Stage(f"audio-{depth}", partial(randomized, model, partial(_top, depth), seed), _as_it_is)
        for depth in range(1, 1 + len(model.classifier.audio_classifier.audio_blocks))
    ]
    return alone + cascade


def _decoder(model):
    return [model.decoder]


def _top(depth, model):
    return model.classifier.audio_classifier.audio_blocks[:depth]


def _as_it_is(text):
    return text


def randomized(model, blocks, seed):
    """A copy of a model with some of its modules re-initialized.

    Arguments
    ---------
    model : torch.nn.Module
        Left as it is.
    blocks : callable
        Model -> sequence of its modules to re-initialize. A module is drawn by its place in it.
    seed : int
        Of the draws.

    Returns
    -------
    torch.nn.Module
        It shares all other tensors with ``model``.
    """
    changed = {id(tensor) for block in blocks(model) for tensor in weights(block)}
    kept = [*model.parameters(), *model.buffers()]
    shared = {id(tensor): tensor for tensor in kept if id(tensor) not in changed}
    twin = copy.deepcopy(model, shared)
    for place, block in enumerate(blocks(twin)):
        permute(block, zlib.crc32(f"{seed}/{place}".encode()))
    return twin


@torch.no_grad()
def permute(module, seed):
    """Permute the entries of each of a module's weights, in place, by a seeded draw."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in weights(module):
        order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
        tensor.copy_(tensor.flatten()[order].view(tensor.shape))


def weights(module):
    """All that is learnt in a module, in order: its parameters and batch norms' statistics."""
    norms = [part for part in module.modules() if isinstance(part, NORMS)]
    statistics = [value for norm in norms for value in (norm.running_mean, norm.running_var)]
    return [*module.parameters(), *(value for value in statistics if value is not None)]


def random_text(text, seed=0):
    """Random unit vectors in the place of embeddings, each drawn by its place alone.

    Arguments
    ---------
    text : torch.Tensor
        Of the names that clips are scored against, ``[prompts, dim]``: all of them, so that a
        name's vector is the same for every clip.
    seed : int
        Of the draws.

    Returns
    -------
    torch.Tensor
        Like ``text``.
    """
    seeds = [zlib.crc32(f"{seed}/text/{place}".encode()) for place in range(len(text))]
    draws = [
        torch.randn(text.shape[1], generator=torch.Generator().manual_seed(own)) for own in seeds
    ]
    return normalize(torch.stack(draws), dim=-1).to(text)


def spearman(first, second):
    """Rank correlation of maps, ties averaged.

    Arguments
    ---------
    first, second : torch.Tensor
        ``[batch, frames, bins]``.

    Returns
    -------
    torch.Tensor
        ``[batch]``, -1 to 1. A constant map ranks nothing: 0 with any other, 1 with another
        constant one, so that maps which are always the same are seen to survive.

    Example
    -------
    >>> spearman(torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[1.0, 4.0, 9.0]]]))
    tensor([1.])
    """
    return (unit_ranks(first) * unit_ranks(second)).sum(dim=1).float()


def unit_ranks(maps):
    """Ranks as vectors whose inner products are rank correlations.

    Arguments
    ---------
    maps : torch.Tensor
        ``[batch, frames, bins]``.

    Returns
    -------
    torch.Tensor
        ``[batch, cells + 1]``, double: centered ranks of unit norm, and 0; for a constant map all
        zeros, and 1.
    """
    ranks = torch.stack([mean_ranks(cells) for cells in maps.float().flatten(1)])
    centered = ranks - (ranks.shape[1] - 1) / 2
    constant = (centered == 0).all(dim=1, keepdim=True).double()
    return torch.cat([normalize(centered, dim=1), constant], dim=1)


def ssim(first, second):
    """Structural similarity of maps (Wang et al., 2004), each scaled to gains first.

    Arguments
    ---------
    first, second : torch.Tensor
        ``[batch, frames, bins]``, at least 0.

    Returns
    -------
    torch.Tensor
        ``[batch]``, at most 1: the mean over all places where a Gaussian window of 11 x 11 cells
        lies within the map.

    Raises
    ------
    InputError
        If the maps are smaller than that.
    """
    if min(first.shape[1:]) < WINDOW:
        frames, bins = first.shape[1:]
        raise InputError(
            f"SSIM needs maps of {WINDOW} frames and bins, not {frames} x {bins}; take longer clips"
        )
    one, two = as_masks(first), as_masks(second)
    products = torch.stack([one, two, one * one, two * two, one * two], dim=1)
    mean_1, mean_2, square_1, square_2, cross = _blur(products).unbind(dim=1)
    variances = (square_1 - mean_1**2).clamp(min=0) + (square_2 - mean_2**2).clamp(min=0)
    covariance = cross - mean_1 * mean_2
    luminance = (2 * mean_1 * mean_2 + LUMINANCE) / (mean_1**2 + mean_2**2 + LUMINANCE)
    structure = (2 * covariance + CONTRAST) / (variances + CONTRAST)
    return (luminance * structure).flatten(1).mean(dim=1)


def _blur(maps):
    """Gaussian mean around each cell of ``[..., frames, bins]``, edges left out: as two matrix
    products, which a CPU does faster than a convolution of one channel.
    """
    down, across = (_band(size, maps) for size in maps.shape[-2:])
    return down @ maps @ across.T


def _band(size, like):
    """Means around the places of an axis, ``[size - WINDOW + 1, size]``."""
    offset = torch.arange(WINDOW, device=like.device, dtype=like.dtype) - WINDOW // 2
    bell = torch.exp(-(offset**2) / (2 * SIGMA**2))
    bell = bell / bell.sum()
    center = torch.arange(size - WINDOW + 1, device=like.device).unsqueeze(1) + WINDOW // 2
    place = torch.arange(size, device=like.device) - center + WINDOW // 2
    inside = (place >= 0) & (place < WINDOW)
    return torch.where(inside, bell[place.clamp(0, WINDOW - 1)], 0.0)
