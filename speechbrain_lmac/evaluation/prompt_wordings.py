"""Wordings of class names: templates, paraphrases and csv files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from speechbrain_lmac.data.prompts import label_to_words, paraphrases
from speechbrain_lmac.utils.errors import InputError

PARAPHRASES = "paraphrases"
"""Value of ``--prompts`` that selects the paraphrases of this package."""


def chosen_wordings(names: Sequence[str], prompts: Sequence[str]) -> dict[str, list[str]]:
    """Turn class names into prompts, in one or more wordings.

    Arguments
    ---------
    names : sequence of str
        Class names.
    prompts : list of str
        Templates with ``{}``, ``"paraphrases"``, or paths of csv files.

    Returns
    -------
    dict
        Name of the wording -> one prompt per class.

    Example
    -------
    >>> chosen_wordings(["sea_waves"], ["a recording of {}"])
    {'a recording of {}': ['a recording of sea waves']}
    """
    wordings = {}
    for choice in prompts:
        if choice == PARAPHRASES:
            wordings.update(_numbered(names, paraphrases(), choice))
        elif choice.count("{}") == 1:
            wordings[choice] = [choice.replace("{}", label_to_words(name)) for name in names]
        elif choice.endswith(".csv"):
            wordings.update(_numbered(names, read_prompts(choice), choice))
        else:
            raise InputError(
                f"--prompts must be a template with one {{}}, a csv file or {PARAPHRASES!r}, got "
                f"{choice!r}"
            )
    return wordings


def _numbered(
    names: Sequence[str], prompts: Mapping[str, Sequence[str]], source: str
) -> dict[str, list[str]]:
    """Return the first, second, ... prompt of each class as one wording each."""
    missing = [name for name in names if name not in prompts]
    if missing:
        raise InputError(
            f"{source} must have a prompt for every class, got none for {missing[0]!r}"
        )
    count = min(len(prompts[name]) for name in names)
    uneven = [name for name in names if len(prompts[name]) > count]
    if uneven:
        raise InputError(
            f"{source} must have equally many prompts per class, got more for {uneven[0]!r}"
        )
    return {f"{source} {k + 1}": [prompts[name][k] for name in names] for k in range(count)}


def read_prompts(path: str | Path) -> dict[str, list[str]]:
    """Read a csv file with the columns category and prompt: category -> prompts."""
    try:
        table = pd.read_csv(path, dtype=str, na_filter=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path} cannot be read as csv: {error}") from error
    if not {"category", "prompt"} <= set(table.columns):
        raise InputError(f"{path} must have the columns category and prompt")
    empty = table[table.prompt.str.strip() == ""]
    if len(empty):
        raise InputError(
            f"{path} must not have an empty prompt, got one for {empty.category.iloc[0]!r}"
        )
    groups = table.groupby("category").prompt.apply(list)
    return {str(category): prompts for category, prompts in groups.items()}
