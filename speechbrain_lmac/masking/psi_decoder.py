"""Published decoder of L-MAC: transposed convolutions over the hidden maps of a CNN14.

Paissan et al., "Listenable maps for audio classifiers", ICML 2024. Layers have the names of the
published ``psi_model.ckpt``.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn.functional import pad, relu

from speechbrain_lmac.masking.decoder_features import DecoderFeatures
from speechbrain_lmac.masking.grid import Grid
from speechbrain_lmac.utils.errors import InputError

SCALES = 4
"""Number of hidden maps."""
CLOSED = -1e3
"""Logit of frames and bins that the last layer does not reach."""


class PsiDecoder(nn.Module):
    """Nine transposed convolutions without norms, as published.

    The decoder is not conditioned on the query: it explains the class that the classifier predicts.
    The sizes of its maps fit clips of 5 s at a hop of 186 samples. Of 431 frames, it predicts 425;
    the mask of the last 6 is 0, and both masked parts should leave them out
    (``left_out_frames: 6`` of :class:`~speechbrain_lmac.masking.log1p.Log1pStftDomain`). For clips
    of other lengths, maps are cut to the shorter one where they are added, and up to 22 frames at
    the end have a mask of 0. Bins that no mel filter uses have masks, too.

    Arguments
    ---------
    hidden_channels : sequence of int
        Channels of the four hidden maps, deepest first. The first one is the width of the decoder,
        a multiple of 8; 2048 as published.
    query_dim : int
        Size of a query vector, which is not used.

    Example
    -------
    >>> decoder = PsiDecoder(hidden_channels=[16, 8, 4, 2], query_dim=5)
    >>> sizes = [(16, 13, 2), (8, 13, 2), (4, 26, 5), (2, 53, 10)]
    >>> hidden = tuple(torch.randn(1, *size) for size in sizes)
    >>> features = DecoderFeatures(hidden, torch.randn(1, 431, 513))
    >>> axis = torch.linspace(0, 1, 513)
    >>> grid = Grid(torch.linspace(0, 1, 431).unsqueeze(0), axis, torch.ones(513))
    >>> masks = decoder(features, torch.randn(1, 1, 5), grid)
    >>> masks.shape, (masks[..., 425:, :] == 0).all().item(), (masks[..., :425, :] > 0).all().item()
    (torch.Size([1, 1, 431, 513]), True, True)
    """

    conditioned: ClassVar[bool] = False
    gradient_features: ClassVar[int] = 0
    gradient_path: ClassVar[float] = 0.0
    gradient_path_map: ClassVar[str] = "positive"
    uses_gradients: ClassVar[bool] = False

    def __init__(self, hidden_channels: Sequence[int], query_dim: int):
        super().__init__()
        if len(hidden_channels) != SCALES or hidden_channels[0] % 8:
            raise InputError(
                f"the published decoder needs {SCALES} hidden maps, the deepest with a multiple of "
                f"8 channels, got {list(hidden_channels)}. Use the MaskDecoder"
            )
        self.config: dict[str, Any] = {
            "hidden_channels": list(hidden_channels),
            "query_dim": query_dim,
        }
        deepest, second, third, fourth = hidden_channels
        width = deepest
        layer = nn.ConvTranspose2d
        self.convt1 = layer(deepest, width, (3, 3), (2, 4), (1, 1))
        self.convt2 = layer(second, width, (3, 3), (2, 4), (1, 1))
        self.convt3 = layer(width, width, (7, 4), (2, 4), (1, 1))
        self.convt4 = layer(third, width, (5, 4), (2, 4), (1, 1))
        self.convt5 = layer(width, width // 2, (3, 5), (2, 2), (1, 1))
        self.convt6 = layer(fourth, width // 2, (3, 3), (2, 4), (1, 1))
        self.convt7 = layer(width // 2, width // 4, (4, 3), (2, 2), (0, 5))
        self.convt8 = layer(width // 4, width // 8, (3, 4), (2, 2), (0, 2))
        self.convt9 = layer(width // 8, 1, (1, 5), (1, 4), (0, 0))

    def forward(self, features: DecoderFeatures, queries: torch.Tensor, grid: Grid) -> torch.Tensor:
        """Predict the mask of every clip; it is the same for every query.

        The arguments are those of :class:`~speechbrain_lmac.masking.decoder.MaskDecoder`.

        Returns
        -------
        torch.Tensor
            Masks in [0, 1], ``[queries, batch, frames, bins]``; 0 in frames without a position.
        """
        return self.to_mask(self.logits(features, queries, grid), grid)

    def logits(self, features: DecoderFeatures, queries: torch.Tensor, grid: Grid) -> torch.Tensor:
        """Mask logits ``[queries, batch, frames, bins]``, the input of :meth:`to_mask`."""
        first, second, third, fourth = (maps.float() for maps in features.hidden[:SCALES])
        maps = _sum(relu(self.convt1(first)), relu(self.convt2(second)))
        maps = _sum(relu(self.convt3(maps)), relu(self.convt4(third)))
        maps = _sum(relu(self.convt5(maps)), relu(self.convt6(fourth)))
        maps = relu(self.convt7(maps))
        logits = self.convt9(self.convt8(maps)).squeeze(1)
        frames = grid.times.shape[-1] - logits.shape[-2]
        bins = len(grid.positions) - logits.shape[-1]
        return pad(logits, (0, bins, 0, frames), value=CLOSED).expand(len(queries), -1, -1, -1)

    def to_mask(self, logits: torch.Tensor, grid: Grid) -> torch.Tensor:
        """Mask ``[..., frames, bins]`` of logits; 0 in frames without a position."""
        return logits.sigmoid() * grid.valid_frames.to(logits).unsqueeze(1)

    @torch.no_grad()
    def rescale(self, temperature: float, offset: float) -> None:
        """Divide all logits by a temperature and add an offset."""
        assert self.convt9.bias is not None
        self.convt9.weight.div_(temperature)
        self.convt9.bias.div_(temperature).add_(offset)


def _sum(maps: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
    """Sum of two maps, cut to the shorter one on both axes."""
    frames, bins = (min(maps.shape[axis], skip.shape[axis]) for axis in (-2, -1))
    return maps[..., :frames, :bins] + skip[..., :frames, :bins]
