"""Conversion of scores to records and to long-format tables."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

Scores = dict[tuple[str, float | None], list[float]]
"""(metric, fraction) -> one value per clip. The fraction is the mask area, or ``None`` for scores
of the explainer's own mask."""

Record = dict[str, Any]
"""One clip under one method: facts, and ``scores`` as a list of ``[metric, fraction, value]``."""


def to_records(ids: Sequence[str], targets: Sequence[str], scores: Scores) -> list[Record]:
    """Convert scores to one record per clip: ``clip``, ``target`` and ``scores``.

    ``scores`` is a list of ``[metric, fraction, value]``, without NaN values.
    """
    records = []
    for place, (clip, target) in enumerate(zip(ids, targets)):
        triples = [[*key, values[place]] for key, values in scores.items()]
        measured = [triple for triple in triples if triple[2] == triple[2]]
        records.append({"clip": clip, "target": target, "scores": measured})
    return records


def to_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Convert records to a long-format table: one row per clip, metric and fraction.

    Example
    -------
    >>> to_frame([{"clip": "a", "scores": [["AD", None, 3.0], ["AD", 0.2, 5.0]]}])
      clip metric  fraction  value
    0    a     AD       NaN    3.0
    1    a     AD       0.2    5.0
    """
    records = list(records)
    facts = pd.DataFrame([{k: v for k, v in r.items() if k != "scores"} for r in records])
    counts = [len(record["scores"]) for record in records]
    triples = [triple for record in records for triple in record["scores"]]
    scores = pd.DataFrame(triples, columns=["metric", "fraction", "value"])
    scores["fraction"] = scores.fraction.astype(float)
    repeated = facts.loc[facts.index.repeat(counts)].reset_index(drop=True)
    return pd.concat([repeated, scores], axis=1)
