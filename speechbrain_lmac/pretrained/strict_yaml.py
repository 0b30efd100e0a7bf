"""Read YAML as nodes, with limits and without constructing any object.

HyperPyYAML builds and calls whatever a file names, even inside texts that look like tuples. This
module therefore reads plain values and references only.
"""

import re
from typing import Any

import yaml

MAX_BYTES, MAX_NODES, MAX_DEPTH = 1 << 16, 500, 6
"""Maximum size of a file, in bytes, YAML nodes and levels of nesting."""
MAX_ITEMS, MAX_LETTERS = 16, 4096
"""Maximum length of a list and of a text."""
YAML = "tag:yaml.org,2002:"
PLAIN = {
    "str": rf"(?s).{{0,{MAX_LETTERS}}}",
    "int": r"-?(0|[1-9]\d{0,6})",
    "float": r"-?\d{1,6}\.\d{1,12}([eE][-+]?\d{1,2})?",
    "bool": "true|false|True|False",
    "null": "null|~|",
}
"""Spelling of plain values, which every YAML parser reads alike."""


class RefusedError(Exception):
    """Part of a file that is refused, with its line."""

    def __init__(self, at: Any, message: str):
        super().__init__(message)
        self.line = at.start_mark.line + 1


def compose(text: str, tags: set[str], known: str) -> Any:
    """Parse a YAML document to its nodes.

    Arguments
    ---------
    text : str
        Contents of a file.
    tags : set of str
        Tags that are allowed.
    known : str
        List of what may be built, for error messages.

    Returns
    -------
    yaml.Node or None

    Raises
    ------
    RefusedError
        If the file has anchors, directives, several documents, a tag that is not allowed, or is too
        deep or has too many nodes.
    ValueError
        If the file is too long.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"it must have at most {MAX_BYTES} letters")
    documents = depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise RefusedError(event, "it is refused: larger or deeper than any interpreter's file")
        if getattr(event, "anchor", None) is not None:
            message = "anchors and aliases are refused. Name parts by !ref <part>"
            raise RefusedError(event, message)
        if documents > 1 or getattr(event, "tags", None) or getattr(event, "version", None):
            raise RefusedError(event, "directives and further documents are refused")
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in tags:
            message = f"the tag {tag} is refused. An interpreter's file may build only {known}"
            raise RefusedError(event, message)
    return yaml.compose(text, Loader=yaml.SafeLoader)


def mapping_items(node: Any, tag: str, message: str) -> dict[str, Any]:
    """Return the items of a mapping node: key -> node, each key once.

    Arguments
    ---------
    node : yaml.Node or None
        Node to read.
    tag : str
        Tag that the mapping must have, without the prefix of YAML.
    message : str
        Error message if the node is another one.
    """
    if not isinstance(node, yaml.MappingNode) or node.tag.removeprefix(YAML) != tag:
        raise ValueError(message) if node is None else RefusedError(node, message)
    items: dict[str, Any] = {}
    for key, value in node.value:
        text = plain_value(key)
        if not isinstance(text, str) or text in items or text == "<<":
            message = f"the key {str(text)[:40]!r} is refused: not a text, or given twice"
            raise RefusedError(key, message)
        items[text] = value
    return items


def check_reference(node: Any, name: str) -> None:
    """Raise RefusedError unless a node is the reference ``!ref <name>``."""
    if node.tag != "!ref" or node.value != f"<{name}>":
        raise RefusedError(node, f"this must be !ref <{name}>")


def setting_value(node: Any) -> Any:
    """Return a plain value or a list of plain values."""
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{YAML}seq":
        if len(node.value) > MAX_ITEMS:
            raise RefusedError(node, f"a list of more than {MAX_ITEMS} items is refused")
        return [plain_value(item) for item in node.value]
    return plain_value(node)


def plain_value(node: Any) -> Any:
    """Return a text, number, boolean or None."""
    kind = node.tag.removeprefix(YAML)
    if not isinstance(node, yaml.ScalarNode) or kind not in PLAIN:
        raise RefusedError(node, "this must be a plain value")
    if not re.fullmatch(PLAIN[kind], node.value, re.ASCII):
        raise RefusedError(node, f"{node.value[:40]!r} is refused. Write it as a plain {kind}")
    return node.value if kind == "str" else yaml.safe_load(node.value)
