"""Gradients of complete models."""

import torch


def used_weights(module, score):
    """Return the ids of the weights that a score depends on, according to autograd."""
    parameters = list(module.parameters())
    for weight in parameters:
        weight.requires_grad_()
    gradients = torch.autograd.grad(score(), parameters, allow_unused=True)
    return {id(weight) for weight, gradient in zip(parameters, gradients) if gradient is not None}
