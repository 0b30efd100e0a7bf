"""Gradient features: how the logit of a query depends on an encoder's hidden maps."""

from collections.abc import Callable, Sequence

import torch

CHANNELS = 2
"""Relevance maps per hidden map and query."""
TINY = 1e-30
"""Smallest root mean square that a map is divided by, so that a map of zeros stays 0."""


PairedLogits = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Function that scores clip vectors against their own queries."""


def relevance_maps(
    vector: torch.Tensor,
    hidden: Sequence[torch.Tensor],
    queries: torch.Tensor,
    paired_logits: PairedLogits,
) -> tuple[torch.Tensor, ...]:
    """Compute the relevance maps of hidden maps for queries.

    With a hidden map ``A`` and the gradient ``g`` of the query's logit with respect to it, the two
    maps are ``sum_c g_c A_c``, gradient times activation, and ``sum_c mean(g_c) A_c``, GradCAM
    before its ReLU. Each is divided by its root mean square: the maps locate a query and do not
    say how probable it is.

    Arguments
    ---------
    vector : torch.Tensor
        Clip vectors ``[batch, dim]``, with the graph of their computation from ``hidden``.
    hidden : sequence of torch.Tensor
        Hidden maps, ``[batch, channels, frames', bins']`` each.
    queries : torch.Tensor
        Query vectors: ``[queries, 1, dim]`` for all clips, or ``[queries, batch, dim]``.
    paired_logits : callable
        Function ``(vectors, queries) -> logits [batch]``.

    Returns
    -------
    tuple of torch.Tensor
        For each hidden map, ``[queries, batch, 2, frames', bins']``, without gradients.

    Example
    -------
    >>> hidden = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]], requires_grad=True)
    >>> vector = hidden.mean(dim=(2, 3))  # the logit of query [1, 0] is the mean of channel 0
    >>> dot = lambda vector, query: (vector * query).sum(dim=-1)
    >>> relevance_maps(vector, [hidden], torch.tensor([[[1.0, 0.0]]]), dot)[0].shape
    torch.Size([1, 1, 2, 1, 2])
    """
    with torch.enable_grad():
        logits = [paired_logits(vector, query).sum() for query in queries]
    gradients = [torch.autograd.grad(logit, list(hidden), retain_graph=True) for logit in logits]
    return tuple(
        torch.stack([_relevance(maps.detach().float(), gradient.float()) for gradient in each])
        for maps, each in zip(hidden, zip(*gradients))
    )


def _relevance(maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Two normalized maps ``[batch, 2, frames', bins']`` of a hidden map and its gradient."""
    gradient = gradient / gradient.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=TINY)
    mean = gradient.mean(dim=(2, 3), keepdim=True)
    both = torch.stack([(gradient * maps).sum(dim=1), (mean * maps).sum(dim=1)], dim=1)
    scale = both.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return both / scale.clamp(min=TINY)
