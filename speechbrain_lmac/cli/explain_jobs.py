"""Processes that explain files side by side, for ``speechbrain-lmac explain --jobs``.

Each process has one thread and one interpreter. On Linux it is a fork of the first process and has
its interpreter. A file is explained by one process, so their number does not change its result.
"""

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from speechbrain_lmac.cli.batch import Result
from speechbrain_lmac.utils.collected_warnings import collected_warnings
from speechbrain_lmac.utils.errors import InputError

START_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
"""How processes are started that load an interpreter of their own."""
PRELOADED = "speechbrain_lmac.inference.interpreter"
"""Module that the server of forks imports once for all processes."""
CAN_FORK = sys.platform == "linux"
"""Whether a fork of this process can compute; libraries of macOS do not survive a fork."""
SENDING_SECONDS = 1.0
"""Time in which a process that is ended sends the result of its last call."""
AHEAD = 2
"""Files per process that are explained, or wait for a process."""

Work = Callable[..., Result]
"""Function of an interpreter, a file and other arguments."""
Arguments = Callable[[int], tuple[Any, ...]]
"""Function of the index of a file that returns the file and the other arguments of the work."""


class _Process:
    """State of a process of a pool."""

    interpreter: Any = None
    is_busy = False
    is_ending = False


@contextmanager
def explaining(
    work: Work,
    arguments: Arguments,
    num_files: int,
    jobs: int | None,
    interpreter: Any,
    load: Callable[[], Any],
) -> Iterator[Callable[[int], Result]]:
    """Explain files in this process or in several processes.

    Arguments
    ---------
    work : callable
        Function of an interpreter and the arguments of a file, at the top of a module.
    arguments : callable
        Function of the index of a file that returns the arguments.
    num_files : int
        Number of files.
    jobs : int or None
        Number of processes with one thread each. None for this process, with torch's threads.
    interpreter : Interpreter
        Interpreter of this process.
    load : callable
        Function that loads the interpreter of a process that is not a fork.

    Yields
    ------
    callable
        Function of the index of a file that returns its result. Call it in the order of the files.
    """
    with threads_of(jobs):
        if jobs is None or min(jobs, num_files) == 1:
            yield lambda index: work(interpreter, *arguments(index))
            return
        method = START_METHOD
        if CAN_FORK and interpreter.device == "cpu":  # a GPU does not survive a fork
            method, load = "fork", lambda: interpreter
        with ProcessPool(work, arguments, num_files, min(jobs, num_files), method, load) as pool:
            yield pool.result


@contextmanager
def threads_of(jobs: int | None) -> Iterator[None]:
    """Compute in one thread of torch if a number of processes is given.

    An interpreter that is loaded so does not depend on the number of processes, and starts no
    threads, which a fork would lose.

    Arguments
    ---------
    jobs : int or None
        Number of processes. None leaves the threads of torch.
    """
    if jobs is None:
        yield
        return
    from speechbrain_lmac.bulk.explaining import single_thread

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads are lost, too
    with single_thread():
        yield


class ProcessPool:
    """Pool of processes that explain some files ahead of the one whose result is needed.

    Arguments
    ---------
    work, arguments, num_files, jobs, load
        As for :func:`explaining`.
    method : str
        Start method of the processes. With ``fork``, ``load`` can return an object of this process.
    """

    def __init__(
        self,
        work: Work,
        arguments: Arguments,
        num_files: int,
        jobs: int,
        method: str,
        load: Callable[[], Any],
    ):
        self.work, self.arguments = work, arguments
        self.num_files, self.ahead = num_files, AHEAD * jobs
        self.futures: list[Future[Any]] = []
        others = set(multiprocessing.active_children())
        self.is_own = lambda process: process not in others
        context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            context.set_forkserver_preload([PRELOADED])
        self.executor = ProcessPoolExecutor(jobs, context, _start, (load,))
        self.executor.submit(int)  # forks start now, before a progress bar has a thread

    def __enter__(self) -> "ProcessPool":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if kind is not None:  # files in progress leave no temporary files
            for process in filter(self.is_own, multiprocessing.active_children()):
                process.terminate()
        self.executor.shutdown(cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise InputError(
                "a process of --jobs was killed, perhaps because memory is exhausted. Give fewer "
                "--jobs; --skip-existing resumes"
            ) from error

    def result(self, index: int) -> Result:
        """Return the result of a file, and submit the next files."""
        while len(self.futures) < min(self.num_files, index + self.ahead):
            self.futures.append(self._submit(len(self.futures)))
        record, lines, texts = self.futures[index].result()
        self.futures[index] = Future()  # the result is not held
        for text in texts:
            warnings.warn(text, stacklevel=2)
        return record, lines

    def _submit(self, index: int) -> "Future[Any]":
        """Submit a file. An error in its arguments is that of its result."""
        try:
            return self.executor.submit(_call, self.work, self.arguments(index))
        except InputError as error:
            future: Future[Any] = Future()
            future.set_exception(error)
            return future


def _start(load: Callable[[], Any]) -> None:
    """Prepare a process of the pool."""
    os.environ["TQDM_DISABLE"] = "1"  # the first process has the progress bar
    import torch

    for name in ("SIGINT", "SIGHUP"):  # the first process ends the others
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_call)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _Process.interpreter = load()


def _end_call(number: int, frame: Any) -> None:
    """Unwind the call in progress and end. A process without one has time to send its result.

    It must not wait for the pool to end it: a process that is killed can hold the lock of the queue
    of calls, and all others would wait for it forever.
    """
    if _Process.is_ending:
        return
    _Process.is_ending = True
    if _Process.is_busy:
        sys.exit(128 + number)
    timer = threading.Timer(SENDING_SECONDS, os._exit, (128 + number,))
    timer.daemon = True
    timer.start()


def _end_with_parent() -> None:
    """End this process if the first process is killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(work: Work, arguments: tuple[Any, ...]) -> tuple[dict[str, Any], list[str], list[str]]:
    """Explain a file; return its record, the lines to print, and its warnings."""
    from speechbrain_lmac.utils.device import wrap_memory_errors

    try:
        _Process.is_busy = True
        with wrap_memory_errors(str(arguments[0])), collected_warnings() as texts:
            record, lines = work(_Process.interpreter, *arguments)
            lines = list(lines)
        return record, lines, texts
    finally:
        if _Process.is_ending:
            os._exit(1)
        _Process.is_busy = False
