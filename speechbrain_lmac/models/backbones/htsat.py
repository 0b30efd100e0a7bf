"""HTSAT: the hierarchical token-semantic audio transformer of LAION's CLAPs.

Chen et al., ICASSP 2022. The network is transformers' own, run stage by stage. It cuts the log-mel
in four along time and stacks the parts to a square image. Hidden maps of that image are unfolded to
time x frequency on the way, so that gradients reach them.
"""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import nn

from speechbrain_lmac.models.lazy_transformers import ClapAudioConfig, ClapAudioModel
from speechbrain_lmac.models.state_dicts import build_within, check_size, load_strictly

NAMES = (
    ("bn0.", "batch_norm."),
    (".attn.relative_position", ".attention.self.relative_position"),
    (".attn.proj.", ".attention.output.dense."),
    (".norm1.", ".layernorm_before."),
    (".norm2.", ".layernorm_after."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
)
"""Names of weights in LAION's files and in transformers, except the fused projections."""

UNUSED = ("tscam_conv.weight", "tscam_conv.bias", "head.weight", "head.bias", ".attn_mask")
"""Weights of LAION's files that are not used: the tagging head, and masks of the geometry."""


class Htsat(nn.Module):
    """Audio encoder from log-mel to a pooled vector.

    Arguments
    ---------
    encoder : ClapAudioEncoder
        Network of transformers.
    """

    encoder: Any

    def __init__(self, encoder: Any):
        super().__init__()
        self.encoder = encoder
        self.dim: int = encoder.num_features
        self.hidden_channels: tuple[int, ...] = tuple(
            stage.dim for stage in reversed(encoder.layers)
        )

    @classmethod
    def from_laion(cls, state: Mapping[str, torch.Tensor], what: str) -> Self:
        """Build the network that the audio branch of one of LAION's checkpoints describes.

        Arguments
        ---------
        state : dict
            Weights by LAION's names, without ``audio_branch.``; KeyError if a tensor that states a
            dimension is missing.
        what : str
            Name of the weights in an error.
        """
        config = laion_config(state)
        model = build_within(lambda: ClapAudioModel(config), state, what)
        load_strictly(model.audio_encoder, to_transformers(state), what, ignored=UNUSED)
        return cls(model.audio_encoder)

    @property
    def blocks(self) -> tuple[nn.Module, ...]:
        """Stages, deepest first, with the norms outside them; the patch embedding last."""
        encoder = self.encoder
        deepest, *shallower = reversed(encoder.layers)
        patches = nn.ModuleList([encoder.batch_norm, encoder.patch_embed])
        return (nn.ModuleList([encoder.norm, deepest]), *shallower, patches)

    def forward(self, log_mel: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Encode.

        Arguments
        ---------
        log_mel : torch.Tensor
            Log-mel in decibels, ``[batch, frames, bands]``, with at most 1024 frames.

        Returns
        -------
        torch.Tensor, tuple of torch.Tensor
            ``[batch, dim]`` and hidden maps ``[batch, channels, frames', bins']`` of each stage
            before downsampling, deepest first.
        """
        encoder = self.encoder
        normalized = encoder.batch_norm(log_mel.unsqueeze(1).transpose(1, 3)).transpose(1, 3)
        tokens = encoder.patch_embed(encoder.reshape_mel2img(normalized))
        hidden: list[torch.Tensor] = []
        for stage, size in zip(encoder.layers, encoder.input_resolutions):
            for block in stage.blocks:
                tokens = block(tokens, size)[0]
            maps = unfold(tokens, size, encoder.freq_ratio)
            hidden.insert(0, maps)
            tokens = fold(maps, encoder.freq_ratio)
            if stage.downsample is not None:
                tokens = stage.downsample(tokens, size)
        return encoder.norm(tokens).mean(dim=1), tuple(hidden)


def unfold(tokens: torch.Tensor, size: tuple[int, int], chunks: int) -> torch.Tensor:
    """Turn tokens of the folded image into a map over time and frequency.

    Arguments
    ---------
    tokens : torch.Tensor
        Tokens, ``[batch, rows * columns, channels]``.
    size : tuple of int
        Rows and columns of the image, in which the chunks of time are stacked.
    chunks : int
        Number of chunks.

    Returns
    -------
    torch.Tensor
        Map, ``[batch, channels, frames', bins']``.
    """
    rows, columns = size
    patches = tokens.unflatten(1, (chunks, rows // chunks, columns))
    return patches.permute(0, 4, 1, 3, 2).flatten(2, 3)


def fold(maps: torch.Tensor, chunks: int) -> torch.Tensor:
    """Undo :func:`unfold`: ``[batch, channels, frames', bins']`` to tokens."""
    patches = maps.unflatten(2, (chunks, maps.shape[2] // chunks))
    return patches.permute(0, 2, 4, 3, 1).flatten(1, 3)


def laion_config(state: Mapping[str, torch.Tensor]) -> Any:
    """Configuration of the network, from the shapes of LAION's weights."""
    widths = state["patch_embed.proj.weight"].shape
    stages = _count(state, "layers.{}.blocks.0.norm1.weight")
    heads = [
        state[f"layers.{stage}.blocks.0.attn.relative_position_bias_table"].shape[1]
        for stage in range(stages)
    ]
    depths = [_count(state, f"layers.{stage}.blocks.{{}}.norm1.weight") for stage in range(stages)]
    if not stages or not all(depths):
        raise ValueError("no blocks")
    sizes = {
        "stages": stages,
        "depths": sum(depths),
        "num_attention_heads": max(heads),
        "patch_embeds_hidden_size": widths[0],
        "patch_size": widths[-1],
        "num_mel_bins": len(state["bn0.weight"]),
    }
    check_size(sizes, "the audio encoder")
    return ClapAudioConfig(
        patch_embeds_hidden_size=widths[0],
        patch_size=widths[-1],
        patch_stride=[widths[-1]] * 2,
        num_mel_bins=len(state["bn0.weight"]),
        depths=depths,
        num_attention_heads=heads,
        hidden_size=widths[0] * 2 ** (stages - 1),
    )


def to_transformers(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename LAION's weights to transformers' names and split the fused projections."""
    renamed = {}
    for name, value in state.items():
        for theirs, ours in NAMES:
            name = name.replace(theirs, ours)
        if ".attn.qkv." in name:
            for part, piece in zip(("query", "key", "value"), value.chunk(3)):
                renamed[name.replace(".attn.qkv.", f".attention.self.{part}.")] = piece
        else:
            renamed[name] = value
    return renamed


def _count(state: Mapping[str, torch.Tensor], name: str) -> int:
    """Number of consecutive names."""
    number = 0
    while name.format(number) in state:
        number += 1
    return number
