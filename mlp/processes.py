"""Processes: name, memory, turn and end of this one, and the files that dead ones left."""

from __future__ import annotations

import multiprocessing.util
import os
import shutil
import signal
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil
from filelock import FileLock, Timeout

from mlp import console

_FOLDERS = "mlp-"
_VARIABLES = ("TMPDIR", "TEMP", "TMP")  # where Python's tempfile looks


def this_process() -> str:
    """Machine, process id and the process's start, which together name one process for good."""
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.0f}"


def is_gone(process: str) -> bool:
    """Tell whether a process of this machine, named by `this_process`, has ended."""
    machine, pid, started = process.rsplit(" ", 2)
    if machine != socket.gethostname():
        return False
    try:
        found = psutil.Process(int(pid))
        return (
            found.status() == psutil.STATUS_ZOMBIE or abs(found.create_time() - float(started)) > 2
        )
    except psutil.NoSuchProcess:
        return True


def cores() -> int:
    """The physical cores that this process may use, within the limits of a container."""
    from dask.system import CPU_COUNT  # of a container, but of threads too

    return min(psutil.cpu_count(logical=False) or 1, int(CPU_COUNT))


def free_memory() -> int:
    """Bytes of memory that this process may still take.

    The machine's spare memory, swap included, within the limits of a container (cgroup) and of the
    process (`ulimit -v`).
    """
    free = [psutil.virtual_memory().available + psutil.swap_memory().free]
    process = psutil.Process()
    if hasattr(psutil, "RLIMIT_AS"):
        most = process.rlimit(psutil.RLIMIT_AS)[0]
        free += [most - process.memory_info().vms] * (most != psutil.RLIM_INFINITY)
    # Of version 2 and of version 1 of cgroups, as they are seen in a container
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            most = int(Path("/sys/fs/cgroup", limit).read_text())
        except (OSError, ValueError):  # none, or "max"
            continue
        free.append(most - process.memory_info().rss)
    return max(0, min(free))


def alone(path: Path, busy: str, seconds: float = -1) -> AbstractContextManager[object]:
    """Hold a lock file; where another process holds it, say what that one does, and wait.

    For at most so many `seconds`, -1 being without end. The context gives it back. Raises Timeout.
    """
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=1)
    except Timeout:
        console.out(f"{busy}: waiting for it")
        return lock.acquire(timeout=seconds)


def temporary_prefix(beginning: str) -> str:
    """The first part of the name of a temporary folder of this process."""
    return f"{beginning}{this_process().replace(' ', '-')}-"


def remove_left(folder: Path, beginning: str) -> None:
    """Remove the folders that processes of this user and machine that are gone left in a folder.

    Only what was named by `temporary_prefix` with the same beginning.
    """
    with suppress(OSError):
        for left in folder.glob(f"{beginning}*"):
            if _is_left(left, beginning):
                shutil.rmtree(left, ignore_errors=True)


def _is_left(path: Path, beginning: str) -> bool:
    parts = path.name.removeprefix(beginning).rsplit("-", 3)
    try:
        status = path.lstat()
        gone = len(parts) == 4 and is_gone(" ".join(parts[:3]))
    except (OSError, ValueError, OverflowError, psutil.Error):
        return False  # another's, or removed just now
    own = not hasattr(os, "getuid") or status.st_uid == os.getuid()
    return gone and own and stat.S_ISDIR(status.st_mode)


@contextmanager
def temporary_files() -> Iterator[None]:
    """Have all temporary files of this process, and of those it starts, in one folder.

    It is removed at the end. So are those of processes that were killed before they could.
    """
    place = Path(tempfile.gettempdir())
    multiprocessing.util.get_temp_dir()  # of its own: it is removed later than this one
    remove_left(place, _FOLDERS)
    former, variables = tempfile.tempdir, {n: os.environ[n] for n in _VARIABLES if n in os.environ}
    with tempfile.TemporaryDirectory(
        prefix=temporary_prefix(_FOLDERS), dir=place, ignore_cleanup_errors=True
    ) as own:
        tempfile.tempdir = own
        os.environ.update(dict.fromkeys(_VARIABLES, own))
        try:
            yield
        finally:
            tempfile.tempdir = former
            for name in _VARIABLES:
                del os.environ[name]
            os.environ.update(variables)


class Interrupted(BaseException):
    """The process was asked to stop. Not an Exception, so that no library swallows it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise Interrupted in the main thread on the first SIGINT or SIGTERM; pass over later ones.

    Later ones come while runs are being ended, which takes moments and should not be cut short.
    """
    names = ("SIGINT", "SIGTERM", "SIGBREAK")  # the last is Ctrl-Break on Windows
    with _once([getattr(signal, n) for n in names if hasattr(signal, n)], Interrupted):
        yield


@contextmanager
def stoppable() -> Iterator[None]:
    """Pass over all interruptions but the first, which raises KeyboardInterrupt as it always does.

    For the process of somebody else: where SIGINT has another meaning there, it keeps it.
    """
    alone = threading.current_thread() is threading.main_thread()
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with _once([signal.SIGINT] if alone and usual else [], KeyboardInterrupt):
        yield


@contextmanager
def _once(numbers: Sequence[int], error: Callable[[int], BaseException]) -> Iterator[None]:
    """Raise an error on the first of some signals."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise error(number)

    former = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
