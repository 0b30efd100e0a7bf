"""Features and hidden maps of a network, by forward hooks on its modules."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from threading import get_ident
from typing import Any, NamedTuple

import torch
from torch import nn

from speechbrain_lmac.utils.errors import InputError

SHOWN = 12
"""Number of module names in an error."""


class BodyOutputs(NamedTuple):
    """Outputs of one pass of a network."""

    logits: torch.Tensor
    """Output of the network, ``[batch, classes]``."""
    features: torch.Tensor
    """Features before a linear head ``[batch, dim]``, else the logits."""
    hidden: tuple[torch.Tensor, ...]
    """Hidden maps ``[batch, channels, frames', bins']``, deepest first."""


class Wiring(NamedTuple):
    """Names of the modules of a network that matter to an explanation."""

    hidden: tuple[str, ...]
    """Modules whose outputs are the hidden maps, deepest first."""
    head: str
    """Module that returns the logits; empty for the network itself."""
    is_linear: bool
    """Whether the head is a linear layer, so that its rows are the query vectors."""
    bins_first: bool
    """Whether bins precede frames in the network's maps."""

    def run(self, body: nn.Module, inputs: torch.Tensor) -> BodyOutputs:
        """Run a network once.

        Logits depend on the returned hidden maps, so gradients reach them.

        Raises
        ------
        InputError
            If a module does not run exactly once, or its output is not as documented.
        """
        with self._recorded(body) as records:
            logits = body(inputs)
        for name in {*self.hidden, self.head}:
            if len(records[name]) != 1:
                raise InputError(
                    f"module {name!r} must run once for each input, got {len(records[name])} "
                    "times. Name another module"
                )
        hidden = tuple(records[name][0] for name in self.hidden)
        (output,) = records[self.head]
        _check_rows(output, f"the {'input' if self.is_linear else 'output'} of the head", inputs)
        _check_rows(logits, "the output of the body", inputs)
        return BodyOutputs(logits, output, hidden)

    @contextlib.contextmanager
    def _recorded(self, body: nn.Module) -> Iterator[dict[str, list[torch.Tensor]]]:
        """Record tensors by module name; passes of other threads are left alone."""
        records: dict[str, list[torch.Tensor]] = {name: [] for name in (*self.hidden, self.head)}
        thread = get_ident()
        with contextlib.ExitStack() as stack:
            for name in self.hidden:
                hook = partial(self._record_map, records[name], name, thread)
                handle = body.get_submodule(name).register_forward_hook(hook)
                stack.callback(handle.remove)
            head, record = body.get_submodule(self.head), records[self.head]
            if self.is_linear:
                handle = head.register_forward_pre_hook(partial(_record_input, record, thread))
            else:
                handle = head.register_forward_hook(partial(_record_output, record, thread))
            stack.callback(handle.remove)
            yield records

    def _record_map(
        self, record: list[Any], name: str, thread: int, _: nn.Module, __: Any, output: Any
    ) -> torch.Tensor | None:
        """Record a map; return a copy for the network, which may change it in place."""
        if get_ident() != thread:
            return None
        if not isinstance(output, torch.Tensor) or output.dim() != 4:
            shape = list(output.shape) if isinstance(output, torch.Tensor) else type(output)
            raise InputError(
                f"the hidden map {name!r} must have 4 dimensions [batch, channels, frames, bins], "
                f"got {shape}. Name a module before the pooling"
            )
        maps = output.transpose(2, 3) if self.bins_first else output
        record.append(maps)
        return (maps.transpose(2, 3) if self.bins_first else maps).clone()


def _record_input(record: list[Any], thread: int, _: nn.Module, arguments: Any) -> None:
    if get_ident() == thread:
        record.append(arguments[0] if arguments else None)


def _record_output(record: list[Any], thread: int, _: nn.Module, __: Any, output: Any) -> None:
    if get_ident() == thread:
        record.append(output)


def _check_rows(output: Any, what: str, inputs: torch.Tensor) -> None:
    """Raise InputError unless an output is a matrix with a row for each clip."""
    shape = list(output.shape) if isinstance(output, torch.Tensor) else [type(output).__name__]
    if len(shape) != 2 or shape[0] != len(inputs):
        raise InputError(
            f"{what} must be one tensor [batch, numbers], got {shape}. Wrap the body in a module "
            "that returns the logits"
        )


def wire(body: nn.Module, head: str | nn.Module, hidden: Sequence[str], bins_first: bool) -> Wiring:
    """Find the modules that matter to an explanation.

    Arguments
    ---------
    body : torch.nn.Module
        Network.
    head : str or torch.nn.Module
        Module of the network that returns the logits, or its name. The last layer of a
        ``Sequential`` is taken.
    hidden : sequence of str
        Names of the modules whose outputs are the hidden maps, deepest first.
    bins_first : bool
        Whether bins precede frames in the maps.

    Returns
    -------
    Wiring

    Raises
    ------
    InputError
        If the network has no such module.
    """
    modules = dict(body.named_modules())
    place = _place_of(head, modules)
    if isinstance(hidden, str) or not hidden:
        raise InputError(f"hidden must be a list of module names, got {hidden!r}")
    for name in (place, *hidden):
        if name not in modules:
            raise InputError(f"the body has no module {name!r}. It has {_some(modules)}")
    if len(set(hidden)) < len(hidden):
        raise InputError(f"hidden must name different modules, got {', '.join(hidden)}")
    while isinstance(modules[place], nn.Sequential) and len(list(modules[place].children())):
        *_, last = (name for name, _ in modules[place].named_children())
        place = f"{place}.{last}" if place else last
    return Wiring(tuple(hidden), place, isinstance(modules[place], nn.Linear), bins_first)


def _place_of(head: str | nn.Module, modules: dict[str, nn.Module]) -> str:
    """Name of the head among the modules of a body."""
    if isinstance(head, str):
        return head
    for name, module in modules.items():
        if module is head:
            return name
    raise InputError(
        "head must be a module of the body. Give torch.nn.Sequential(body, head) as body"
    )


def _some(modules: dict[str, nn.Module]) -> str:
    names = [name for name in modules if name]
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
