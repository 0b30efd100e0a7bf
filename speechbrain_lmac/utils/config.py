"""Settings files in HyperPyYAML: find, load and flatten them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hyperpyyaml import load_hyperpyyaml, resolve_references
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.files import write_text
from speechbrain_lmac.utils.settings_help import describe_settings, unknown_setting

STANDARD_TAGS = "tag:yaml.org,2002:"
"""Prefix of the tags of plain values; all other tags build something."""


def hparams_path(name: str) -> Path:
    """Path of a settings file of this package, ``lmac_zs.yaml`` for instance.

    An installed package contains the files. In a clone they lie next to the package, also if the
    clone is on the Python path and precedes an installed package.
    """
    package = Path(__file__).parents[1]
    inside = package / "hparams"
    return (inside if inside.is_dir() else package.parent / "hparams") / name


def load_hparams(hparams_file: str | Path, overrides: str | None) -> dict[str, Any]:
    """Build the objects that a settings file describes.

    Arguments
    ---------
    hparams_file : str or Path
        HyperPyYAML file, or the name of one in the package.
    overrides : str
        YAML of the changes from the command line.

    Returns
    -------
    dict
        Setting -> value or object.

    Raises
    ------
    InputError
        If a file is missing or malformed, or a change names an unknown setting.
    """
    text = read_settings(hparams_file)
    try:
        return load_hyperpyyaml(text, overrides)
    except MarkedYAMLError as error:
        raise InputError(f"the settings cannot be read: {error.problem}") from error
    except TypeError as error:  # HyperPyYAML's error for an argument that a class does not take
        if not str(error.args[0]).startswith("Invalid argument"):
            raise
        raise InputError(f"the settings do not fit: {'; '.join(map(str, error.args))}") from error
    except ValueError as error:  # a class refused its arguments
        if isinstance(error, InputError):
            raise
        raise InputError(f"the settings do not fit: {first_line(error)}") from error
    except KeyError as error:  # HyperPyYAML's error for a change of an unknown setting
        raise InputError(
            f"no such setting in {hparams_file}: {unknown_setting(str(error.args[0]), text)}"
        ) from error


def seed_of(hparams_file: str | Path, overrides: str | None) -> int:
    """Value of the ``seed`` setting, read without building anything.

    Arguments
    ---------
    hparams_file : str or Path
        HyperPyYAML file, or the name of one in the package.
    overrides : str
        YAML of the changes from the command line.

    Returns
    -------
    int

    Raises
    ------
    InputError
        If the file has no ``seed``, or it is no whole number.
    """
    try:
        resolved = resolve_references(read_settings(hparams_file), overrides)
        seed = YAML().load(resolved).get("seed")
    except (MarkedYAMLError, KeyError, TypeError, ValueError, AttributeError):
        seed = 0  # load_hparams explains the error
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InputError(f"seed must be a whole number, got {seed!r}. Give --seed 1986")
    return seed


def as_arguments(settings: Mapping[str, Any]) -> list[str]:
    """Write settings as command-line arguments; values that are not text become JSON.

    Example
    -------
    >>> as_arguments({"masking": "mel", "num_clips": {"clips": None}})
    ['--masking', 'mel', '--num_clips', '{"clips": null}']
    """
    return [
        word
        for name, value in settings.items()
        for word in (f"--{name}", value if isinstance(value, str) else _as_json(value))
    ]


def _as_json(value: Any) -> str:
    return str(value) if isinstance(value, Path) else json.dumps(value, default=str)


def save_settings(hparams_file: str | Path, overrides: str | None, folder: str | Path) -> None:
    """Write all settings of a run, with references resolved, to ``hyperparams.yaml``.

    Arguments
    ---------
    hparams_file : str or Path
        HyperPyYAML file, or the name of one in the package.
    overrides : str
        YAML of the changes from the command line.
    folder : str or Path
        Results folder.
    """
    resolved = resolve_references(read_settings(hparams_file), overrides).getvalue()
    write_text(Path(folder) / "hyperparams.yaml", resolved)


def read_settings(hparams_file: str | Path) -> str:
    """Read a settings file.

    Arguments
    ---------
    hparams_file : str or Path
        HyperPyYAML file, or the name of one in the package.

    Returns
    -------
    str
        HyperPyYAML text.

    Raises
    ------
    InputError
        If the file is missing or cannot be read.
    """
    path = Path(hparams_file)
    if not path.is_file() and str(path) in (path.name, f"hparams/{path.name}"):
        path = hparams_path(path.name)  # installed without its repository
    if not path.is_file():
        raise InputError(f"no such hyperparameter file: {hparams_file}")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from error


def print_settings(hparams_file: str | Path) -> None:
    """Print the settings of a file with their values and comments."""
    print(describe_settings(Path(hparams_file).name, read_settings(hparams_file)))


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
    resolved = resolve_references(read_settings(hparams_file), overrides).getvalue()
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
