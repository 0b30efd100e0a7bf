"""Weights of a network, divided into stages by the order in which its modules run."""

from typing import NamedTuple

import torch
from torch import nn

from speechbrain_lmac.models.classifiers.wiring import BodyOutputs, Wiring


class Stage(NamedTuple):
    """Names of the weights of one stage of a network."""

    modules: tuple[str, ...]
    """Modules of which all weights belong to the stage."""
    parameters: tuple[str, ...]
    """Additional single weights."""

    def module(self, body: nn.Module) -> nn.Module:
        """Module that holds the weights of the stage."""
        parts: list[nn.Module] = [body.get_submodule(name) for name in self.modules]
        if self.parameters:
            parts.append(nn.ParameterList([body.get_parameter(name) for name in self.parameters]))
        return nn.ModuleList(parts)


def find_stages(
    body: nn.Module, wiring: Wiring, outputs: BodyOutputs, order: list[str]
) -> tuple[Stage, ...]:
    """Stages from the output to the input, separated by the hidden maps.

    Each weight that the features depend on is in one stage.
    """
    named = [(name, weight) for name, weight in body.named_parameters() if weight.requires_grad]
    tensors = [weight for _, weight in named]
    gradients = torch.autograd.grad(
        outputs.features.sum(), tensors, retain_graph=True, allow_unused=True
    )
    used = {name for (name, _), gradient in zip(named, gradients) if gradient is not None}
    ends = [_end(order, name) for name in reversed(wiring.hidden)]
    stages: list[tuple[list[str], list[str]]] = [([], []) for _ in range(len(ends) + 1)]
    for name, module in body.named_modules():
        own = [f"{name}.{key}" if name else key for key, _ in module.named_parameters("", False)]
        inside = [f"{name}.{key}" if name else key for key, _ in module.named_parameters()]
        here = [key for key in own if key in used]
        if not here:
            continue
        start = _start(order, name)
        modules, parameters = stages[sum(start > end for end in ends)]
        if here == inside:
            modules.append(name)
        else:
            parameters.extend(here)
    return tuple(
        Stage(tuple(modules), tuple(parameters))
        for modules, parameters in reversed(stages)
        if modules or parameters
    )


def _start(order: list[str], name: str) -> int:
    """Place in the order at which a module, or the module around it, starts."""
    while name and name not in order:
        name = name.rpartition(".")[0]
    return order.index(name) if name in order else 0


def _end(order: list[str], name: str) -> int:
    """Last place in the order of a module and the modules inside it, from its first start."""
    place = order.index(name)
    while place + 1 < len(order) and order[place + 1].startswith(f"{name}."):
        place += 1
    return place
