"""From what an encoder heard and a prompt to a mask."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import gelu, interpolate

from speechbrain_lmac.masking.grid import pool_to_grid, upsample_to_grid
from speechbrain_lmac.utils.errors import InputError

BOUND = 8.0
"""No logit is greater, so that cells keep their order in float32."""
AT_ONCE = 4
"""Prompts whose masks are made together: more do not stay in a processor's cache."""
WEIGHTS_AT_START = (0.3, 0.0)
"""Of a cell's level, and of what stands out, in an untrained decoder: loud cells first."""


class DecoderFeatures(NamedTuple):
    """What a decoder goes by."""

    hidden: tuple
    """The encoder's maps ``[batch, channels, frames', bins']``, deepest first."""
    level: torch.Tensor
    """Of the plane's cells, ``[batch, frames, bins]``, of
    :func:`~speechbrain_lmac.masking.log_power.level`."""


def channel_dropout(evidence, share, draws):
    """Leave channels of the encoder's maps out, others of each clip, and raise the rest.

    A decoder that learns from some hundred clips would otherwise go by channels that tell these
    clips from one another (spatial dropout: Tompson et al., CVPR 2015).

    Arguments
    ---------
    evidence : DecoderFeatures
        Of ``batch`` clips.
    share : float
        Of channels, 0 to below 1; 0 leaves all as they are.
    draws : list of random.Random
        One per clip, so that a clip loses the same channels in whatever batch or process.

    Returns
    -------
    Evidence

    Example
    -------
    >>> import random
    >>> whole = DecoderFeatures((torch.ones(1, 8, 2, 2),), torch.zeros(1, 9, 9))
    >>> thinned = channel_dropout(whole, 0.5, [random.Random(1)])
    >>> sorted(set(thinned.hidden[0].flatten().tolist()))
    [0.0, 2.0]
    """
    if not share:
        return evidence
    generators = [torch.Generator().manual_seed(rng.getrandbits(63)) for rng in draws]
    hidden = []
    for maps in evidence.hidden:
        drawn = torch.stack([torch.rand(maps.shape[1], generator=own) for own in generators])
        gain = (drawn >= share).to(maps) / (1 - share)
        hidden.append(maps * gain[..., None, None])
    return evidence._replace(hidden=tuple(hidden))


class MaskDecoder(nn.Module):
    """A U-Net over an encoder's hidden maps, steered by the prompt at every scale.

    The audio side goes from the deepest map up, adding each shallower one; it is computed once
    per clip. The text side goes up the same scales with few operations and is computed for
    every pair of prompt and clip. It ends in coarse maps: a logit, and weights for the level of the
    plane's cells and for how a cell's level stands out from its surroundings. The prompt says
    where, the level which of the cells there. Any encoder, any number of frames: the grid says
    where the mask's cells are, and the coarse maps are interpolated once, at the end.

    Statement of the job: LMAC-ZS, NeurIPS 2024; the conditioning (FiLM per scale, Perez et
    al., AAAI 2018) and the level are ours, as the authors did not publish theirs.

    Arguments
    ---------
    hidden_channels : sequence of int
        Channels of the hidden maps, deepest first.
    text_dim : int
        Size of a text embedding.
    channels : int or sequence of int
        Width of the decoder, at every scale or at each, deepest first; multiples of 4. Deep maps
        are small: width costs little there, and most of the time at the largest.
    scales : int
        How many of the hidden maps it goes by, from the deepest; all by default. The shallowest
        is the largest, and most of the time.

    Example
    -------
    >>> decoder = MaskDecoder(hidden_channels=[64, 32], text_dim=16, channels=8)
    >>> hidden = (torch.randn(2, 64, 10, 4), torch.randn(2, 32, 20, 8))
    >>> evidence = DecoderFeatures(hidden, torch.randn(2, 77, 40))
    >>> from speechbrain_lmac.masking.grid import Grid
    >>> grid = Grid(torch.linspace(0, 1, 77).unsqueeze(0), torch.linspace(0, 1, 40), torch.ones(40))
    >>> decoder(evidence, torch.randn(3, 1, 16), grid).shape
    torch.Size([3, 2, 77, 40])
    """

    def __init__(self, hidden_channels, text_dim, channels=32, scales=None):
        super().__init__()
        hidden_channels = list(hidden_channels)
        if scales is not None and scales not in range(1, len(hidden_channels) + 1):
            raise InputError(
                f"num_scales must be 1 to {len(hidden_channels)} or null, got {scales!r}. "
                "The classifier has no more hidden maps"
            )
        hidden_channels = hidden_channels[:scales]
        widths = _widths(channels, len(hidden_channels))
        steps = list(pairwise(widths))
        self.config = {
            "hidden_channels": hidden_channels,
            "text_dim": text_dim,
            "channels": channels,
        }
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(hidden, width, 1), nn.GroupNorm(4, width))
            for hidden, width in zip(hidden_channels, widths)
        )
        self.rises = nn.ModuleList(
            nn.Identity() if below == width else nn.Conv2d(below, width, 1)
            for below, width in steps
        )
        self.merges = nn.ModuleList(_merge(width) for width in widths[:-1])
        self.merges.append(_convolution(widths[-1]))  # of the largest map: half of the time saved
        self.films = nn.ModuleList(nn.Linear(text_dim, 2 * width) for width in widths)
        self.mixers = nn.ModuleList(nn.Conv2d(below, width, 1) for below, width in steps)
        self.loudness = nn.Conv2d(1, widths[-1], 1)
        self.head = nn.Conv2d(widths[-1], 3, 1)
        with torch.no_grad():  # at random, levels lead astray before the maps have a say
            self.head.weight[1:].zero_()
            self.head.bias[1:] = torch.tensor(WEIGHTS_AT_START)
        self.to(memory_format=torch.channels_last)

    def forward(self, evidence, text, grid):
        """Masks of every clip for every prompt.

        Arguments
        ---------
        evidence : DecoderFeatures
            Of ``batch`` clips.
        text : torch.Tensor
            ``[texts, 1, dim]`` for all pairs, or ``[texts, batch, dim]``.
        grid : Grid
            Cells of the mask.

        Returns
        -------
        torch.Tensor
            ``[texts, batch, frames, bins]`` in (0, 1); 0 in cells that the encoder never hears.
        """
        pyramid, around = self.encode_features(evidence, grid)
        parts = [
            as_mask(self._logits(pyramid, around, evidence.level, part, grid), grid)
            for part in text.split(AT_ONCE)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def logits(self, evidence, text, grid):
        """What masks are made of by :func:`as_mask`, as they are: ``[texts, batch, frames, bins]``.

        The arguments are those of :meth:`forward`.
        """
        pyramid, around = self.encode_features(evidence, grid)
        return self._logits(pyramid, around, evidence.level, text, grid)

    def _logits(self, pyramid, around, level, text, grid):
        logit, loud, standing_out = self.condition_on_query(pyramid, text).unbind(dim=2)
        # standing_out * (level - around), of which all but the level is coarse
        coarse = torch.stack([logit - standing_out * around, loud + standing_out])
        offset, weight = upsample_to_grid(coarse.flatten(0, 2), grid).unflatten(0, coarse.shape[:3])
        return torch.addcmul(offset, weight, level, out=_instead_of(offset))

    @torch.no_grad()
    def rescale(self, temperature, offset):
        """Divide all logits by a temperature, then add an offset. Cells keep their order."""
        self.head.weight.div_(temperature)
        self.head.bias.div_(temperature)
        self.head.bias[0] += offset

    def encode_features(self, evidence, grid):
        """What is computed once per clip.

        Returns
        -------
        list of torch.Tensor, torch.Tensor
            One map ``[batch, width, frames', bins']`` a scale, merged from the deepest up; and
            the mean level around each place of the last, ``[batch, frames', bins']``.
        """
        pyramid = []
        rises = [None, *self.rises]
        for maps, lateral, rise, merge in zip(evidence.hidden, self.laterals, rises, self.merges):
            level = lateral(maps.float())  # an encoder may run in bfloat16
            if pyramid:
                level = level + _resize(rise(pyramid[-1]), level)
            pyramid.append(merge(level))
        around = pool_to_grid(evidence.level, grid, pyramid[-1].shape[-2:])
        pyramid[-1] = pyramid[-1] + self.loudness(around.unsqueeze(1))
        return pyramid, around

    def condition_on_query(self, pyramid, text):
        """Steer the audio side by prompts -> ``[texts, batch, 3, frames', bins']``."""
        pairs = (text.shape[0], pyramid[0].shape[0])
        text = text * text.shape[-1] ** 0.5  # unit norm -> unit variance, so that prompts count
        steered = None
        for level, film, mixer in zip(pyramid, self.films, [*self.mixers, self.head]):
            scale, shift = film(text)[..., None, None].chunk(2, dim=2)
            voiced = ((1 + scale) * level + shift).flatten(0, 1)
            if steered is not None:
                voiced = voiced + _resize(steered, voiced)
            steered = mixer(gelu(voiced))
        return steered.unflatten(0, pairs)


def as_mask(logits, grid):
    """The mask ``[..., frames, bins]`` of logits: 0 in cells that the encoder never hears."""
    masks = bounded(logits).sigmoid_()
    return masks if grid.all_valid else torch.mul(masks, grid.heard, out=_instead_of(masks))


def bounded(logits):
    """Logits within ``BOUND``, in the same order."""
    divisor = logits.abs().div_(BOUND).add_(1)
    return torch.div(logits, divisor, out=_instead_of(divisor))


def _instead_of(used_up):
    """Where to write a result: over what is no longer needed, unless gradients need it.

    Memory that is new costs more than the arithmetic on it.
    """
    return None if used_up.requires_grad else used_up


def _widths(channels, scales):
    """One width a scale."""
    widths = list(channels) if isinstance(channels, list | tuple) else [channels] * scales
    fit = all(isinstance(width, int) and width > 0 and width % 4 == 0 for width in widths)
    if len(widths) != scales or not fit:
        raise InputError(
            f"channels is a multiple of 4, or a list of one for each of {scales} scales, "
            f"not {channels!r}"
        )
    return widths


def _merge(channels):
    return nn.Sequential(
        _convolution(channels), nn.GroupNorm(4, channels), nn.GELU(), _convolution(channels)
    )


def _convolution(channels):
    return nn.Conv2d(channels, channels, 3, padding=1)


def _resize(maps, like):
    return interpolate(maps, like.shape[-2:], mode="bilinear")
