"""A process that has imported what workers need, of which they are copies."""

from __future__ import annotations

import multiprocessing
import os
import sys

_PRELOADED = ["mlp.workflows.preload"]
# macOS has system libraries that do not survive a fork, Windows has none
METHOD = "forkserver" if sys.platform == "linux" else "spawn"


def warm_up() -> None:
    """Start it, so that it imports while this process does; nothing where that is of no use."""
    if METHOD == "forkserver" and (os.cpu_count() or 1) > 1:
        from multiprocessing import forkserver  # of no use elsewhere

        multiprocessing.get_context(METHOD).set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()
