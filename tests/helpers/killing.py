"""Kill a command at every file operation, and check the files that remain.

The command runs in a fork of this process, so imports and models are loaded once. An audit hook in
the child counts the operations that change the watched folder: opening for writing, rename,
remove, mkdir, rmdir, chmod. The child can be killed before each of them. Opening for writing is a
second point: the kernel then kills the child in the first write beyond ``TORN`` bytes, whichever
library writes (``RLIMIT_FSIZE``), so that the file is torn.

Two kinds of operation raise no audit event and are announced explicitly. libsndfile opens files in
C, so ``soundfile.SoundFile`` is wrapped in the child. ``speechbrain_lmac.utils.folders`` announces
the exchange of two folders as ``os.rename``. Further writes to an open file are no points: a file
has a temporary name until it is renamed.
"""

import contextlib
import io
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import soundfile
import torch

TORN = 20
"""Bytes after which a writer is killed."""
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MAX_CHILD_SECONDS = 300
"""Time limit of the child process."""


class KillPoints:
    """Audit hook that counts the operations on a folder, and kills the process at one of them.

    Arguments
    ---------
    folder : Path
        Watched folder.
    last : int or None
        Index of the operation at which the process is killed, from 0. None: no kill.
    """

    def __init__(self, folder, last):
        self.folder, self.last, self.count = str(folder), last, 0

    def __call__(self, event, args):
        if event == "open":
            path, mode, flags = args
            if self.is_watched(path) and (set(mode or "") & set("wax+") or flags & WRITING):
                self.before_opening()
        elif event in CHANGES and any(self.is_watched(path) for path in args):
            self.before_change()

    def is_watched(self, path):
        """Whether a path is in the watched folder."""
        return isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(
            self.folder
        )

    def before_opening(self):
        """Count the opening of a file for writing, and its first write."""
        self.before_change()
        if self.count == self.last:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            sys.dont_write_bytecode = True  # it would be cut and used nevertheless
            resource.setrlimit(resource.RLIMIT_FSIZE, (TORN, TORN))
        self.count += 1

    def before_change(self):
        """Count an operation."""
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def run(work, folder, last=None):
    """Call ``work`` in a fork, and kill it at the operation ``last``.

    Returns
    -------
    int
        Number of points that the child passed; -1 if it was killed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _child(work, KillPoints(folder, last), writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        message = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGXFSZ), (status, message)
        return -1
    assert os.WEXITSTATUS(status) == 0, message
    return int(message)


def _child(work, points, writing):
    status = 1
    try:
        signal.alarm(MAX_CHILD_SECONDS)
        torch.set_num_threads(1)
        sys.stdout = sys.stderr = io.StringIO()
        open_sound = soundfile.SoundFile.__init__

        def announce(self, file, mode="r", *args, **kwargs):
            if mode != "r":
                sys.audit("open", str(file), "w", 0)
            open_sound(self, file, mode, *args, **kwargs)

        soundfile.SoundFile.__init__ = announce
        sys.addaudithook(points)
        work()
        os.write(writing, str(points.count).encode())
        status = 0
    except BaseException as error:  # noqa: BLE001
        os.write(writing, repr(error).encode()[:2000])
    finally:
        os._exit(status)


def read_tree(folder):
    """Return path -> bytes of every file below a folder. A folder has the value None."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


class KillTest:
    """Repeat the same work in a folder, killed at different points.

    Arguments
    ---------
    folder : Path
        Folder of the work. It is restored before each repetition.
    build : callable
        ``build(folder)`` creates the files that exist before the work.
    work : callable
        Changes the folder.
    check : callable
        ``check(remaining, before, after)`` compares path -> bytes of the killed work with those
        before and after the complete work, and raises AssertionError.
    """

    def __init__(self, folder, build, work, check):
        self.folder, self.work, self.check = Path(folder), work, check
        self.template = self.folder.with_name(self.folder.name + "-template")
        self.folder.mkdir()
        build(self.folder)
        shutil.copytree(self.folder, self.template, symlinks=True)
        self.before = read_tree(self.folder)
        self.points = run(work, self.folder)
        self.after = read_tree(self.folder)

    def kill(self, last):
        """Kill the work at a point and repeat it; check the files after both.

        Returns
        -------
        bool
            Whether the process was killed.
        """
        shutil.rmtree(self.folder)
        shutil.copytree(self.template, self.folder, symlinks=True)
        killed = run(self.work, self.folder, last) < 0
        remaining = read_tree(self.folder)
        with _errors_name(f"killed at {last} of {self.points}"):
            _check_unrelated(remaining, self.before, self.after)
            self.check(remaining, self.before, self.after)
            run(self.work, self.folder)
            result, expected = _comparable(read_tree(self.folder)), _comparable(self.after)
            differ = {
                name for name in {*result, *expected} if result.get(name) != expected.get(name)
            }
            assert not differ and result == expected, f"differs from the complete work: {differ}"
        return killed


@contextlib.contextmanager
def _errors_name(point):
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{point}: {error}") from error


def _comparable(tree):
    """Return a tree in which the contents of ledgers are empty."""
    return {
        name: b"" if name.endswith(".json") and is_auxiliary(name) else content
        for name, content in tree.items()
    }


def is_auxiliary(name):
    """Whether a path is an auxiliary file of the package, or in an auxiliary folder."""
    return any(part.startswith(".speechbrain-lmac") for part in Path(name).parts)


def _check_unrelated(remaining, before, after):
    """Check the files that the complete work does not change."""
    for name, content in before.items():
        if name in after and after[name] == content:
            assert remaining.get(name) == content, f"{name} has changed"


def check_complete(remaining, before, after):
    """Check that every file is as before or as after the work, or missing."""
    for name, content in remaining.items():
        if not is_auxiliary(name):
            known = [tree[name] for tree in (before, after) if name in tree]
            assert content in known, f"{name} is torn or unknown"


KILLS = os.environ.get("SPEECHBRAIN_LMAC_KILLS", "4")
"""Number of kills of each slow command, evenly spaced; ``all`` kills at every point (10 minutes).
Quick work is always killed at every point."""


def kill_at_points(test, quick=False):
    """Kill the work of a KillTest at every point if it is quick, else at ``KILLS`` points."""
    count = test.points if quick or KILLS == "all" else min(int(KILLS), test.points)
    points = {round((i + 0.5) * test.points / count - 0.5) for i in range(count)}
    killed = sum(test.kill(point) for point in sorted(points))
    sys.stdout.write(f"{killed} killed of {len(points)}; {test.points} points\n")
    assert killed
