"""The start of workers on this machine: copies of a process that has imported what they need."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_PRELOADED = ["mlp.workflows.preload"]
# macOS has system libraries that do not survive a fork, Windows has none
METHOD = "forkserver" if sys.platform == "linux" else "spawn"


def warm_up(executor: str, arms: int) -> None:
    """Start it for a study, so that it imports while this process does; not where it is of no use.

    `executor` is the name of the study's, `arms` their number.
    """
    wanted = executor in ("auto", "processes") and arms > 1
    if wanted and METHOD == "forkserver" and (os.cpu_count() or 1) > 1:
        from multiprocessing import forkserver  # of no use elsewhere

        multiprocessing.get_context(METHOD).set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()


@contextmanager
def without_script() -> Iterator[None]:
    """Have processes that are started meanwhile not import the script that this one runs.

    Without `if __name__ == "__main__"` in it, each of them would begin its study once more.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script
