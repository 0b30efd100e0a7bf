"""Ratings of a blind listening test: their files, and the mean rank of each method."""

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from speechbrain_lmac.metrics.statistics import cluster_bootstrap_mean
from speechbrain_lmac.utils.errors import InputError


def read_ratings(paths: Sequence[str | Path], keys: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Read ratings of blind pages, with the names of the methods.

    Arguments
    ---------
    paths : list of str or Path
        CSV files that pages saved: ``rater,page,letter,rating,saved``. The page names the test of
        one clip. Rows without a time have
        that of their file.
    keys : list of str or Path
        Key files of the pages.

    Returns
    -------
    list of dict
        ``rater``, ``page``, ``method``, ``rating`` and ``saved``, the earliest first.
    """
    methods = _read_keys(keys)
    by_page = {page: frozenset(letters.values()) for page, letters in methods.items()}
    if len(set(by_page.values())) > 1:
        raise InputError(
            "pages must have the same methods: "
            + "; ".join(f"{page} has {', '.join(sorted(names))}" for page, names in by_page.items())
        )
    rows = []
    for path in paths:
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                lines = [*csv.DictReader(file)]
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read: {error}") from error
        rows += [_rating(path, line, row, methods) for line, row in enumerate(lines, start=2)]
    if not rows:
        raise InputError("ratings must hold at least one row, got none")
    return sorted(rows, key=lambda row: row["saved"])


def _read_keys(keys: Sequence[str | Path]) -> dict[str, dict[str, str]]:
    """Return page -> letter -> method. A key of several clips has a list of tests."""
    methods: dict[str, dict[str, str]] = {}
    for path in keys:
        try:
            key = json.loads(Path(path).read_text(encoding="utf-8"))
            tests = [(test["page"], test["methods"]) for test in key.get("tests", [key])]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is no key of a blind page: {error}") from error
        for page, letters in tests:
            if methods.setdefault(page, letters) != letters:
                raise InputError(f"{path} is another key of a page that has one: {page}")
    return methods


def _rating(
    path: str | Path, line: int, row: Mapping[str, str], methods: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Check one row of a file and return it with its method."""
    try:
        letters = methods[row["page"]]
        rating = float(row["rating"])
        if not 1 <= rating <= 5:
            raise ValueError(f"rating must be 1 to 5, got {row['rating']}")
        return {
            "rater": row["rater"] or str(path),
            "page": row["page"],
            "method": letters[row["letter"]],
            "rating": rating,
            "saved": row.get("saved") or _saved(path),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}, line {line}: {error!s} fits no key that was given") from error


def _saved(path: str | Path) -> str:
    """Return the time at which a file was written, in the format of the pages."""
    return datetime.fromtimestamp(Path(path).stat().st_mtime, UTC).isoformat()


def mean_ranks(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Compute the mean rank of each method with its 95 % interval over raters.

    The methods of each page are ranked by each rater, 1 for the best; ties get their mean rank. The
    last of several ratings counts. Pages of one rater are correlated, so the interval is over
    raters.

    Arguments
    ---------
    rows : list of dict
        Rows with ``rater``, ``page``, ``method`` and ``rating``; a higher rating is better.

    Returns
    -------
    pandas.DataFrame
        ``method``, ``mean rank``, ``low``, ``high``, ``mean rating``, ``ratings`` and ``raters``,
        the best first. The interval is Student's for fewer than 20 raters.

    Example
    -------
    >>> rows = [
    ...     {"rater": rater, "page": "p", "method": method, "rating": rating}
    ...     for rater in ("x", "y")
    ...     for method, rating in (("energy", 2), ("lmac", 5))
    ... ]
    >>> mean_ranks(rows)[["method", "mean rank", "low", "high"]].values.tolist()
    [['lmac', 1.0, 1.0, 1.0], ['energy', 2.0, 2.0, 2.0]]
    """
    frame = pd.DataFrame(rows).drop_duplicates(["rater", "page", "method"], keep="last")
    frame["rank"] = frame.groupby(["rater", "page"])["rating"].rank(ascending=False)
    lines = []
    for method, part in frame.groupby("method"):
        mean, low, high = cluster_bootstrap_mean(part["rank"], part["rater"])
        lines.append(
            {
                "method": method,
                "mean rank": mean,
                "low": low,
                "high": high,
                "mean rating": part["rating"].mean(),
                "ratings": len(part),
                "raters": part["rater"].nunique(),
            }
        )
    return pd.DataFrame(lines).sort_values("mean rank", ignore_index=True)
