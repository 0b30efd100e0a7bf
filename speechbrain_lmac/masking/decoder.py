"""Mask decoder: from an encoder's hidden maps and a query to a mask."""

from collections.abc import Sequence
from itertools import pairwise, zip_longest
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.functional import gelu, interpolate

from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.decoder_scales import (
    check_path,
    count_gradients,
    scale_widths,
    used_maps,
)
from speechbrain_lmac.masking.gradients import CHANNELS, add_path
from speechbrain_lmac.masking.grid import Grid, pool_to_grid, upsample_to_grid
from speechbrain_lmac.masking.mask_logits import logits_to_mask, reuse

QUERIES_AT_ONCE = 4
"""Queries whose masks are computed together; more do not fit into a processor's cache."""
INITIAL_WEIGHTS = (0.3, 0.0)
"""Weights of log power and of its contrast in an untrained decoder: loud bins come first."""


class MaskDecoder(nn.Module):
    """U-Net over the hidden maps of an encoder, conditioned on the query at every scale.

    The audio path runs from the deepest map up and adds each shallower map; it runs once per clip.
    The query path runs up the same scales with few operations, once per pair of query and clip. It
    predicts three coarse maps: a logit, a weight of the bins' log power, and a weight of the
    contrast between a bin's log power and its surroundings. The query selects the region, log
    power selects the bins in it. The grid states the positions of the mask's bins, and the coarse
    maps are interpolated to them once, at the end. Any encoder and any number of frames fit.

    LMAC-ZS (NeurIPS 2024) states the task of the decoder but not its architecture. The
    conditioning (FiLM per scale, Perez et al., AAAI 2018) and the use of log power are ours.

    Arguments
    ---------
    hidden_channels : sequence of int
        Channels of the hidden maps, deepest first.
    query_dim : int
        Size of a query vector.
    channels : int or sequence of int
        Width of the decoder at all scales, or at each scale from the deepest; multiples of 4.
    scales : int
        Number of hidden maps in use, from the deepest. Default: all.
    gradient_features : int
        Number of hidden maps, from the deepest, with relevance maps as an input. Default: 0.
    gradient_path : float
        Weight of input times gradient in the mask logits, in their standard deviations. It can be
        set after training. Default: 0.
    gradient_path_map : str
        ``positive`` (its positive part, blurred) or ``absolute`` (its magnitude in each bin).

    Example
    -------
    >>> decoder = MaskDecoder(hidden_channels=[64, 32], query_dim=16, channels=8)
    >>> hidden = (torch.randn(2, 64, 10, 4), torch.randn(2, 32, 20, 8))
    >>> features = DecoderFeatures(hidden, torch.randn(2, 77, 40))
    >>> grid = Grid(torch.linspace(0, 1, 77).unsqueeze(0), torch.linspace(0, 1, 40), torch.ones(40))
    >>> decoder(features, torch.randn(3, 1, 16), grid).shape
    torch.Size([3, 2, 77, 40])
    """

    conditioned: ClassVar[bool] = True
    """Whether the mask depends on the query."""

    def __init__(
        self,
        hidden_channels: Sequence[int],
        query_dim: int,
        channels: int | Sequence[int] = 32,
        scales: int | None = None,
        gradient_features: int = 0,
        gradient_path: float = 0.0,
        gradient_path_map: str = "positive",
    ):
        super().__init__()
        hidden_channels = used_maps(list(hidden_channels), scales)
        self.gradient_features = count_gradients(gradient_features, len(hidden_channels))
        self.gradient_path, self.gradient_path_map = check_path(gradient_path, gradient_path_map)
        widths = scale_widths(channels, len(hidden_channels))
        steps = list(pairwise(widths))
        self.config: dict[str, Any] = {
            "hidden_channels": hidden_channels,
            "query_dim": query_dim,
            "channels": channels,
            **({"gradient_features": gradient_features} if gradient_features else {}),
            **({"gradient_path": gradient_path} if gradient_path else {}),
            **({"gradient_path_map": gradient_path_map} if gradient_path_map != "positive" else {}),
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
        self.merges.append(_convolution(widths[-1]))  # one convolution: half of the total time
        self.films = nn.ModuleList(nn.Linear(query_dim, 2 * width) for width in widths)
        self.mixers = nn.ModuleList(nn.Conv2d(below, width, 1) for below, width in steps)
        self.loudness = nn.Conv2d(1, widths[-1], 1)
        self.head = nn.Conv2d(widths[-1], 3, 1)
        self.relevances = nn.ModuleList(_relevance(width) for width in widths[:gradient_features])
        self._initialize()

    @property
    def uses_gradients(self) -> bool:
        """Whether gradients of the query's logit are an input."""
        return bool(self.gradient_features or self.gradient_path)

    def _initialize(self) -> None:
        """Start from log power, and store convolutions with their channels last."""
        assert self.head.bias is not None
        with torch.no_grad():  # random weights of log power would dominate the hidden maps
            self.head.weight[1:].zero_()
            self.head.bias[1:] = torch.tensor(INITIAL_WEIGHTS)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lack it

    def forward(self, features: DecoderFeatures, queries: torch.Tensor, grid: Grid) -> torch.Tensor:
        """Predict the masks of every clip for every query.

        Arguments
        ---------
        features : DecoderFeatures
            Features of ``batch`` clips.
        queries : torch.Tensor
            Query vectors: ``[queries, 1, dim]`` for all clips, or ``[queries, batch, dim]``.
        grid : Grid
            Positions of the mask's bins.

        Returns
        -------
        torch.Tensor
            Masks in (0, 1), ``[queries, batch, frames, bins]``; 0 outside the encoder input.
        """
        audio_path = self.encode_features(features, grid)
        steps = range(0, len(queries), QUERIES_AT_ONCE)
        parts = [
            logits_to_mask(
                self._logits(audio_path, features.of_queries(part), queries[part], grid), grid
            )
            for part in (slice(start, start + QUERIES_AT_ONCE) for start in steps)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def logits(self, features: DecoderFeatures, queries: torch.Tensor, grid: Grid) -> torch.Tensor:
        """Mask logits ``[queries, batch, frames, bins]`` with the arguments of :meth:`forward`."""
        return self._logits(self.encode_features(features, grid), features, queries, grid)

    def _logits(
        self,
        audio_path: tuple[list[torch.Tensor], torch.Tensor],
        features: DecoderFeatures,
        queries: torch.Tensor,
        grid: Grid,
    ) -> torch.Tensor:
        pyramid, around = audio_path
        maps = self.condition_on_query(pyramid, queries, features.gradients)
        logit, weight, contrast_weight = maps.unbind(dim=2)
        # contrast_weight * (log_power - around): all factors but log_power are coarse
        coarse = torch.stack([logit - contrast_weight * around, weight + contrast_weight])
        fine = upsample_to_grid(coarse.flatten(0, 2), grid)
        offset, slope = fine.unflatten(0, coarse.shape[:3])
        logits = torch.addcmul(offset, slope, features.log_power, out=reuse(offset))
        return add_path(logits, features.path, self.gradient_path, grid.valid)

    def to_mask(self, logits: torch.Tensor, grid: Grid) -> torch.Tensor:
        """Mask ``[..., frames, bins]`` of logits: :func:`logits_to_mask`."""
        return logits_to_mask(logits, grid)

    @torch.no_grad()
    def rescale(self, temperature: float, offset: float) -> None:
        """Divide all logits by a temperature and add an offset. The order of bins is unchanged."""
        assert self.head.bias is not None
        self.head.weight.div_(temperature)
        self.head.bias.div_(temperature)
        self.head.bias[0] += offset

    def encode_features(
        self, features: DecoderFeatures, grid: Grid
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Run the audio path, once per clip.

        Returns
        -------
        list of torch.Tensor, torch.Tensor
            Map ``[batch, width, frames', bins']`` of each scale, from the deepest, and the mean log
            power around each place of the last map, ``[batch, frames', bins']``.
        """
        pyramid: list[torch.Tensor] = []
        rises = [None, *self.rises]
        for maps, lateral, rise, merge in zip(features.hidden, self.laterals, rises, self.merges):
            merged = lateral(maps.float())  # an encoder may run in bfloat16
            if rise is not None:
                merged = merged + _resize(rise(pyramid[-1]), merged)
            pyramid.append(merge(merged))
        around = pool_to_grid(features.log_power, grid, pyramid[-1].shape[-2:])
        pyramid[-1] = pyramid[-1] + self.loudness(around.unsqueeze(1))
        return pyramid, around

    def condition_on_query(
        self,
        pyramid: list[torch.Tensor],
        queries: torch.Tensor,
        gradients: Sequence[torch.Tensor] = (),
    ) -> torch.Tensor:
        """Run the query path -> coarse maps ``[queries, batch, 3, frames', bins']``."""
        pairs = (queries.shape[0], pyramid[0].shape[0])
        queries = queries * queries.shape[-1] ** 0.5  # from unit norm to unit variance
        below: torch.Tensor | None = None
        relevances = [
            relevance(maps.flatten(0, 1)) for relevance, maps in zip(self.relevances, gradients)
        ]
        steps = zip_longest(pyramid, self.films, [*self.mixers, self.head], relevances)
        for maps, film, mixer, relevance in steps:
            scale, shift = film(queries)[..., None, None].chunk(2, dim=2)
            conditioned = ((1 + scale) * maps + shift).flatten(0, 1)
            if relevance is not None:
                conditioned = conditioned + relevance
            if below is not None:
                conditioned = conditioned + _resize(below, conditioned)
            below = mixer(gelu(conditioned))
        assert below is not None  # there is at least one scale
        return below.unflatten(0, pairs)


def _merge(channels: int) -> nn.Sequential:
    return nn.Sequential(
        _convolution(channels), nn.GroupNorm(4, channels), nn.GELU(), _convolution(channels)
    )


def _relevance(channels: int) -> nn.Conv2d:
    return nn.Conv2d(CHANNELS, channels, 3, padding=1, bias=False)


def _convolution(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1)


def _resize(maps: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return interpolate(maps, like.shape[-2:], mode="bilinear")
