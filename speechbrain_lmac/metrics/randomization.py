"""Model randomization checks: an explanation that survives a random model explains nothing.

Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018. Parts of the model are
re-initialized, and the maps are compared with those of the original model. Re-initialization
permutes the entries of every weight tensor and the statistics of batch norms by a seeded draw. This
destroys what was learned but keeps the distribution of the weights, so that signals neither vanish
nor explode. A tensor with equal entries does not change.
"""

import copy
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import nn
from torch.nn.functional import normalize

from speechbrain_lmac.metrics.protocols import HasTensors, Interpretable

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
"""Modules with learned statistics that are not parameters."""


Network = TypeVar("Network", bound=Interpretable)
Model = TypeVar("Model", bound=HasTensors)


class Stage(NamedTuple, Generic[Network]):
    """One check: a name and functions that return the randomized model and text embeddings."""

    name: str
    model: Callable[[], Network]
    """Returns the InterpreterNetwork with the part re-initialized. Clips must be encoded anew."""
    text: Callable[[torch.Tensor], torch.Tensor]
    """Maps class embeddings ``[classes, dim]`` to those that this stage uses."""


def stages(model: Network, seed: int = 0) -> list[Stage[Network]]:
    """List all checks: the prompts alone, the decoder alone, then the audio encoder.

    The blocks of the audio encoder are re-initialized from the output down. Each stage includes
    all blocks of the stages before it (cascading).

    Arguments
    ---------
    model : InterpreterNetwork
        Model to randomize. It is not changed; unchanged tensors are shared with it.
    seed : int
        Seed of all draws. Default: 0.

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
        Stage("decoder", partial(randomized, model, _decoder, seed), _unchanged),
    ]
    cascade = [
        Stage(f"audio-{depth}", partial(randomized, model, partial(_top, depth), seed), _unchanged)
        for depth in range(1, 1 + len(model.classifier.audio_classifier.audio_blocks))
    ]
    return alone + cascade


def _decoder(model: Interpretable) -> Sequence[nn.Module]:
    return [model.decoder]


def _top(depth: int, model: Interpretable) -> Sequence[nn.Module]:
    return model.classifier.audio_classifier.audio_blocks[:depth]


def _unchanged(text: torch.Tensor) -> torch.Tensor:
    return text


def randomized(model: Model, blocks: Callable[[Model], Sequence[nn.Module]], seed: int) -> Model:
    """Copy a model with some of its modules re-initialized.

    Arguments
    ---------
    model : torch.nn.Module
        Model to copy. It is not changed; all other tensors are shared with it.
    blocks : callable
        Function from a model to its modules to re-initialize. The draw of a module depends on its
        position in this sequence.
    seed : int
        Seed of the draws.

    Returns
    -------
    torch.nn.Module
    """
    changed = {id(tensor) for block in blocks(model) for tensor in weights(block)}
    tensors = [*model.parameters(), *model.buffers()]
    shared = {id(tensor): tensor for tensor in tensors if id(tensor) not in changed}
    twin = copy.deepcopy(model, shared)
    for place, block in enumerate(blocks(twin)):
        permute(block, zlib.crc32(f"{seed}/{place}".encode()))
    return twin


@torch.no_grad()
def permute(module: nn.Module, seed: int) -> None:
    """Permute the entries of each weight tensor of a module in place by a seeded draw."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in weights(module):
        order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
        tensor.copy_(tensor.flatten()[order].view(tensor.shape))


def weights(module: nn.Module) -> list[torch.Tensor]:
    """List the learned tensors of a module: its parameters and the statistics of batch norms."""
    norms = [part for part in module.modules() if isinstance(part, NORMS)]
    statistics = [value for norm in norms for value in (norm.running_mean, norm.running_var)]
    return [*module.parameters(), *(value for value in statistics if value is not None)]


def random_text(text: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Replace text embeddings by random unit vectors. Each depends on its index and the seed.

    Arguments
    ---------
    text : torch.Tensor
        Embeddings of all classes, ``[classes, dim]``. With all classes given, the vector of a
        class is the same for every clip.
    seed : int
        Seed of the draws. Default: 0.

    Returns
    -------
    torch.Tensor
        Unit vectors, ``[classes, dim]``.
    """
    seeds = [zlib.crc32(f"{seed}/text/{place}".encode()) for place in range(len(text))]
    draws = [
        torch.randn(text.shape[1], generator=torch.Generator().manual_seed(seed)) for seed in seeds
    ]
    return normalize(torch.stack(draws), dim=-1).to(text)
