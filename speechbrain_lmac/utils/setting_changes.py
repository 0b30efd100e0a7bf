"""Changes of settings between a run and the command that resumes it."""

import json
from collections.abc import Mapping
from typing import Any

GROWING_SETTINGS = ("number_of_epochs", "epoch_counter.limit")
"""Settings that a resumed run may increase: a finished training then continues."""


def describe_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Describe each setting that differs and may not, with both values.

    A nested setting is left out if a top-level setting, to which it refers, changed alike.

    Arguments
    ---------
    old, new : dict
        Name -> plain value of the settings of a run and of the command that resumes it.

    Returns
    -------
    list of str

    Example
    -------
    >>> describe_changes({"lr": 0.1, "number_of_epochs": 2}, {"lr": 0.2, "number_of_epochs": 3})
    ['lr was 0.1, got 0.2']
    """
    old = _with_growth(old, new)
    missing = object()
    differences, changes = [], set()
    for name in sorted({*old, *new}, key=lambda name: (_is_nested(name), name)):
        values = [each.get(name, missing) for each in (old, new)]
        if values[0] == values[1]:
            continue
        change = tuple("absent" if v is missing else json.dumps(v) for v in values)
        if not (_is_nested(name) and change in changes):
            differences.append(f"{name} was {change[0]}, got {change[1]}")
        changes.add(change)
    return differences


def _with_growth(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Old settings with the new values of those that increase and may do so."""
    grown = {
        name: new[name]
        for name in GROWING_SETTINGS
        if isinstance(old.get(name), int) and isinstance(new.get(name), int)
        if old[name] < new[name]
    }
    return {**old, **grown}


def _is_nested(name: str) -> bool:
    return "." in name or "[" in name
