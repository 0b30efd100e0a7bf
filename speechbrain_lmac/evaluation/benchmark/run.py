"""The bench, from settings to tables. ``python evaluate.py`` is this."""

import json
import multiprocessing
import os
import sys
import threading
import time

import pandas as pd
import speechbrain as sb
import torch

from speechbrain_lmac.evaluation.benchmark import gallery, report
from speechbrain_lmac.evaluation.benchmark.bench import BenchmarkConfig
from speechbrain_lmac.evaluation.benchmark.conditions import ABSENT, TWO_SOURCE
from speechbrain_lmac.evaluation.benchmark.runner import DomainRunner
from speechbrain_lmac.utils.config import load_hparams, save_settings
from speechbrain_lmac.utils.device import check_device, keep_freed_memory
from speechbrain_lmac.utils.errors import InputError, report_errors
from speechbrain_lmac.utils.files import write_text
from speechbrain_lmac.utils.run_metadata import lock_output_folder, write_run_metadata


@report_errors
def main(arguments=None):
    """Compare explainers as a YAML file says.

    Arguments
    ---------
    arguments : list of str
        The YAML file, then ``--key value`` for each change; the command line's by default.
    """
    keep_freed_memory()
    arguments = arguments or sys.argv[1:]
    begin = time.monotonic()
    bench, device = build(arguments)
    lock_output_folder(bench.folder, bench.identity)
    save_settings(*sb.parse_arguments(arguments)[::2], bench.folder)
    write_run_metadata(bench.folder, "evaluate.py", arguments)
    bench.draw_plans()
    planes = [DomainRunner(bench, subject) for subject in bench.subjects]
    planned, done = (
        sum(domain.planned() for domain in planes),
        sum(len(p.rows.rows) for p in planes),
    )
    print(f"{done} rows are there; {planned} encoder passes to be made, at most", flush=True)
    processes = bench.hparams["processes"] or (len(planes) if device == "cpu" else 1)
    if planned and len(planes) > 1 and processes > 1:
        in_parallel(arguments, len(planes))
        planes = [DomainRunner(bench, subject) for subject in bench.subjects]
    for domain in planes:  # what is done already takes no time
        domain.run()
    took = spent(bench.folder, time.monotonic() - begin, device, planned)
    finish(bench, planes, took)


def build(arguments):
    """The run that a command line describes, and its device."""
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    device = run_opts.get("device") or "cpu"
    check_device(device)
    return BenchmarkConfig(load_hparams(hparams_file, overrides), device), device


def in_parallel(arguments, count):
    """Each plane in a process of its own, which share the cores."""
    context = multiprocessing.get_context("spawn")
    threads = max(1, torch.get_num_threads() // count)
    workers = [
        context.Process(target=work, args=(arguments, place, threads)) for place in range(count)
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
        raise InputError("a plane did not get to its end, see above; the same command goes on")


@report_errors
def work(arguments, place, threads):
    """What one process does: the plane at a place."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    keep_freed_memory()
    torch.set_num_threads(threads)
    bench, _ = build(arguments)
    DomainRunner(bench, bench.subjects[place]).run(place)


def end_with_parent():
    """End this process when the one that started it is gone, killed perhaps: nobody would know
    that it still works and holds the rows.
    """
    multiprocessing.parent_process().join()
    os._exit(1)


def finish(bench, planes, took):
    """Tables and figures of all rows."""
    frame = pd.concat([domain.rows.frame() for domain in planes], ignore_index=True)
    tuned = [{"masking": p.subject.masking, **row} for p in planes for row in p.tuned]
    reference = next((s.method for s in bench.subjects if s.method), None)
    report.write(bench.folder, frame, tuned, f"{bench.what}; {took}", reference)
    mixed = any(c != ABSENT and c.kind == TWO_SOURCE for c in bench.conditions)
    if bench.hparams["gallery"] and mixed:
        for domain in planes:
            gallery.draw(domain, bench.folder / "figures")
    print(f"rows, tables and figures: {bench.folder}")


def spent(folder, seconds, device, planned):
    """Minutes that a run took, all its parts together if it was interrupted, in words.

    A run that had nothing to do but tables is not counted.
    """
    path = folder / "spent.json"
    held = json.loads(path.read_text()) if path.is_file() else {"seconds": 0.0, "where": device}
    if planned:
        where = f"{torch.get_num_threads()} cores" if device == "cpu" else device
        held = {"seconds": round(held["seconds"] + seconds), "where": where}
        write_text(path, json.dumps(held))
    return f"{held['seconds'] / 60:.0f} minutes on {held['where']}"
