"""Settings files in HyperPyYAML: find, read, build and save them."""

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from hyperpyyaml import load_hyperpyyaml, resolve_references
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from speechbrain_lmac.utils.errors import InputError, first_line
from speechbrain_lmac.utils.files import write_text
from speechbrain_lmac.utils.settings_help import describe_settings, unknown_setting


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
    text = read_settings(hparams_file, overrides)
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
        resolved = resolve_references(read_settings(hparams_file, overrides), overrides)
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
    text = read_settings(hparams_file, overrides)
    resolved = resolve_references(text, overrides).getvalue()
    write_text(Path(folder) / "hyperparams.yaml", resolved)


def read_settings(hparams_file: str | Path, overrides: str | None = None) -> str:
    """Read a settings file.

    Arguments
    ---------
    hparams_file : str or Path
        HyperPyYAML file, or the name of one in the package.
    overrides : str
        YAML of the changes from the command line. Objects of another class, such as
        ``opt_class: !name:torch.optim.SGD {momentum: 0.9}``, replace those of the file. HyperPyYAML
        would keep the class of the file. Default: none.

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
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {first_line(error)}") from error
    return _replace_objects(text, overrides)


def _replace_objects(text: str, overrides: str | None) -> str:
    """Put the objects of ``overrides`` that have another tag into the text of a settings file."""
    if "!" not in (overrides or ""):
        return text
    yaml = YAML()
    try:
        settings, changes = yaml.load(text), yaml.load(overrides)
        if not _put_objects(settings, changes):
            return text
    except (MarkedYAMLError, TypeError):  # load_hparams explains the error
        return text
    stream = StringIO()
    yaml.dump(settings, stream)
    return stream.getvalue()


def _put_objects(settings: CommentedMap, changes: CommentedMap) -> bool:
    """Replace values that have another tag, at any depth; return whether there are some."""
    replaced = False
    for name, value in changes.items():
        if isinstance(value, CommentedMap) and isinstance(settings.get(name), CommentedMap):
            if value.tag.value not in (None, settings[name].tag.value):
                settings[name] = value
                replaced = True
            else:
                replaced |= _put_objects(settings[name], value)
    return replaced


def print_settings(hparams_file: str | Path) -> None:
    """Print the settings of a file with their values and comments."""
    print(describe_settings(Path(hparams_file).name, read_settings(hparams_file)))
