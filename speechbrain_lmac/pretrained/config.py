"""What an interpreter's ``hyperparams.yaml`` describes, read without running any of it.

HyperPyYAML builds and calls whatever a file names, and more: of texts that look like tuples, what
is in them. So it has no part in this. A file is read to its nodes; if they describe an interpreter,
part by part, of classes of this package and plain values, these are built, by :func:`build`.
"""

import os
import re
from importlib import import_module
from inspect import signature
from typing import NamedTuple

import yaml

from speechbrain_lmac.utils.errors import InputError, first_line

CLAPS = (
    *(
        "models.clap.mini.MiniCLAP",
        "models.clap.efficientat.EfficientATCLAP",
        "models.clap.laion.LaionCLAP",
    ),
    *("models.clap.microsoft.MicrosoftCLAP", "models.clap.transformers.TransformersCLAP"),
)
PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "audio_classifier": (CLAPS, ()),
    "domain": (("masking.domains.StftDomain", "masking.domains.MelDomain"), ("audio_classifier",)),
    "classifier": (("masking.masked_classifier.MaskedClassifier",), ("domain",)),
    "decoder": (("masking.decoder.MaskDecoder",), ()),
    "model": (("masking.interpreter_network.InterpreterNetwork",), ("classifier", "decoder")),
}
"""What an interpreter is made of: the classes that each part may be, and the parts that it takes.
These ten classes are all that a file may build."""
NOTES = ("method", "classifier_name", "classifier_revision", "classifier_sha256")
"""Texts beside the parts."""

MAX_BYTES, MAX_NODES, MAX_DEPTH = 1 << 16, 500, 6
MAX_ITEMS, MAX_LETTERS = 16, 4096
CLASS = "!new:speechbrain_lmac."
YAML = "tag:yaml.org,2002:"
PLAIN = {
    "str": rf"(?s).{{0,{MAX_LETTERS}}}",
    "int": r"-?(0|[1-9]\d{0,6})",
    "float": r"-?\d{1,6}\.\d{1,12}([eE][-+]?\d{1,2})?",
    "bool": "true|false|True|False",
    "null": "null|~|",
}
"""Plain values, and how they are written: as every parser reads them alike."""
PUBLIC = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
"""Names of published files, and Hub ids; those that are a path of something here are refused,
too.
"""
COMMIT = re.compile(r"[0-9a-f]{40}")
PINNED = "laion/clap-htsat-unfused"
"""Of transformers' CLAPs the one whose commit the adapter knows."""
TOKENIZERS = ("FacebookAI/roberta-base", "google-bert/bert-base-uncased")
"""Of LAION's and Microsoft's CLAPs, pinned where they are fetched."""
FETCHED_LATEST = ("models.clap.microsoft.MicrosoftCLAP",)
"""Adapters that fetch the latest commit where none is named; the others know one."""
WITHOUT_NAMES = ("models.clap.mini.MiniCLAP", "models.clap.efficientat.EfficientATCLAP")
"""Adapters whose weights ship with the package or are fetched from one address."""

BROKEN = (
    *(TypeError, ValueError, LookupError, RuntimeError, OSError),
    *(ImportError, ArithmeticError, AttributeError),
)
"""What parts raise of settings that make none."""


class Part(NamedTuple):
    """A part of an interpreter, before it is built."""

    kind: str
    """Its class, within this package."""
    settings: dict
    """Plain values."""


class InterpreterConfig(NamedTuple):
    """An interpreter, before it is built."""

    notes: dict
    parts: dict
    """Name -> :class:`Part`."""


def read_interpreter_config(text, name, downloaded=False):
    """Read an interpreter's file; nothing is constructed.

    Arguments
    ---------
    text : str
        The file's contents.
    name : str
        What to call the file in an error.
    downloaded : bool
        Whether it is somebody else's: then no setting may be a path, and what is fetched is of
        one commit.

    Returns
    -------
    InterpreterConfig

    Raises
    ------
    InputError
        Naming the line, and the tag if that is the fault.

    Example
    -------
    >>> read_interpreter_config("wipe: !apply:os.system ['rm -rf .']", "hyperparams.yaml")
    Traceback (most recent call last):
    ...
    speechbrain_lmac.utils.errors.InputError: hyperparams.yaml, line 1: the tag !apply:os.system ...
    """
    try:
        _check_events(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        notes, parts = _interpreter(node, downloaded)
    except _RefusedError as error:
        raise InputError(f"{name}, line {error.line}: {error}") from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # of a character's escape
        raise InputError(f"{name} is no YAML: {first_line(error)}") from error
    return InterpreterConfig(notes, parts)


def build(blueprint, changes=None):
    """Build an interpreter's parts.

    Arguments
    ---------
    blueprint : InterpreterConfig
        What is built.
    changes : dict
        Part -> settings in place of the blueprint's.

    Returns
    -------
    dict
        The notes and the parts, by name.

    Raises
    ------
    InputError
        If a part does not take its settings.
    """
    changes = {} if changes is None else changes
    if not isinstance(changes, dict) or not all(isinstance(c, dict) for c in changes.values()):
        raise InputError(
            'overrides are settings of parts, such as {"audio_classifier": {"weights": "here.pt"}}'
        )
    if strange := sorted(set(changes) - set(PARTS), key=str):
        raise InputError(f"there is no part {strange[0]} to override: {', '.join(PARTS)}")
    built: dict = dict(blueprint.notes)
    for name, (_, takes) in PARTS.items():
        kind, settings = blueprint.parts[name]
        module, _, cls = f"speechbrain_lmac.{kind}".rpartition(".")
        make = getattr(import_module(module), cls)
        settings = {**settings, **changes.get(name, {})}
        if strange := sorted(set(settings) - set(signature(make).parameters), key=str):
            raise InputError(f"{name} has no setting {strange[0]}")
        try:
            built[name] = make(**settings, **{part: built[part] for part in takes})
        except InputError:
            raise
        except BROKEN as error:
            raise InputError(f"{name} cannot be built: {first_line(error)}") from error
    return built


class _RefusedError(Exception):
    def __init__(self, at, why):
        super().__init__(why)
        self.line = at.start_mark.line + 1


def _check_events(text):
    """Refuse what is too large, refers to itself, or has a tag that stands for no part."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES} letters")
    known = {f"{CLASS}{kind}" for kinds, _ in PARTS.values() for kind in kinds} | {"!ref"}
    documents = depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if count > MAX_NODES or depth > MAX_DEPTH:
            raise _RefusedError(event, "it is refused: larger or deeper than any interpreter's")
        if getattr(event, "anchor", None) is not None:
            raise _RefusedError(
                event, "anchors and aliases are refused; parts are named by !ref <part>"
            )
        if documents > 1 or getattr(event, "tags", None) or getattr(event, "version", None):
            raise _RefusedError(event, "directives and further documents are refused")
        tag = getattr(event, "tag", None)
        if tag is not None and tag not in known:
            classes = ", ".join(kind for kinds, _ in PARTS.values() for kind in kinds)
            raise _RefusedError(
                event, f"the tag {tag} is refused; an interpreter's file may only build {classes}"
            )


def _interpreter(node, downloaded):
    """Notes and parts of the whole file."""
    held = _items(node, "map", "an interpreter's file is a mapping")
    allowed = {*NOTES, *PARTS, "modules"}
    for key, value in held.items():
        if key not in allowed:
            known = ", ".join(sorted(allowed))
            raise _RefusedError(value, f"{key[:40]!r} is refused; there are {known}")
    if missing := sorted(allowed - set(held)):
        raise _RefusedError(node, f"it has no {', '.join(missing)}")
    notes = {key: _note(held[key], key) for key in NOTES}
    parts = {key: _part(held[key], key, downloaded) for key in PARTS}
    modules = _items(held["modules"], "map", "modules is a mapping")
    if set(modules) != {"model"}:
        raise _RefusedError(held["modules"], "modules holds model: !ref <model>, and nothing else")
    _check_reference(modules["model"], "model")
    return notes, parts


def _note(node, key):
    value = _plain(node)
    if not isinstance(value, str) or not value.isprintable():
        raise _RefusedError(node, f"{key} is a line of text")
    return value


def _part(node, name, downloaded):
    kinds, takes = PARTS[name]
    kind = node.tag.removeprefix(CLASS)
    if kind not in kinds:
        raise _RefusedError(node, f"{name} is {' or '.join(kinds)}, not {node.tag[:60]}")
    held = {}
    if not isinstance(node, yaml.ScalarNode) or node.value:
        held = _items(node, f"{CLASS}{kind}", f"the settings of {name} are a mapping")
    settings = {}
    for key, value in held.items():
        if key in takes:
            _check_reference(value, key)
            continue
        settings[key] = _setting(value)
        texts = settings[key] if isinstance(settings[key], list) else [settings[key]]
        for text in texts:
            if downloaded and isinstance(text, str) and not _is_public(text):
                raise _RefusedError(value, f"{key}: {text[:60]!r} is refused: no public name")
    if missing := sorted(set(takes) - set(held)):
        raise _RefusedError(node, f"{name} has no {', '.join(missing)}")
    if downloaded:
        _check_third_parties(node, kind, settings)
    return Part(kind, settings)


def _check_third_parties(node, kind, settings):
    """A CLAP that is fetched is that of one commit, and its tokenizer is one that is known: that of
    a stranger may hold patterns that take for ever, or end the process.
    """
    source, revision = settings.get("source", PINNED), settings.get("revision")
    fixed = source == PINNED and kind not in FETCHED_LATEST
    if not COMMIT.fullmatch(str(revision)) and (revision is not None or not fixed):
        raise _RefusedError(node, "revision must be that of a commit, 40 hex digits")
    tokenizer = settings.get("tokenizer")
    if tokenizer not in TOKENIZERS and (tokenizer is not None or source != PINNED):
        raise _RefusedError(node, f"the tokenizer must be {' or '.join(TOKENIZERS)}")
    if kind in WITHOUT_NAMES and settings.get("weights") is not None:
        raise _RefusedError(node, "weights must be left out: none of this CLAP have a public name")


def check_absent(blueprint, name):
    """Refuse settings of a stranger that are names of what is here, a file or a pipe.

    Arguments
    ---------
    blueprint : InterpreterConfig
        Of a file that was downloaded.
    name : str
        What to call that file in an error.
    """
    for part in blueprint.parts.values():
        for key, text in part.settings.items():
            if isinstance(text, str) and os.path.lexists(text):
                raise InputError(
                    f"{name}: {key}: {text!r} is refused, for there is a file of that name here. "
                    "Run it in another folder"
                )


def _is_public(text):
    return bool(PUBLIC.fullmatch(text))


def _items(node, tag, what):
    """Key -> node of a mapping, each key once."""
    if not isinstance(node, yaml.MappingNode) or node.tag.removeprefix(YAML) != tag:
        raise ValueError(what) if node is None else _RefusedError(node, what)
    found = {}
    for key, value in node.value:
        text = _plain(key)
        if not isinstance(text, str) or text in found or text == "<<":
            raise _RefusedError(
                key, f"the key {str(text)[:40]!r} is refused: no text, or there twice"
            )
        found[text] = value
    return found


def _check_reference(node, name):
    if node.tag != "!ref" or node.value != f"<{name}>":
        raise _RefusedError(node, f"here stands !ref <{name}>, and nothing else")


def _setting(node):
    if isinstance(node, yaml.SequenceNode) and node.tag == f"{YAML}seq":
        if len(node.value) > MAX_ITEMS:
            raise _RefusedError(node, f"a list of more than {MAX_ITEMS} items is refused")
        return [_plain(item) for item in node.value]
    return _plain(node)


def _plain(node):
    """A plain value."""
    kind = node.tag.removeprefix(YAML)
    if not isinstance(node, yaml.ScalarNode) or kind not in PLAIN:
        raise _RefusedError(node, "here stands a plain value")
    if not re.fullmatch(PLAIN[kind], node.value, re.ASCII):
        raise _RefusedError(node, f"{node.value[:40]!r} is refused: write it as a plain {kind}")
    return node.value if kind == "str" else yaml.safe_load(node.value)
