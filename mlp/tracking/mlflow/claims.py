"""Claims on runs: of several commands that need a run at once, one trains it, the others wait.

The claim to a run is its record: RUNNING, of a command that lives. A lock of this machine makes
looking and claiming one step. It holds no longer than that, and the system takes it from a process
that dies; so nobody waits for a command that is gone, or that waits itself.
"""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Collection
from contextlib import AbstractContextManager
from pathlib import Path

from mlflow.entities import Run

from mlp import console
from mlp.data.cache import cache_folder
from mlp.processes import alone as hold
from mlp.processes import is_gone
from mlp.tracking.mlflow import names
from mlp.tracking.mlflow.store import Store

# A command on another machine logs the load of its machine every few seconds while it lives
_SILENT_SECONDS = 180.0
_SHORT_PAUSE, _LONG_PAUSE = 0.2, 3.0  # seconds between two looks at what others train


def alone(store: Store, what: str) -> AbstractContextManager[object]:
    """One process of this machine at a time, in what it does with a store; others wait."""
    if store.uri.startswith("sqlite:///"):
        path = Path(f"{store.uri.removeprefix('sqlite:///')}.{what}.lock")
    else:
        folder = cache_folder() / "locks"
        folder.mkdir(exist_ok=True)
        path = folder / f"{hashlib.sha256(store.uri.encode()).hexdigest()[:16]}.{what}.lock"
    return hold(path, f"another command is busy with {what}")


class Claims:
    """The runs that the other commands which record in a store are training."""

    def __init__(self, store: Store, run_id: str) -> None:
        """`run_id`: the run of this command."""
        self._store, self._run_id = store, run_id
        self._signs: dict[str, tuple[object, float]] = {}  # what was heard last of a run, and when
        self._announced: set[str] = set()  # commands that were waited for

    def of_others(self, identities: Collection[str]) -> dict[str, tuple[Run, Run]]:
        """The runs of these identities that other commands train, each with its command's run."""
        found = self._store.search("attributes.status = 'RUNNING'", everywhere=True)
        running = {run.info.run_id: run for run in found}
        claimed = {}
        for run in found:
            tags = run.data.tags
            # A command that has ended trains nothing, whatever its runs say
            top = running.get(tags.get(names.PARENT, run.info.run_id))
            others = top is not None and top.info.run_id != self._run_id
            if others and tags.get(names.IDENTITY) in identities and self._lives(top, run):
                claimed[tags[names.IDENTITY]] = run, top
        return claimed

    def wait(self, identities: Collection[str]) -> None:
        """Return when another command no longer trains one of these, if it does; say who."""
        first = claimed = self.of_others(identities)
        for top in {top.info.run_id: top for _, top in claimed.values()}.values():
            if top.info.run_id not in self._announced:
                own = [run for run, its in claimed.values() if its.info.run_id == top.info.run_id]
                machine, process, _ = top.data.tags[names.PROCESS].rsplit(" ", 2)
                console.out(
                    f"another command (process {process} on {machine}) trains {len(own)} of these "
                    f"runs (the first: {own[-1].info.run_name}): waiting for it"
                )
                self._announced.add(top.info.run_id)
        pause = _SHORT_PAUSE
        while claimed and claimed.keys() == first.keys():
            time.sleep(pause)
            pause = min(2 * pause, _LONG_PAUSE)
            claimed = self.of_others(identities)
        self._store.end_stale_runs()  # of one that died

    def _lives(self, top: Run, run: Run) -> bool:
        process = top.data.tags.get(names.PROCESS)
        if process is None or is_gone(process):
            return False
        if process.rsplit(" ", 2)[0] == socket.gethostname():
            return True
        sign, now = (top.data.metrics, run.data.metrics), time.monotonic()
        before, since = self._signs.get(run.info.run_id, (sign, now))
        since = since if sign == before else now
        self._signs[run.info.run_id] = sign, since
        if now - since < _SILENT_SECONDS:
            return True
        # For all to see: a worker of this command has not listened for as long
        self._store.client.set_terminated(run.info.run_id, "KILLED")
        return False
