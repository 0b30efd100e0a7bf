"""Gradient features: how the logit of a query depends on hidden maps and on the encoder input."""

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import pad, relu

CHANNELS = 2
"""Relevance maps per hidden map and query."""
TINY = 1e-30
"""Smallest root mean square that a map is divided by, so that a map of zeros stays 0."""
BLUR = 2.0
"""Standard deviation of the blur of input times gradient, in bins."""
SMALLEST_DEVIATION = 1e-6
"""Smallest standard deviation that a map is divided by, so that a constant map stays 0."""
PATH_MAPS = ("positive", "absolute")
"""Kinds of input times gradient in the mask logits."""
FLOOR = 0.03
"""Fraction of the mean that is added to input times gradient before its logarithm."""

PairedLogits = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Function that scores clip vectors against their own queries."""
Attribution = Callable[[torch.Tensor], torch.Tensor]
"""Function of the gradient with respect to the encoder input that returns a map of the clips."""


def relevance_maps(
    vector: torch.Tensor,
    hidden: Sequence[torch.Tensor],
    queries: torch.Tensor,
    paired_logits: PairedLogits,
    power: torch.Tensor | None = None,
    attribution: Attribution | None = None,
) -> tuple[torch.Tensor, ...]:
    """Compute the relevance maps of hidden maps for queries, by one backward pass per query.

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
    power : torch.Tensor
        Encoder input, the leaf of the graph. Default: its gradients are not computed.
    attribution : callable
        Function of the gradient with respect to ``power`` that returns a map.

    Returns
    -------
    tuple of torch.Tensor
        For each hidden map, ``[queries, batch, 2, frames', bins']``, without gradients; then the
        attributions ``[queries, ...]`` of ``power``, if it is given.

    Example
    -------
    >>> hidden = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]], requires_grad=True)
    >>> vector = hidden.mean(dim=(2, 3))  # the logit of query [1, 0] is the mean of channel 0
    >>> dot = lambda vector, query: (vector * query).sum(dim=-1)
    >>> relevance_maps(vector, [hidden], torch.tensor([[[1.0, 0.0]]]), dot)[0].shape
    torch.Size([1, 1, 2, 1, 2])
    """
    inputs = [*hidden] if power is None else [*hidden, power]
    rows = []
    for query in queries:
        with torch.enable_grad():
            logit = paired_logits(vector, query).sum()
        gradients = torch.autograd.grad(logit, inputs, retain_graph=True)
        rows.append([*map(_relevance, hidden, gradients)])
        if attribution is not None:
            rows[-1].append(attribution(gradients[-1]))
    return tuple(torch.stack(maps) for maps in zip(*rows))


def _relevance(maps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Two normalized maps ``[batch, 2, frames', bins']`` of a hidden map and its gradient."""
    maps, gradient = maps.detach().float(), gradient.float()
    gradient = gradient / gradient.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=TINY)
    mean = gradient.mean(dim=(2, 3), keepdim=True)
    both = torch.stack([(gradient * maps).sum(dim=1), (mean * maps).sum(dim=1)], dim=1)
    scale = both.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return both / scale.clamp(min=TINY)


def log_attribution(
    attribution: torch.Tensor, valid: torch.Tensor, kind: str = "positive"
) -> torch.Tensor:
    """Standard scores of the logarithm of an attribution.

    Arguments
    ---------
    attribution : torch.Tensor
        Signed attributions, such as input times gradient, ``[batch, frames, bins]``.
    valid : torch.Tensor
        1 for each bin that reaches the encoder, else 0, ``[frames, bins]``.
    kind : str
        ``positive`` (the positive part, blurred by ``BLUR`` bins) or ``absolute`` (the magnitude).

    Returns
    -------
    torch.Tensor
        Maps ``[batch, frames, bins]`` of mean 0 and variance 1 over valid bins, and 0 in others.
        A map without positive values is 0.
    """
    evidence = attribution.abs() if kind == "absolute" else blur(relu(attribution), BLUR)
    evidence = evidence * valid
    mean = evidence.sum(dim=(1, 2), keepdim=True) / valid.sum()
    logs = (evidence / mean.clamp(min=TINY)).add_(FLOOR).log_()
    centered, deviation = _center(logs, valid)
    return centered / deviation.clamp(min=SMALLEST_DEVIATION) * (mean > 0)


def _center(maps: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Maps ``[..., frames, bins]`` minus their mean over valid bins, 0 in others; and deviations.

    The standard deviations over valid bins are ``[..., 1, 1]``.
    """
    mean = (maps * valid).sum(dim=(-2, -1), keepdim=True) / valid.sum()
    centered = (maps - mean) * valid
    deviation = (centered.square().sum(dim=(-2, -1), keepdim=True) / valid.sum()).sqrt()
    return centered, deviation


def add_path(
    logits: torch.Tensor, path: torch.Tensor | None, weight: float, valid: torch.Tensor
) -> torch.Tensor:
    """Add a map of :func:`log_attribution` to mask logits, in their own standard deviations.

    Arguments
    ---------
    logits : torch.Tensor
        Mask logits, ``[..., frames, bins]``.
    path : torch.Tensor or None
        Standard scores with the shape of ``logits``. None adds nothing.
    weight : float
        Weight of the path. 0 returns ``logits`` themselves.
    valid : torch.Tensor
        1 for each bin that reaches the encoder, else 0, ``[frames, bins]``.

    Returns
    -------
    torch.Tensor
        Mask logits, with unchanged means over valid bins.
    """
    if path is None or not weight:
        return logits
    return logits + weight * _center(logits.detach(), valid)[1] * path


def blur(maps: torch.Tensor, deviation: float) -> torch.Tensor:
    """Blur maps by a Gaussian; edge values repeat beyond the edges.

    Arguments
    ---------
    maps : torch.Tensor
        Maps, ``[batch, frames, bins]``.
    deviation : float
        Standard deviation, in bins; 0 returns the maps.

    Example
    -------
    >>> blur(torch.tensor([[[0.0, 1.0, 0.0]]]), 0.5)
    tensor([[[0.1065, 0.7866, 0.1065]]])
    """
    if not deviation:
        return maps
    radius = math.ceil(3 * deviation)
    weights = [math.exp(-0.5 * (i / deviation) ** 2) for i in range(-radius, radius + 1)]
    kernel = [weight / sum(weights) for weight in weights]
    padded = pad(maps.unsqueeze(1), (radius,) * 4, mode="replicate").squeeze(1)
    return _weighted_sum(_weighted_sum(padded, kernel, dim=1), kernel, dim=2)


def _weighted_sum(maps: torch.Tensor, kernel: Sequence[float], dim: int) -> torch.Tensor:
    """Correlate maps with a kernel along one axis; ``conv2d`` of one channel takes longer."""
    size = maps.shape[dim] - len(kernel) + 1
    total = maps.narrow(dim, 0, size) * kernel[0]
    for start, weight in enumerate(kernel[1:], 1):
        total = total.add_(maps.narrow(dim, start, size), alpha=weight)
    return total
