"""Scores in the results folder of a benchmark."""

import json

from speechbrain_lmac.evaluation.benchmark.results import KEY, RecordFile
from speechbrain_lmac.evaluation.long_format import to_frame


def read_records(folder):
    """Read the scores of a results folder in long format, with all facts."""
    files = [RecordFile(path, decoder_of(path)) for path in sorted(folder.glob("results_*.jsonl"))]
    return to_frame(record for file in files for record in file.records)


def decoder_of(path):
    """Return the hash of the decoder of the last record that involves one."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return next((r["decoder"] for r in reversed(records) if r["decoder"]), "")


def value_of(frame, metric, fraction=None):
    """Return one score, indexed by condition, method and clip."""
    at = frame.fraction.isna() if fraction is None else frame.fraction == fraction
    rows = frame[(frame.metric == metric) & at]
    return rows.set_index(["condition", "method", "clip"]).value


def items_of(frame):
    """Return the facts of all records, one row for each."""
    return frame.drop(columns=["metric", "fraction", "value"]).drop_duplicates([*KEY])
