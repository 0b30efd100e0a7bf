"""Entry point of the benchmark: ``python evaluate.py hparams/evaluate.yaml`` calls ``main``."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Sequence

import pandas as pd
import speechbrain as sb
import torch

from speechbrain_lmac.evaluation.benchmark import results, tables
from speechbrain_lmac.evaluation.benchmark.config import FREE_SETTINGS, BenchmarkConfig
from speechbrain_lmac.evaluation.benchmark.runner import DomainRunner
from speechbrain_lmac.evaluation.tables import MEAN, markdown_table
from speechbrain_lmac.utils.config import load_hparams, print_settings, save_settings
from speechbrain_lmac.utils.device import check_device, keep_freed_memory
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.run_metadata import (
    lock_output_folder,
    run_settings,
    write_run_metadata,
)
from speechbrain_lmac.utils.settings_help import is_help_request


@report_errors
def main(arguments: Sequence[str] | None = None, command: Sequence[str] | None = None) -> None:
    """Compare explainers according to a YAML file.

    Arguments
    ---------
    arguments : list of str
        YAML file, then ``--key value`` for each change and ``--debug`` for a run on few clips.
        Default: the command line.
    command : list of str
        Words of the command as it was given. Default: those of ``evaluate.py``.
    """
    arguments = list(arguments or sys.argv[1:])
    if is_help_request(arguments):
        print_settings(arguments[0])
        return
    keep_freed_memory()
    config, device = build(arguments)
    results.check_format(config.folder)
    hparams_file, _, overrides = sb.parse_arguments(arguments)
    settings = run_settings(hparams_file, overrides, free=FREE_SETTINGS)
    lock_output_folder(config.folder, {**settings, **config.identity})
    save_settings(hparams_file, overrides, config.folder)
    write_run_metadata(config.folder, command or ["python", "evaluate.py", *arguments])
    config.draw_plans()
    runners = [DomainRunner(config, system) for system in config.systems]
    pending = [place for place, runner in enumerate(runners) if not runner.is_done()]
    processes = config.hparams["processes"] or (len(runners) if device == "cpu" else 1)
    if len(pending) > 1 and processes > 1:
        run_in_parallel(arguments, len(runners))
        runners = [DomainRunner(config, system) for system in config.systems]
    for runner in runners:  # takes no time if its process has done all
        runner.run()
    write_results(config, runners)


def build(arguments: Sequence[str]) -> tuple[BenchmarkConfig, str]:
    """Return the configuration that a command line describes, and its device."""
    hparams_file, run_opts, overrides = sb.parse_arguments(list(arguments))
    device = run_opts.get("device") or "cpu"
    check_device(device)
    hparams = load_hparams(hparams_file, overrides)
    return BenchmarkConfig(hparams, device, bool(run_opts.get("debug"))), device


def run_in_parallel(arguments: Sequence[str], count: int) -> None:
    """Run each masking domain in its own process. The processes share the cores."""
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // count)
    workers = [
        context.Process(target=run_domain, args=(arguments, place, threads))
        for place in range(count)
    ]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        for worker in workers:
            worker.terminate()
        raise
    if any(worker.exitcode for worker in workers):
        raise InputError("a masking domain failed, see above. Run the same command to resume")


@report_errors
def run_domain(arguments: Sequence[str], place: int, threads: int) -> None:
    """Run one masking domain, in a process of its own."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    keep_freed_memory()
    torch.set_num_threads(threads)
    config, _ = build(arguments)
    DomainRunner(config, config.systems[place]).run(place)


def end_with_parent() -> None:
    """End this process when its parent ends, even by a kill: it would hold the record file."""
    multiprocessing.parent_process().join()  # type: ignore[union-attr]
    os._exit(1)


def short_table(frame: pd.DataFrame) -> str:
    """Markdown tables of AD, FF and Fid-In at equal mask area, for the first condition."""
    first = frame[frame.condition == frame.condition.iloc[0]]
    parts = [
        f"{domain} masking, {first.condition.iloc[0]}: mean over equal mask areas\n\n"
        f"{markdown_table(rows, MEAN)}\n"
        for domain, rows in first.groupby("domain", sort=False)
    ]
    return "\n".join(parts)


def write_results(config: BenchmarkConfig, runners: Sequence[DomainRunner]) -> None:
    """Write the results of all domains: the long table, summaries and figures."""
    # matplotlib takes a second; processes of one domain do not need it
    from speechbrain_lmac.evaluation.benchmark import figures, gallery

    frame = results.write_table(config.folder, [runner.records for runner in runners])
    tuned = [{"domain": r.system.domain, **row} for r in runners for row in r.tuning_rows]
    method = next((system.method for system in config.systems if system.method), None)
    about = (config.description, method, config.caveat)
    report = tables.write_summary(config.folder, frame, tuned, *about)
    figures.draw_all(config.folder / "figures", frame, report)
    if config.hparams["gallery"]:
        gallery.draw_galleries(config.folder / "figures", runners)
    print(short_table(frame))
    print(f"results, tables and figures: {config.folder}")
