"""Help on the settings of a HyperPyYAML file: their values, comments and closest names."""

import re
import shutil
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from textwrap import fill
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

HELP = ("--help", "-h")
RUN_OPTIONS = {
    "debug": "smoke test of seconds on a few clips",
    "device": "device, such as cpu or cuda:0",
    "precision": "fp32, fp16 or bf16",
    "test_only": "evaluate a finished training",
    "noprogressbar": "no progress bars",
    "ckpt_interval_steps": "number of steps between checkpoints",
}
"""Options of SpeechBrain that are listed -> description."""
INDENT, MAX_WIDTH, MAX_NAME = 2, 100, 32
UNKNOWN = re.compile(r"Override '(?P<name>.+?)' not found in:")
"""HyperPyYAML's error for a change of an unknown setting."""


class Setting(NamedTuple):
    """Setting of a file."""

    section: str
    """Comment above the setting, which also describes those that follow; often empty."""
    name: str
    value: str
    """Value as text; empty for an object."""
    comment: str
    """Comment beside the setting."""


def is_help_request(arguments: Sequence[str]) -> bool:
    """Whether arguments name a settings file and the help option."""
    return len(arguments) > 1 and not arguments[0].startswith("-") and bool({*HELP} & {*arguments})


def describe_settings(name: str, text: str) -> str:
    """List the settings of a file with their values and comments.

    Arguments
    ---------
    name : str
        Name of the file.
    text : str
        HyperPyYAML text.

    Returns
    -------
    str
        One block per section of the file. Objects without a comment are left out.

    Example
    -------
    >>> print(describe_settings("a.yaml", "seed: 1\\n# Data\\nfolds: [1] # that train\\n"))
    Settings of a.yaml, as --KEY VALUE
      --seed 1
    <BLANKLINE>
    Data
      --folds [1]
          that train
    ...
    """
    lines = [f"Settings of {name}, as --KEY VALUE"]
    for setting in _settings(text):
        if setting.section:
            lines += ["", _wrapped(setting.section, 0)]
        if setting.value or setting.comment:
            lines.append(f"{' ' * INDENT}--{setting.name} {setting.value}".rstrip())
        if setting.comment:
            lines.append(_wrapped(setting.comment, 3 * INDENT))
    lines += ["", "Options of SpeechBrain, among others"]
    width = max(map(len, RUN_OPTIONS))
    lines += [f"{' ' * INDENT}--{each:<{width}}  {told}" for each, told in RUN_OPTIONS.items()]
    return "\n".join(lines)


def _wrapped(text: str, indent: int) -> str:
    width = min(MAX_WIDTH, shutil.get_terminal_size().columns)
    spaces = " " * indent
    return fill(text, width, initial_indent=spaces, subsequent_indent=spaces)


def _settings(text: str) -> Iterator[Setting]:
    """Settings of the top level, in the order of the file."""
    lines = text.splitlines()
    for key, value in _entries(text):
        line = key.start_mark.line
        above: list[str] = []
        while line > len(above) and lines[line - len(above) - 1].startswith("#"):
            above.insert(0, lines[line - len(above) - 1].lstrip("# "))
        _, _, comment = lines[line].partition(" # ")
        is_title = len(above) == line  # the comment at the start of the file
        section = "" if is_title else " ".join(above)
        yield Setting(section, str(key.value), _value(value), comment.strip())


def _entries(text: str) -> list[tuple[Node, Node]]:
    root = YAML(typ="safe", pure=True).compose(text)
    return list(root.value) if isinstance(root, MappingNode) else []


def _value(node: Node) -> str:
    """Value as it is written; empty for an object and a long mapping."""
    is_reference = str(node.tag) == "!ref"
    if isinstance(node, ScalarNode) and (is_reference or str(node.tag).startswith("tag:")):
        return str(node.value) or "''"
    if not str(node.tag).startswith("tag:"):
        return ""
    if isinstance(node, SequenceNode):
        return f"[{', '.join(map(_value, node.value))}]"
    if isinstance(node, MappingNode) and all(_value(value)[:1] != "<" for _, value in node.value):
        return f"{{{', '.join(f'{key.value}: {_value(value)}' for key, value in node.value)}}}"
    return ""


def unknown_setting(message: str, text: str) -> str:
    """Describe a change of an unknown setting and name the closest settings.

    Arguments
    ---------
    message : str
        Error of HyperPyYAML.
    text : str
        HyperPyYAML text that lacks the setting.

    Returns
    -------
    str

    Example
    -------
    >>> unknown_setting("Override 'epochs' not found in: ['lr']", "lr: 1\\nnumber_of_epochs: 2")
    'epochs. Did you mean --number_of_epochs?'
    """
    match = UNKNOWN.search(message)
    if match is None:
        return message
    name = match["name"]
    known = [*(str(key.value) for key, _ in _entries(text)), *RUN_OPTIONS]
    close = [each for each in known if name in each or each in name]
    close = close or get_close_matches(name, known, n=2, cutoff=0.6)
    if not close:
        return f"{name}. Add --help for all settings"
    return f"{name}. Did you mean {' or '.join(f'--{each}' for each in close[:2])}?"
