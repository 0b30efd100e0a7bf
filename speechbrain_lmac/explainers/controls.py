"""Masks that know nothing of the prompt: what an explainer must beat to have explained."""

import torch


def ones(model, analysis, text, seeds):
    """Keep everything; at equal budgets, random cells."""
    return torch.ones_like(analysis.power)


def random(model, analysis, text, seeds):
    """Uniform in [0, 1], drawn for each clip from its own seed."""
    draws = [
        torch.rand(power.shape, generator=torch.Generator().manual_seed(seed + 1))
        for power, seed in zip(analysis.power, seeds)
    ]
    return torch.stack(draws).to(analysis.power)


def energy(model, analysis, text, seeds):
    """Magnitude over its maximum: the loudest cells matter."""
    magnitude = analysis.power.sqrt()
    return magnitude / magnitude.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)
