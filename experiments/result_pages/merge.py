"""Merge the results of several benchmark runs into one set of tables and figures.

Usage: python -m experiments.result_pages.merge RUN RUN ... --output_folder FOLDER
           --description "MiniCLAP, 391 clips of UrbanSound8K, 10 classes"

The runs must have different clips, domains or conditions. ``runs.txt`` in the output folder names
them. :mod:`experiments.result_pages.pages` writes a page from the output folder.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from speechbrain_lmac.evaluation.benchmark.figures import draw_all
from speechbrain_lmac.evaluation.benchmark.results import read_table
from speechbrain_lmac.evaluation.benchmark.tables import write_summary
from speechbrain_lmac.masking.domains import DOMAINS
from speechbrain_lmac.utils.errors import InputError, report_errors

MERGED_RUNS = "runs.txt"
"""File that names the merged runs, relative to its folder."""
KEY = ["domain", "condition", "clip", "method", "metric", "fraction"]
"""Columns that identify a row of results."""


@report_errors
def main(arguments: Sequence[str] | None = None) -> None:
    """Merge the given runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="results folders of finished runs")
    parser.add_argument("--output_folder", type=Path, required=True, help="folder to write to")
    parser.add_argument("--description", required=True, help="title of the tables")
    options = parser.parse_args(arguments)
    runs = {path.name: path for path in options.runs}
    if len(runs) < len(options.runs):
        raise InputError(f"runs must have different names, got {[*map(str, options.runs)]}")
    merge_runs(options.output_folder, runs, options.description)
    print(f"results, tables and figures of {len(runs)} runs: {options.output_folder}")


def merge_runs(folder: Path, runs: Mapping[str, Path], description: str) -> None:
    """Write tables and figures of the results of several runs together.

    Arguments
    ---------
    folder : Path
        Folder to write to.
    runs : dict
        Name of a run in the table of tuned baselines -> its results folder.
    description : str
        Title of the tables.

    Raises
    ------
    InputError
        If a run is not finished, a condition has an SNR (``two_source@5``), or two runs have the
        same clip, domain and condition.
    """
    tables = [read_table(run) for run in runs.values()]
    results = pd.concat(tables, ignore_index=True).assign(snr_db=0.0)  # for its conditions, unused
    if results.condition.str.contains("@").any():
        raise InputError("conditions must have no SNR such as two_source@5, got one that has")
    if results.duplicated(KEY).any():
        raise InputError(
            f"runs must differ in clips, domains or conditions, got twice "
            f"{results[results.duplicated(KEY)].iloc[0][KEY].tolist()}"
        )
    method = next((name for name in results.method.unique() if name.startswith("LMAC-ZS")), None)
    folder.mkdir(parents=True, exist_ok=True)
    listed = [os.path.relpath(run, folder) for run in runs.values()]
    (folder / MERGED_RUNS).write_text("".join(f"{run}\n" for run in listed), encoding="utf-8")
    report = write_summary(folder, results, tuning_rows(runs), description, method)
    draw_all(folder / "figures", results, report)


def tuning_rows(runs: Mapping[str, Path]) -> list[dict[str, str]]:
    """Return the choices of tuned baselines of all runs, with the run in the domain's name."""
    rows = []
    for name, run in runs.items():
        for path in (run / f"tuning_{domain}.json" for domain in DOMAINS):
            if path.is_file():
                domain = path.stem.removeprefix("tuning_")
                choices = json.loads(path.read_text(encoding="utf-8"))
                rows += [{"domain": f"{domain}, {name}", **row} for row in choices]
    return rows


if __name__ == "__main__":
    main()
