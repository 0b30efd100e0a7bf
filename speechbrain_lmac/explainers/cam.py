"""Class activation maps of the prompt's similarity, tensor to tensor."""

import torch
from torch.nn.functional import relu

from speechbrain_lmac.grid import spread


def gradcam_plus_plus(model, analysis, text, seeds, layer=0):
    """GradCAM++ (Chattopadhay et al., 2018, eq. 19), each clip's map over its maximum.

    Arguments
    ---------
    model : ListenableMap
        Its classifier is explained, its decoder ignored.
    analysis : Analysis
        Of ``batch`` clips.
    text : torch.Tensor
        ``[batch, dim]``: the prompt explained for each clip.
    seeds : sequence of int
        Not used.
    layer : int
        Hidden map, 0 for the deepest.

    Returns
    -------
    torch.Tensor
        ``[batch, frames, bins]`` in [0, 1].
    """
    maps, gradient = _map_and_gradient(model.classifier, analysis, text, layer)
    # g^2 / (2 g^2 + sum(A) g^3), with g^2 cancelled: it underflows where g is small
    evidence = 2 + maps.sum(dim=(2, 3), keepdim=True) * gradient
    alpha = torch.where(evidence.abs() > 1e-6, 1 / evidence, 0.0)
    weights = (alpha * relu(gradient)).sum(dim=(2, 3), keepdim=True)
    cam = relu((weights * maps).sum(dim=1))
    cam = spread(cam, model.classifier.grid(analysis))
    return cam / cam.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)


def _map_and_gradient(classifier, analysis, text, layer):
    """A hidden map and the gradient of each clip's logit with respect to it."""
    with torch.enable_grad():
        encoding = classifier.plane.encode(analysis.heard.detach().requires_grad_())
        maps = encoding.hidden[layer]
        logits = classifier.clap.logit_scale * (encoding.embedding * text).sum(dim=1)
        (gradient,) = torch.autograd.grad(logits.sum(), maps)
    return maps.detach().float(), gradient.float()  # an encoder may run in bfloat16
