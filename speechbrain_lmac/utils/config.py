"""Settings files: HyperPyYAML, where a file may state only how it differs from another."""

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from hyperpyyaml import load_hyperpyyaml, resolve_references
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.files import write_text

BASE = "base"
"""Key that names the file, beside this one or of the package, whose settings hold where this one
says nothing."""


def hparams_path(name):
    """Path of a hyperparameter file of this package, ``lmac_zs.yaml`` for instance.

    An installed package brings its files along. In a clone they lie beside the package, also when
    the clone is on the path and stands before an installed package.
    """
    within = Path(__file__).parents[1] / "hparams"
    return (within if within.is_dir() else within.parents[1] / "hparams") / name


def load_hparams(hparams_file, overrides):
    """Build what a YAML file describes, with changes from the command line.

    Arguments
    ---------
    hparams_file : str
        HyperPyYAML; a bare name is also looked for among the package's own.
    overrides : str
        YAML of the changes.

    Returns
    -------
    dict

    Raises
    ------
    InputError
        If a file is missing or malformed, or a change is of a setting that there is not.
    """
    text = read_settings(hparams_file)
    try:
        return load_hyperpyyaml(text, overrides)
    except MarkedYAMLError as error:
        raise InputError(f"the settings cannot be read: {error.problem}") from error
    except TypeError as error:  # HyperPyYAML's word for an argument that a class does not take
        if not str(error.args[0]).startswith("Invalid argument"):
            raise
        raise InputError(f"the settings do not fit: {'; '.join(map(str, error.args))}") from error
    except ValueError as error:  # of a class that was given what is no number, as it says
        if isinstance(error, InputError):
            raise
        raise InputError(f"the settings do not fit: {first_line(error)}") from error
    except KeyError as error:  # HyperPyYAML's word for an override without a key to change
        raise InputError(f"no such setting in {hparams_file}: {error.args[0]}") from error


def seed_of(hparams_file, overrides):
    """Value of the ``seed`` setting, read without building anything.

    Arguments
    ---------
    hparams_file : str
        Path of a HyperPyYAML file.
    overrides : str
        YAML of the changes.

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


def as_arguments(settings):
    """Settings as a command line has them; what is no text is written as JSON, which is YAML.

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


def _as_json(value):
    return str(value) if isinstance(value, Path) else json.dumps(value, default=str)


def save_settings(hparams_file, overrides, folder):
    """Write the settings of a run, whole and resolved, to ``hyperparams.yaml`` in a folder."""
    resolved = resolve_references(read_settings(hparams_file), overrides).getvalue()
    write_text(Path(folder) / "hyperparams.yaml", resolved)


def read_settings(hparams_file, above=()):
    """Text of a settings file, together with what it is based on.

    Arguments
    ---------
    hparams_file : str or Path
        May say ``base: other.yaml``. A setting replaces the base's whole; of plain mappings, such
        as ``weights``, entry by entry.

    Returns
    -------
    str
    """
    path = Path(hparams_file)
    if not path.is_file() and str(path) in (path.name, f"hparams/{path.name}"):
        path = hparams_path(path.name)  # installed without its repository
    if not path.is_file():
        raise InputError(f"no such hyperparameter file: {hparams_file}")
    text = path.read_text(encoding="utf-8")
    yaml = YAML()
    try:
        changes = yaml.load(text)
    except MarkedYAMLError as error:
        raise InputError(f"{path} cannot be read: {error.problem}") from error
    if not isinstance(changes, Mapping) or BASE not in changes:
        return text
    base = path.parent / changes.pop(BASE)
    above = (*above, path.resolve())
    if base.resolve() in above:
        raise InputError(f"{path} is based on itself")
    settings = yaml.load(read_settings(base if base.is_file() else base.name, above))
    for key, value in changes.items():
        if key not in settings:
            raise InputError(f"{path} changes {key}, which there is not in its base")
        if _plain(value) and _plain(settings[key]):
            settings[key].update(value)
        else:
            settings[key] = value
    merged = StringIO()
    yaml.dump(settings, merged)
    return merged.getvalue()


def _plain(node):
    """Whether a node is a mapping that builds nothing."""
    return isinstance(node, Mapping) and node.tag.value is None
