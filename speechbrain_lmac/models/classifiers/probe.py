"""Check of a network with noise: shapes, head and gradients."""

from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from speechbrain_lmac.audio.stft import power_of
from speechbrain_lmac.models.classifiers.front_end import FrontEnd
from speechbrain_lmac.models.classifiers.stages import Stage, find_stages
from speechbrain_lmac.models.classifiers.wiring import BodyOutputs, Wiring
from speechbrain_lmac.utils.errors import InputError, first_line

PROBE_SECONDS = (2.0, 3.0)
"""Lengths of the noise."""
TOLERANCE = 1e-4
"""Largest difference of the head's logits and the body's output, relative to the largest logit."""


class Probe(NamedTuple):
    """What a pass of noise tells about a network."""

    channels: tuple[int, ...]
    """Channels of the hidden maps."""
    weight: torch.Tensor
    """Weights of the head, ``[classes, dim]``; the identity if it is not linear."""
    bias: torch.Tensor | None
    """Biases of the head, ``[classes]``."""
    stages: tuple[Stage, ...]
    """Stages from the output to the input, without a linear head."""
    shortest: int
    """Smallest number of frames that the network can take."""


def probe(body: nn.Module, wiring: Wiring, front_end: FrontEnd) -> Probe:
    """Run a network on noise and check what an explanation needs.

    Arguments
    ---------
    body : torch.nn.Module
        Network in evaluation mode.
    wiring : Wiring
        Names of its head and hidden maps.
    front_end : FrontEnd
        Front end.

    Returns
    -------
    Probe

    Raises
    ------
    InputError
        If the head does not give the body's output, the maps are not in order, or gradients do not
        reach the input and the maps.
    """
    like = next(body.parameters(), torch.zeros(()))
    mel = noise_mel(front_end, PROBE_SECONDS[0]).to(like.device).requires_grad_()
    body.requires_grad_(True)
    with torch.enable_grad():
        order: list[str] = []
        handles = [
            module.register_forward_pre_hook(partial(_note, order, name))
            for name, module in body.named_modules()
        ]
        try:
            outputs = _first_run(body, wiring, front_end.body_input(mel))
        finally:
            for handle in handles:
                handle.remove()
        weight, bias = check_head(body, wiring, outputs)
        check_gradients(wiring, outputs, mel)
        check_order(wiring, outputs)
        stages = find_stages(body, wiring, outputs, order)
    shortest = 1
    if front_end.seconds is None:
        check_axes(body, wiring, front_end, outputs)
        shortest = find_shortest(body, wiring, front_end, mel.detach())
    channels = tuple(maps.shape[1] for maps in outputs.hidden)
    return Probe(channels, weight, bias, stages, shortest)


def _first_run(body: nn.Module, wiring: Wiring, inputs: torch.Tensor) -> BodyOutputs:
    """Run a network; an InputError states the shape of its input if it cannot run."""
    try:
        return wiring.run(body, inputs)
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"the body cannot run on the front end, whose output is {list(inputs.shape)}: "
            f"{first_line(error)}. Give another layout or number of bands"
        ) from error


def noise_mel(front_end: FrontEnd, seconds: float) -> torch.Tensor:
    """Mel power of noise, ``[1, frames, bands]``."""
    generator = torch.Generator().manual_seed(0)
    samples = round(seconds * front_end.sample_rate)
    wavs = front_end.input_window().fit_wav(0.1 * torch.randn(1, samples, generator=generator))
    power = power_of(front_end.spectrogram()(wavs))
    return front_end.mel(power, front_end.filterbank)


def check_head(
    body: nn.Module, wiring: Wiring, outputs: BodyOutputs
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Weights and biases of the head; InputError unless it gives the body's output."""
    head, logits = body.get_submodule(wiring.head), outputs.logits.detach()
    if not logits.isfinite().all():
        raise InputError("the output of the body must be finite for noise. Check its weights")
    if isinstance(head, nn.Linear) and wiring.is_linear:
        given, weight, bias = head(outputs.features).detach(), head.weight.detach(), head.bias
    else:
        given, weight, bias = outputs.features.detach(), torch.eye(logits.shape[1]).to(logits), None
    if given.shape != logits.shape or _differs(given, logits):
        raise InputError(
            "head(features) must equal the output of the body, got another output. Let the body "
            "return the logits, without softmax or sigmoid"
        )
    if logits.min() >= 0 and (logits.sum(dim=1) - 1).abs().max() < TOLERANCE:
        raise InputError(
            "the output of the body must be logits, got probabilities. Remove the softmax"
        )
    return weight, None if bias is None else bias.detach()


def _differs(given: torch.Tensor, logits: torch.Tensor) -> bool:
    return bool((given - logits).abs().max() > TOLERANCE * logits.abs().max().clamp(min=1e-6))


def check_gradients(wiring: Wiring, outputs: BodyOutputs, mel: torch.Tensor) -> None:
    """Raise InputError unless gradients of the logits reach the input and every map."""
    names = ["the input", *(f"the hidden map {name!r}" for name in wiring.hidden)]
    targets = [mel, *outputs.hidden]
    score = outputs.logits.square().sum()
    gradients: list[torch.Tensor | None] = [None] * len(targets)
    if score.requires_grad:
        reached = [target.requires_grad for target in targets]
        wanted = [target for target, is_reached in zip(targets, reached) if is_reached]
        found = iter(torch.autograd.grad(score, wanted, retain_graph=True, allow_unused=True))
        gradients = [next(found) if is_reached else None for is_reached in reached]
    for name, gradient in zip(names, gradients):
        if gradient is None or not gradient.isfinite().all() or not gradient.any():
            raise InputError(
                f"gradients of the logits must reach {name}, got none. Let the body run without "
                "detach or no_grad, and name modules on the way to the head"
            )


def check_order(wiring: Wiring, outputs: BodyOutputs) -> None:
    """Raise InputError unless each map depends on the map after it."""
    for deep, shallow, names in zip(
        outputs.hidden, outputs.hidden[1:], zip(wiring.hidden, wiring.hidden[1:])
    ):
        (gradient,) = torch.autograd.grad(
            deep.square().sum(), shallow, retain_graph=True, allow_unused=True
        )
        if gradient is None:
            raise InputError(
                f"hidden must name the deepest module first, got {names[0]!r} before {names[1]!r}. "
                "Reverse their order"
            )


def check_axes(body: nn.Module, wiring: Wiring, front_end: FrontEnd, outputs: BodyOutputs) -> None:
    """Raise InputError unless longer noise has longer maps along frames only."""
    with torch.no_grad():
        mel = noise_mel(front_end, PROBE_SECONDS[1]).to(outputs.logits.device)
        longer = wiring.run(body, front_end.body_input(mel))
    for name, before, after in zip(wiring.hidden, outputs.hidden, longer.hidden):
        if after.shape[3] != before.shape[3]:
            raise InputError(
                f"the hidden map {name!r} must be frames by bins, got one whose bins depend on the "
                "length of the clip. Give the other layout in the front end"
            )


def find_shortest(body: nn.Module, wiring: Wiring, front_end: FrontEnd, mel: torch.Tensor) -> int:
    """Smallest number of frames that a network can take; it takes all those of ``mel``."""
    low, high = 1, mel.shape[1]
    while low < high:
        middle = (low + high) // 2
        try:
            with torch.no_grad():
                wiring.run(body, front_end.body_input(mel[:, :middle]))
            high = middle
        except (RuntimeError, ValueError):
            low = middle + 1
    return low


def _note(order: list[str], name: str, *_: object) -> None:
    """Append the name of a module that starts."""
    order.append(name)
