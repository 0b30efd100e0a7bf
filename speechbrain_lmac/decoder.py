"""From hidden maps and a prompt to a mask."""

from torch import nn
from torch.nn.functional import gelu, interpolate

from speechbrain_lmac.grid import spread

BOUND = 6.0
"""Greatest logit: 52 dB between open and shut, and cells keep their order in float32."""


class MaskDecoder(nn.Module):
    """A U-Net over an encoder's hidden maps, steered by the prompt at every scale.

    The audio side goes from the deepest map up, adding each shallower one; it is computed once
    per clip. The text side goes up the same scales with few operations and is computed for
    every pair of prompt and clip. Any encoder, any number of frames: the grid says where the
    mask's cells are, and the coarse logits are interpolated once, at the end.

    Statement of the job: LMAC-ZS, NeurIPS 2024; the conditioning (FiLM per scale, Perez et
    al., AAAI 2018) is ours, as the authors did not publish theirs.

    Arguments
    ---------
    hidden_channels : sequence of int
        Channels of the hidden maps, deepest first.
    text_dim : int
        Size of a text embedding.
    channels : int
        Width of the decoder; a multiple of 4.

    Example
    -------
    >>> import torch
    >>> from speechbrain_lmac.grid import Grid
    >>> decoder = MaskDecoder(hidden_channels=[64, 32], text_dim=16, channels=8)
    >>> hidden = (torch.randn(2, 64, 10, 4), torch.randn(2, 32, 20, 8))
    >>> grid = Grid(torch.linspace(0, 1, 77).unsqueeze(0), torch.linspace(0, 1, 40))
    >>> decoder(hidden, torch.randn(3, 1, 16), grid).shape
    torch.Size([3, 2, 77, 40])
    """

    def __init__(self, hidden_channels, text_dim, channels=32):
        super().__init__()
        self.config = {
            "hidden_channels": list(hidden_channels),
            "text_dim": text_dim,
            "channels": channels,
        }
        scales = range(len(hidden_channels))
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1), nn.GroupNorm(4, channels))
            for width in hidden_channels
        )
        self.merges = nn.ModuleList(_merge(channels) for _ in scales)
        self.films = nn.ModuleList(nn.Linear(text_dim, 2 * channels) for _ in scales)
        self.mixers = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in scales)
        self.smooth = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.head = nn.Conv2d(channels, 1, 1)

    def forward(self, hidden, text, grid):
        """Masks of every clip for every prompt.

        Arguments
        ---------
        hidden : sequence of torch.Tensor
            ``[batch, channels, frames', bins']``, deepest first.
        text : torch.Tensor
            ``[texts, 1, dim]`` for all pairs, or ``[texts, batch, dim]``.
        grid : Grid
            Cells of the mask.

        Returns
        -------
        torch.Tensor
            ``[texts, batch, frames, bins]`` in (0, 1).
        """
        logits = self.text_side(self.audio_side(hidden), text)
        pairs = logits.shape[:2]
        masks = spread(logits.flatten(0, 1), grid).sigmoid().unflatten(0, pairs)
        return masks if grid.heard.all() else masks * grid.heard.unsqueeze(1)

    def audio_side(self, hidden):
        """Merge hidden maps from the deepest up -> one map ``[batch, channels, ., .]`` a scale."""
        pyramid = []
        for maps, lateral, merge in zip(hidden, self.laterals, self.merges):
            level = lateral(maps.float())  # an encoder may run in bfloat16
            if pyramid:
                level = level + _resize(pyramid[-1], level)
            pyramid.append(merge(level))
        return pyramid

    def text_side(self, pyramid, text):
        """Steer the audio side by prompts -> logits ``[texts, batch, frames', bins']``."""
        pairs = (text.shape[0], pyramid[0].shape[0])
        text = text * text.shape[-1] ** 0.5  # unit norm -> unit variance, so that prompts count
        steered = None
        for level, film, mixer in zip(pyramid, self.films, self.mixers):
            scale, shift = film(text)[..., None, None].chunk(2, dim=2)
            voiced = gelu((1 + scale) * level + shift).flatten(0, 1)
            if steered is not None:
                voiced = voiced + _resize(steered, voiced)
            steered = mixer(voiced)
        logits = self.head(gelu(self.smooth(gelu(steered))))
        return BOUND * (logits / BOUND).tanh().squeeze(1).unflatten(0, pairs)


def _merge(channels):
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.GroupNorm(4, channels),
        nn.GELU(),
        nn.Conv2d(channels, channels, 3, padding=1),
    )


def _resize(maps, like):
    return interpolate(maps, like.shape[-2:], mode="bilinear")
