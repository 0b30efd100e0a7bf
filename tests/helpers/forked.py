"""Commands of the package in processes that need no imports.

The processes are forks of a server, which imports the package once and starts no thread. A test
that concerns the start of Python itself needs ``subprocess``.
"""

import functools
import multiprocessing
import os
import sys
import time
from typing import NamedTuple

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "tests.helpers.forked",
        "matplotlib.figure",
        "speechbrain_lmac.__main__",
        "speechbrain_lmac.cli.explain",
        "speechbrain_lmac.cli.report",
        "speechbrain_lmac.evaluation.benchmark.figures",
        "speechbrain_lmac.evaluation.benchmark.run",
        "speechbrain_lmac.training.train",
    ]
)


@functools.cache
def start_server():
    """Wait until the server has imported the package; durations do not contain it."""
    first = SERVER.Process(target=int)
    first.start()
    first.join()


class Done(NamedTuple):
    """Exit status of a process, its standard output and error in one text, and its duration."""

    status: int
    output: str
    seconds: float


class Forked:
    """A command of the package, started at once.

    Arguments
    ---------
    words : list of str
        Arguments of ``python -m speechbrain_lmac``.
    log : Path
        File for standard output and error.
    cwd : Path or None
        Working folder. Default: that of this process.
    variables : dict or None
        Environment variables in addition to those of this process.
    prepare : callable or None
        Function of a module, called first in the new process.
    """

    def __init__(self, words, log, cwd=None, variables=None, prepare=None):
        start_server()
        self.log, self.begin = log, time.monotonic()
        environment = {**os.environ, **(variables or {})}
        folder = str(cwd or os.getcwd())
        self.process = SERVER.Process(
            target=_run, args=([*map(str, words)], str(log), folder, environment, prepare)
        )
        self.process.start()

    def kill(self):
        """Kill the process, if it has not ended."""
        self.process.kill()
        self.process.join()

    def wait(self, timeout=300):
        """Wait for the end of the process."""
        self.process.join(timeout)
        seconds = time.monotonic() - self.begin
        assert self.process.exitcode is not None, f"no end after {timeout} s"
        return Done(self.process.exitcode, self.log.read_text(), seconds)


def run(words, log, **options):
    """Run a command to its end."""
    return Forked(words, log, **options).wait()


def finish(words, log, **options):
    """Run a command that must succeed."""
    done = run(words, log, **options)
    assert done.status == 0, done.output[-2000:]
    return done


def _run(words, log, folder, environment, prepare):
    writing = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(writing, stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    import speechbrain.utils.logger
    import torch

    from speechbrain_lmac.__main__ import main

    speechbrain.utils.logger.get_environment_description = str  # takes a second, as in conftest
    torch.set_num_threads(1)
    if prepare:
        prepare()
    sys.argv = ["speechbrain_lmac", *words]
    sys.exit(main(words))
