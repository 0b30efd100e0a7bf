"""Settings files as plain values: one dotted name per value, and no object built."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hyperpyyaml import resolve_references
from ruamel.yaml import YAML
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from speechbrain_lmac.utils.config import read_settings

STANDARD_TAGS = "tag:yaml.org,2002:"
"""Prefix of the tags of plain values; all other tags build something."""


def flat_settings(hparams_file: str | Path, overrides: str | None) -> dict[str, Any]:
    """Read settings as plain values, with references resolved and no object built.

    Arguments
    ---------
    hparams_file : str or Path
        HyperPyYAML file, or the name of one in the package.
    overrides : str
        YAML of the changes from the command line.

    Returns
    -------
    dict
        Dotted name, such as ``opt_class.lr`` -> plain value. The value of a setting that builds an
        object is its tag. A second reference to an object or list ``x`` is ``<x>``.

    Example
    -------
    >>> settings = flat_settings("lmac_zs.yaml", "lr: 0.01")
    >>> settings["opt_class"], settings["opt_class.lr"], settings["domain.audio_classifier"]
    ('!name:torch.optim.AdamW', 0.01, '<audio_classifier>')
    """
    text = read_settings(hparams_file, overrides)
    resolved = resolve_references(text, overrides).getvalue()
    yaml = YAML(typ="safe", pure=True)
    settings: dict[str, Any] = {}
    names: dict[int, str] = {}  # of the nodes met so far
    for name, node in _children(yaml.compose(resolved), ""):
        settings.update(_flatten(name, node, names, yaml.constructor))
    return settings


def _flatten(
    name: str, node: Node, names: dict[int, str], constructor: Any
) -> Iterator[tuple[str, Any]]:
    """Name and plain value of a YAML node and of all nodes below it."""
    if _is_plain_scalar(node):
        yield name, constructor.construct_object(node)
    elif id(node) in names:
        yield name, f"<{names[id(node)]}>"
    else:
        names[id(node)] = name
        if isinstance(node, ScalarNode):
            yield name, f"{node.tag} {node.value}".strip()
        elif _is_plain_value(node):
            yield name, constructor.construct_object(node, deep=True)
        else:
            if not str(node.tag).startswith(STANDARD_TAGS):
                yield name, node.tag
            for child_name, child in _children(node, name):
                yield from _flatten(child_name, child, names, constructor)


def _is_plain_scalar(node: Node) -> bool:
    return isinstance(node, ScalarNode) and str(node.tag).startswith(STANDARD_TAGS)


def _is_plain_value(node: Node) -> bool:
    """Whether a node is an empty mapping, or a sequence of plain scalars, and builds nothing."""
    if not str(node.tag).startswith(STANDARD_TAGS):
        return False
    return not node.value or (
        isinstance(node, SequenceNode) and all(map(_is_plain_scalar, node.value))
    )


def _children(node: Node, name: str) -> Iterator[tuple[str, Node]]:
    """Name and node of each entry of a mapping or sequence."""
    if isinstance(node, SequenceNode):
        yield from ((f"{name}[{index}]", item) for index, item in enumerate(node.value))
    else:
        prefix = f"{name}." if name else ""
        yield from ((f"{prefix}{key.value}", value) for key, value in node.value)
