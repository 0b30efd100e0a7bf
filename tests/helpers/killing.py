"""Kill a piece of work at every file operation, and look at what it leaves.

The work runs in a fork of this process, so that imports and models cost nothing. An audit hook in
the child counts the operations that change the watched folder: opening for writing, rename,
remove, mkdir, rmdir, chmod. Each is a point to be killed at, before the operation is done. Opening
for writing is a second point: the process is then killed by the kernel inside the first write that
goes beyond ``TORN`` bytes, whichever library writes (``RLIMIT_FSIZE``), so that the file is torn.

Two kinds of operation raise no audit event and are announced by hand: libsndfile opens files in C,
so ``soundfile.SoundFile`` is wrapped in the child; and the exchange of two folders, which
``speechbrain_lmac.utils.folders`` announces as ``os.rename``. Writes to a file that is open already
are no points of their own, but for the torn ones: until it is renamed, a file has a temporary name.
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
"""After which a child that hangs is ended."""


class Points:
    """Count points in a child; die at one of them.

    Arguments
    ---------
    folder : Path
        Watched.
    last : int or None
        Point to die at, from 0 on; None: none.
    """

    def __init__(self, folder, last):
        self.folder, self.last, self.count = str(folder), last, 0

    def __call__(self, event, args):
        """The audit hook."""
        if event == "open":
            path, mode, flags = args
            if self.mine(path) and (set(mode or "") & set("wax+") or flags & WRITING):
                self.opened()
        elif event in CHANGES and any(self.mine(path) for path in args):
            self.point()

    def mine(self, path):
        """Whether an operation is in the folder."""
        return isinstance(path, (str, bytes, os.PathLike)) and os.fsdecode(path).startswith(
            self.folder
        )

    def opened(self):
        """Before a file is opened for writing, and in its first write."""
        self.point()
        if self.count == self.last:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (TORN, TORN))
        self.count += 1

    def point(self):
        """Before anything else is changed."""
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def run(work, folder, last=None):
    """Do the work in a fork, killed at a point if one is given.

    Returns
    -------
    int
        How many points it passed; -1 if it was killed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _child(work, Points(folder, last), writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) in (signal.SIGKILL, signal.SIGXFSZ), (status, said)
        return -1
    assert os.WEXITSTATUS(status) == 0, said
    return int(said)


def _child(work, points, writing):
    status = 1
    try:
        signal.alarm(MAX_CHILD_SECONDS)
        torch.set_num_threads(1)
        sys.stdout = sys.stderr = io.StringIO()
        opened = soundfile.SoundFile.__init__

        def announced(self, file, mode="r", *rest, **more):
            if mode != "r":
                sys.audit("open", str(file), "w", 0)
            opened(self, file, mode, *rest, **more)

        soundfile.SoundFile.__init__ = announced
        sys.addaudithook(points)
        work()
        os.write(writing, str(points.count).encode())
        status = 0
    except BaseException as error:  # noqa: BLE001
        os.write(writing, repr(error).encode()[:2000])
    finally:
        os._exit(status)


def tree(folder):
    """Path -> bytes of every file below a folder; None of a folder."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


class Scene:
    """A folder in which the same work is done again and again.

    Arguments
    ---------
    folder : Path
        Made anew before each time.
    build : callable
        Fills it: what is there before the work.
    work : callable
        Changes it.
    check : callable
        ``check(left, before, after)``, trees: raises AssertionError if what a kill left is torn.
    """

    def __init__(self, folder, build, work, check):
        self.folder, self.work, self.check = Path(folder), work, check
        self.template = self.folder.with_name(self.folder.name + "-template")
        self.folder.mkdir()
        build(self.folder)
        shutil.copytree(self.folder, self.template, symlinks=True)
        self.before = tree(self.folder)
        self.points = run(work, self.folder)
        self.after = tree(self.folder)

    def kill(self, last):
        """Do the work, killed at a point, and again; both leave what they should."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.template, self.folder, symlinks=True)
        killed = run(self.work, self.folder, last) < 0
        left = tree(self.folder)
        with _told(f"killed at {last} of {self.points}"):
            _check_bystanders(left, self.before, self.after)
            self.check(left, self.before, self.after)
            run(self.work, self.folder)
            found, wanted = _known(tree(self.folder)), _known(self.after)
            differ = {name for name in {*found, *wanted} if found.get(name) != wanted.get(name)}
            assert not differ and found == wanted, f"other than undisturbed: {differ}"
        return killed


@contextlib.contextmanager
def _told(where):
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}") from error


def _known(found):
    """A tree to be compared; of ledgers it counts that they are there."""
    return {
        name: b"" if name.endswith(".json") and hidden(name) else held
        for name, held in found.items()
    }


def hidden(name):
    """Whether a path is an auxiliary file or in an auxiliary folder of the package."""
    return any(part.startswith(".speechbrain-lmac") for part in Path(name).parts)


def _check_bystanders(left, before, after):
    """What the undisturbed work does not change, no killed one does."""
    for name, held in before.items():
        if name in after and after[name] == held:
            assert left.get(name) == held, f"{name} has changed"


def check_whole(left, before, after):
    """Every file is as it was, or as it becomes, or is not there."""
    for name, held in left.items():
        if not hidden(name):
            known = [tree[name] for tree in (before, after) if name in tree]
            assert held in known, f"{name} is torn, or nobody's"
